"""Between the messages about the outbox and the words of the domain. Pure, both ways."""

from __future__ import annotations

from uuid import UUID

from tenantmesh.tenants.v1 import outbox_pb2
from tenantmesh.tenants.v1 import outbox_service_pb2 as pb
from tenants_service.events.translate import time_to
from tenants_service.outbox.model import Claim, Entry, State, Wish


def wish_from(request: pb.CreateOutboxEntryRequest) -> Wish:
    """What somebody wants to have started."""
    return Wish(
        UUID(request.tenant_id), request.operation_type, request.operation_id, request.payload_type, request.payload
    )


def claim_from(request: pb.CreateOutboxEntryRequest | pb.ClaimOutboxEntriesRequest) -> Claim:
    """The claim somebody makes."""
    claim_id = UUID(request.claim_id)
    if not request.HasField("claim_duration"):
        return Claim(claim_id)
    return Claim(claim_id, request.claim_duration.ToTimedelta())


def state_from(state: outbox_pb2.OutboxEntry.State.ValueType) -> State | None:
    """The state somebody asks for; None for any."""
    return State[outbox_pb2.OutboxEntry.State.Name(state).removeprefix("STATE_")] if state else None


def entry_to(entry: Entry) -> outbox_pb2.OutboxEntry:
    """An entry as callers see it."""
    message = outbox_pb2.OutboxEntry(
        outbox_entry_id=str(entry.outbox_entry_id),
        tenant_id=str(entry.wish.tenant_id),
        operation_type=entry.wish.operation_type,
        operation_id=entry.wish.operation_id,
        payload_type=entry.wish.payload_type,
        payload=entry.wish.payload,
        state=outbox_pb2.OutboxEntry.State.Value(f"STATE_{entry.state.value}"),
        attempts=entry.attempts,
        last_error=entry.last_error,
        principal=entry.principal,
        create_time=time_to(entry.create_time),
        update_time=time_to(entry.update_time),
        start_time=time_to(entry.start_time) if entry.start_time else None,
    )
    if entry.due_time and entry.state is State.WAITING:
        message.next_attempt_time.CopyFrom(time_to(entry.due_time))
    if entry.due_time and entry.state is State.CLAIMED:
        message.claim_id = str(entry.claim_id)
        message.claim_expire_time.CopyFrom(time_to(entry.due_time))
    return message
