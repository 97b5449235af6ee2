"""The closed set of errors that domain code raises.

A fault says what kind of thing went wrong, why in a word a machine can act on, and with which facts. It knows no
transport: the chassis turns it into a gRPC status, temporalkit into a Temporal failure.

    Fault
    ├── NotFound          nothing of that name exists
    ├── AlreadyExists     it exists, and it is not yours to take
    ├── Invalid           the request can never succeed as it is
    ├── Conflict          the state of the thing forbids it now
    ├── Aborted           somebody else was faster: read again, then retry
    ├── Denied            known caller, not allowed
    ├── Unauthenticated   unknown caller
    ├── Exhausted         a limit or quota is used up
    ├── Unavailable       a dependency is away: retry
    ├── Timeout           no answer in time: it may have happened
    ├── Unimplemented     promised by the contract, not built yet
    └── Internal          a bug of ours
"""

from faults._faults import (
    Aborted,
    AlreadyExists,
    Conflict,
    Denied,
    Exhausted,
    Fault,
    Internal,
    Invalid,
    Kind,
    NotFound,
    Timeout,
    Unauthenticated,
    Unavailable,
    Unimplemented,
    Violation,
)

__all__ = [
    "Aborted",
    "AlreadyExists",
    "Conflict",
    "Denied",
    "Exhausted",
    "Fault",
    "Internal",
    "Invalid",
    "Kind",
    "NotFound",
    "Timeout",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Violation",
]
