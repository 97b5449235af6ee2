"""What waits to be started, and how it may go on from state to state."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from faults import Conflict, Fault, NotFound
from tenants_service.tenants.model import State as TenantState

BACKOFF: Final = tuple(timedelta(seconds=seconds) for seconds in (60, 300, 900, 3600, 7200))
"""How long an entry waits after each failure to start it; after one more it is parked."""


class State(enum.Enum):
    """How an entry stands."""

    WAITING = "WAITING"
    CLAIMED = "CLAIMED"
    STARTED = "STARTED"
    PARKED = "PARKED"
    CANCELLED = "CANCELLED"


DONE = frozenset({State.STARTED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class Rule:
    """What a tenant must be for an operation to be accepted that has it to itself."""

    states: frozenset[TenantState]
    subscribed: bool = False
    """Whether it needs a subscription that is ACTIVE."""
    unprotected: bool = False


RULES: Final[Mapping[str, Rule]] = {
    "provision": Rule(frozenset({TenantState.PENDING_PROVISION, TenantState.PROVISION_FAILED}), subscribed=True),
    "deprovision": Rule(
        frozenset({TenantState.ACTIVE, TenantState.SUSPENDED, TenantState.PROVISION_FAILED}), unprotected=True
    ),
}
"""The operations that have a tenant to themselves; of the others the engine keeps order."""

AT_WORK: Final = frozenset({TenantState.PROVISIONING, TenantState.DEPROVISIONING})
"""The states of a tenant while such an operation works on it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to have started."""

    tenant_id: UUID
    operation_type: str
    operation_id: str
    payload_type: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody's right to start an entry, for a while."""

    claim_id: UUID
    duration: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Entry:
    """A wish that was accepted."""

    outbox_entry_id: UUID
    wish: Wish
    principal: str
    state: State
    due_time: datetime | None
    """When it is tried again, or when its claim ends; None once nothing happens by itself."""
    create_time: datetime
    update_time: datetime
    claim_id: UUID | None = None
    attempts: int = 0
    last_error: str = ""
    start_time: datetime | None = None
    revision: int = 1

    def at(self, now: datetime) -> Entry:
        """The entry at a moment: a claim that has ended leaves it waiting."""
        if self.state is State.CLAIMED and self.due_time is not None and self.due_time <= now:
            return replace(self, state=State.WAITING, claim_id=None)
        return self


def started(entry: Entry, claim_id: UUID, now: datetime) -> Entry:
    """The entry after the operation was started."""
    return replace(_moved(_held(entry, claim_id), State.STARTED, now), start_time=now)


def deferred(entry: Entry, claim_id: UUID, error: str, now: datetime) -> Entry:
    """The entry after starting failed: waiting for its next turn, or parked when it had all of them."""
    attempts = _held(entry, claim_id).attempts + 1
    failed = replace(entry, attempts=attempts, last_error=error)
    if attempts > len(BACKOFF):
        return _moved(failed, State.PARKED, now)
    return _moved(failed, State.WAITING, now, due_time=now + BACKOFF[attempts - 1])


def requeued(entry: Entry, now: datetime) -> Entry:
    """The entry, due now, with all its turns before it."""
    if entry.state not in {State.WAITING, State.PARKED}:
        raise _forbidden(entry)
    return _moved(replace(entry, attempts=0), State.WAITING, now, due_time=now)


def cancelled(entry: Entry, claim_id: UUID | None, now: datetime) -> Entry:
    """The entry, given up; where somebody is starting it, only they can."""
    if entry.state is State.STARTED:
        raise _forbidden(entry)
    if entry.state is State.CLAIMED or claim_id:
        _held(entry, claim_id)
    return _moved(entry, State.CANCELLED, now)


def _held(entry: Entry, claim_id: UUID | None) -> Entry:
    """The entry, if the claim still holds it."""
    if entry.state in DONE:
        raise _forbidden(entry)
    if entry.state is not State.CLAIMED or entry.claim_id != claim_id:
        raise Conflict(
            "The claim has ended, or somebody else holds the entry.",
            reason="OUTBOX_CLAIM_LOST",
            facts={"outbox_entry_id": entry.outbox_entry_id},
        )
    return entry


def _moved(entry: Entry, state: State, now: datetime, *, due_time: datetime | None = None) -> Entry:
    return replace(entry, state=state, due_time=due_time, claim_id=None, update_time=now, revision=entry.revision + 1)


def _forbidden(entry: Entry) -> Fault:
    return Conflict(
        f"The entry is {entry.state.value}, which does not allow it.",
        reason="OUTBOX_STATE_FORBIDS",
        facts={"outbox_entry_id": entry.outbox_entry_id, "state": entry.state.value},
    )


def not_found(tenant_id: UUID, outbox_entry_id: UUID) -> Fault:
    """The fault of an entry that is none of the tenant's."""
    return NotFound(
        "The tenant has no such outbox entry.",
        reason="OUTBOX_ENTRY_NOT_FOUND",
        facts={"tenant_id": tenant_id, "outbox_entry_id": outbox_entry_id},
    )
