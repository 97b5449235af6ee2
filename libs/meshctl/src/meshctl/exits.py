"""What the exit code of a command says."""

from __future__ import annotations

import enum

from faults import Fault, Kind
from tenantmesh.provisioning.v1 import operation_pb2, operation_state_pb2


class Exit(enum.IntEnum):
    """The exit codes; scripts rely on them."""

    OK = 0  # it was done, or the operation succeeded
    FAILED = 1  # the operation failed
    USAGE = 2  # the command or a setting was wrong; nothing was asked
    NOT_FOUND = 3  # nothing of that name exists
    REFUSED = 4  # the mesh refused: wrong input, wrong state, or somebody else's
    DENIED = 5  # the caller is not known, or may not
    AWAY = 6  # no answer, or not now: try again later
    CANCELLED = 7  # the operation was cancelled
    HELD = 8  # the operation stands still until a person decides
    BROKEN = 9  # not built, or an error nobody foresaw
    INTERRUPTED = 130  # Ctrl-C; the operation goes on


_OF_KIND = {
    Kind.NOT_FOUND: Exit.NOT_FOUND,
    Kind.ALREADY_EXISTS: Exit.REFUSED,
    Kind.INVALID: Exit.REFUSED,
    Kind.CONFLICT: Exit.REFUSED,
    Kind.ABORTED: Exit.AWAY,
    Kind.DENIED: Exit.DENIED,
    Kind.UNAUTHENTICATED: Exit.DENIED,
    Kind.EXHAUSTED: Exit.AWAY,
    Kind.UNAVAILABLE: Exit.AWAY,
    Kind.TIMEOUT: Exit.AWAY,
    Kind.UNIMPLEMENTED: Exit.BROKEN,
    Kind.INTERNAL: Exit.BROKEN,
}

_OF_STATE = {
    operation_state_pb2.OPERATION_STATE_FAILED: Exit.FAILED,
    operation_state_pb2.OPERATION_STATE_CANCELLED: Exit.CANCELLED,
    operation_state_pb2.OPERATION_STATE_HELD: Exit.HELD,
}


def of_fault(fault: Fault) -> Exit:
    """The code of a refusal."""
    return _OF_KIND[fault.kind]


def of_operation(operation: operation_pb2.Operation) -> Exit:
    """The code of an operation as it stands."""
    return _OF_STATE.get(operation.state, Exit.OK)
