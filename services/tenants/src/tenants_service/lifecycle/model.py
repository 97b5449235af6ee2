"""The one table of which state may follow which, and what a transition makes of a tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from faults import Conflict, Fault
from tenants_service.tenants.model import Failure, State, Tenant, shielded

NEXT: Mapping[State, frozenset[State]] = {
    State.PENDING_PROVISION: frozenset({State.PROVISIONING, State.CANCELLED}),
    State.PROVISIONING: frozenset({State.ACTIVE, State.PROVISION_FAILED, State.CANCELLED}),
    State.PROVISION_FAILED: frozenset({State.PROVISIONING, State.DEPROVISIONING}),
    State.ACTIVE: frozenset({State.SUSPENDED, State.DEPROVISIONING}),
    State.SUSPENDED: frozenset({State.ACTIVE, State.DEPROVISIONING}),
    State.DEPROVISIONING: frozenset({State.INACTIVE, State.DEPROVISION_FAILED, State.ACTIVE}),
    State.DEPROVISION_FAILED: frozenset(),
    State.INACTIVE: frozenset(),
    State.CANCELLED: frozenset(),
}
"""Which state may follow which. The database has the same table, and holds everybody to it."""

AT_WORK = frozenset({State.PROVISIONING, State.DEPROVISIONING})
"""An operation works on the tenant; every other one leaves it alone."""

FAILED = frozenset({State.PROVISION_FAILED, State.DEPROVISION_FAILED})

_EVENTS: Mapping[tuple[State, State], str] = {
    (State.SUSPENDED, State.ACTIVE): "tenant.resumed",
    (State.DEPROVISIONING, State.ACTIVE): "tenant.deprovisioning_undone",
}


@dataclass(frozen=True, slots=True)
class Move:
    """Where a tenant should go, who takes it there, and why."""

    to: State
    reason: str = ""
    suspension_reason: str = ""
    failed_step: str = ""
    root_cause: str = ""
    operation_id: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of a tenant from one state to the next."""

    tenant_id: UUID
    sequence: int
    from_state: State | None
    to_state: State
    reason: str
    suspension_reason: str
    failure: Failure | None
    operation_id: str
    principal: str
    create_time: datetime


def is_there(tenant: Tenant, move: Move) -> bool:
    """Whether the tenant stands already where the move leads; for another suspension reason it does not."""
    if tenant.state is not move.to:
        return False
    if move.to is State.SUSPENDED and move.suspension_reason != tenant.suspension_reason:
        raise _shut_out_otherwise(tenant)
    return True


def check_operation(tenant: Tenant, operation_id: str) -> None:
    """Leave a tenant alone that another operation works on. A person, who has no operation, may step in."""
    if tenant.state in AT_WORK and operation_id and tenant.operation_id not in {"", operation_id}:
        raise Conflict(
            "Another operation works on the tenant.",
            reason="OPERATION_MISMATCH",
            facts={"tenant_id": tenant.tenant_id, "operation_id": tenant.operation_id},
        )


def moved(tenant: Tenant, move: Move, *, now: datetime, quarantine: timedelta) -> Tenant:
    """The tenant after the move; a fault where the move is not allowed."""
    if move.to not in NEXT[tenant.state]:
        raise Conflict(
            f"A tenant cannot go from {tenant.state.value} to {move.to.value}.",
            reason="TRANSITION_FORBIDDEN",
            facts={"tenant_id": tenant.tenant_id, "from_state": tenant.state.value, "to_state": move.to.value},
        )
    if move.to is State.DEPROVISIONING and tenant.protected:
        raise shielded(tenant)
    resumes = tenant.state is State.SUSPENDED and move.to is State.ACTIVE
    if resumes and move.suspension_reason != tenant.suspension_reason:
        raise _shut_out_otherwise(tenant)
    return replace(
        tenant,
        state=move.to,
        suspension_reason=move.suspension_reason if move.to is State.SUSPENDED else "",
        failure=_failure(tenant, move, now),
        # What begins to work on the tenant is its operation, be it nobody's; elsewhere a person leaves it as it is.
        operation_id=move.operation_id or ("" if move.to in AT_WORK else tenant.operation_id),
        transitions=tenant.transitions + 1,
        quarantine_expire_time=now + quarantine if move.to is State.INACTIVE else None,
        activate_time=tenant.activate_time or (now if move.to is State.ACTIVE else None),
    )


def event_type(before: State, after: State) -> str:
    """What a transition is called among the events."""
    return _EVENTS.get((before, after), f"tenant.{after.value.lower()}")


def _failure(tenant: Tenant, move: Move, now: datetime) -> Failure | None:
    if move.to in FAILED:
        return Failure(move.failed_step, move.root_cause, move.operation_id, now)
    # It stands until an operation has gone well: a retry that begins does not hide why it had to.
    return None if move.to in {State.ACTIVE, State.INACTIVE} else tenant.failure


def _shut_out_otherwise(tenant: Tenant) -> Fault:
    return Conflict(
        "The tenant is shut out for another reason.",
        reason="SUSPENSION_REASON_MISMATCH",
        facts={"tenant_id": tenant.tenant_id, "suspension_reason": tenant.suspension_reason},
    )
