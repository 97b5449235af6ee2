"""Changing operations that run: cancel, approve, amend, and letting a held one go on."""

from __future__ import annotations

from google.protobuf.message import Message

from faults import Fault, NotFound
from provisioning_service import model, translate
from provisioning_service.engine import Engine
from provisioning_service.finding import Finding
from provisioning_service.model import PROVISION
from provisioning_service.records import Records
from provisioning_service.starting import Starting, origin
from tenantmesh.provisioning.v1 import operation_requests_pb2 as pb
from tenantmesh.provisioning.v1.commands_pb2 import Amendment, Approval, Cancellation, Continuation
from tenantmesh.provisioning.v1.operation_pb2 import Operation
from tenantmesh.provisioning.v1.operation_state_pb2 import (
    OPERATION_STATE_CANCELLED,
    OPERATION_STATE_HELD,
    OPERATION_STATE_PENDING,
    OPERATION_STATE_UNDOING,
    OperationState,
)


class Steering:
    """What can be asked of an operation on its way."""

    def __init__(self, engine: Engine, records: Records, finding: Finding, starting: Starting) -> None:
        """Steer what the engine runs."""
        self._engine = engine
        self._records = records
        self._finding = finding
        self._starting = starting

    async def cancel(self, request: pb.CancelOperationRequest) -> Operation:
        """End an operation and undo what it made; again, and nothing changes."""
        operation_id = request.operation_id or PROVISION.operation_id(request.tenant_id)
        operation = await self._finding.find(operation_id, tenant_id=request.tenant_id)
        if operation.state in {OPERATION_STATE_CANCELLED, OPERATION_STATE_UNDOING}:
            return operation
        if operation.state == OPERATION_STATE_PENDING:
            return await self._drop(operation, request.reason)
        who = origin(request.reason, request.request_id)
        return await self._ask(operation, "cancel", Cancellation(origin=who))

    async def approve(self, request: pb.ApproveOperationRequest) -> Operation:
        """Decide on an operation that waits for it."""
        operation = await self._finding.find(request.operation_id, tenant_id=request.tenant_id)
        who = origin(request.reason, request.request_id)
        return await self._ask(operation, "approve", Approval(decision=request.decision, origin=who))

    async def amend(self, request: pb.AmendOperationRequest) -> Operation:
        """Change an operation while it runs."""
        operation = await self._finding.find(request.operation_id, tenant_id=request.tenant_id)
        amendment = Amendment(
            contacts=request.contacts,
            domains=request.domains,
            skip_steps=request.skip_steps,
            origin=origin(request.reason, request.request_id),
        )
        return await self._ask(operation, "amend", amendment)

    async def retry(self, request: pb.RetryOperationRequest) -> tuple[Operation, bool]:
        """Let a held operation go on, or take up a failed one; answer it, and whether this call did."""
        operation = await self._finding.find(request.operation_id, tenant_id=request.tenant_id)
        if operation.state == OPERATION_STATE_HELD:
            who = origin(request.reason, request.request_id)
            return await self._ask(operation, "retry", Continuation(origin=who)), True
        if operation.state in translate.FINAL:
            return await self._starting.again(operation.operation_id, request.reason, request.request_id)
        if operation.previous_run_id:  # somebody took it up already
            return operation, False
        raise model.not_retryable(operation.operation_id, _state(operation))

    async def _ask(self, operation: Operation, name: str, message: Message) -> Operation:
        if operation.state in translate.FINAL:
            raise model.closed(operation.operation_id, _state(operation))
        try:
            await self._engine.update(operation.operation_id, operation.run_id, name, message)
        except NotFound:  # it ended meanwhile
            ended = await self._engine.find(operation.operation_id, operation.run_id)
            if name == "cancel" and ended.state == OPERATION_STATE_CANCELLED:
                return ended
            raise model.closed(operation.operation_id, _state(ended)) from None
        return await self._engine.find(operation.operation_id, operation.run_id)

    async def _drop(self, operation: Operation, reason: str) -> Operation:
        entry = await self._records.waiting(operation.tenant_id, operation.operation_id)
        if entry is not None:
            try:
                await self._records.drop(entry, reason or "cancelled")
            except Fault as fault:
                if fault.reason not in {"OUTBOX_STATE_FORBIDS", "OUTBOX_CLAIM_LOST"}:
                    raise
                return await self._engine.find(operation.operation_id)
        operation.state = OPERATION_STATE_CANCELLED
        return operation


def _state(operation: Operation) -> str:
    return OperationState.Name(operation.state).removeprefix("OPERATION_STATE_")
