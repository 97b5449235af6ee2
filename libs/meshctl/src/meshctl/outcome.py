"""How operations end, as exceptions of those who wait for them."""

from __future__ import annotations

from typing import Final

from tenantmesh.provisioning.v1 import operation_pb2, operation_state_pb2

FINAL: Final = frozenset(
    {
        operation_state_pb2.OPERATION_STATE_SUCCEEDED,
        operation_state_pb2.OPERATION_STATE_FAILED,
        operation_state_pb2.OPERATION_STATE_CANCELLED,
    }
)


class OperationEnded(Exception):  # noqa: N818 - it says what happened
    """An operation ended, and not by success. `operation` says everything that is known."""

    def __init__(self, operation: operation_pb2.Operation) -> None:
        self.operation = operation
        cause = operation.root_cause.message or "no cause is known"
        step = f" at {operation.failed_step}" if operation.failed_step else ""
        super().__init__(f"{operation.operation_id} ended{step}: {cause}")


class OperationFailed(OperationEnded):
    """It failed; its steps say what was undone."""


class OperationCancelled(OperationEnded):
    """Somebody cancelled it; its steps say what was undone."""


def is_final(operation: operation_pb2.Operation) -> bool:
    """Whether it has ended."""
    return operation.state in FINAL


def succeeded(operation: operation_pb2.Operation) -> operation_pb2.Operation:
    """Answer an operation that ended by success.

    Raises:
        OperationFailed: it failed.
        OperationCancelled: it was cancelled.
    """
    if operation.state == operation_state_pb2.OPERATION_STATE_FAILED:
        raise OperationFailed(operation)
    if operation.state == operation_state_pb2.OPERATION_STATE_CANCELLED:
        raise OperationCancelled(operation)
    return operation
