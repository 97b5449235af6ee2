"""What can be done with accepted requests until they are started."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from faults import AlreadyExists, Conflict
from tenants_service.outbox.model import (
    AT_WORK,
    RULES,
    Claim,
    Entry,
    Rule,
    State,
    Wish,
    cancelled,
    deferred,
    not_found,
    requeued,
    started,
)
from tenants_service.outbox.ports import Entries, Subscriptions, Tenants
from tenants_service.subscriptions.model import not_active
from tenants_service.tenants.model import Tenant, shielded, state_forbids
from tenants_service.tenants.model import not_found as tenant_not_found


class Outbox:
    """The accepted requests of one tenant, in one transaction, at one moment."""

    def __init__(
        self, tenant_id: UUID, entries: Entries, tenants: Tenants, subscriptions: Subscriptions, *, now: datetime
    ) -> None:
        self._tenant_id = tenant_id
        self._entries = entries
        self._tenants = tenants
        self._subscriptions = subscriptions
        self._now = now

    async def accept(self, entry_id: UUID, wish: Wish, claim: Claim | None, principal: str) -> tuple[Entry, bool]:
        """Accept a request, and claim it where the caller likes; answer the entry, and whether it is new.

        The same operation has one entry, as long as that is not done and as long as the operation works on the tenant.
        """
        tenant = await self._tenants.find(self._tenant_id)  # and from here on nobody else accepts for this tenant
        if tenant is None:
            raise tenant_not_found(tenant_id=self._tenant_id)
        undone = await self._entries.undone()
        same = [entry for entry in undone if entry.wish.operation_id == wish.operation_id]
        if not same and tenant.state in AT_WORK and tenant.operation_id == wish.operation_id:
            latest = await self._entries.latest(wish.operation_id)
            same = [latest] if latest else []
        if same:
            return _unchanged(same[0].at(self._now), wish), False
        if rule := RULES.get(wish.operation_type):
            _check_alone(wish, tenant, undone)
            await self._check_ready(rule, tenant)
        return await self._add(entry_id, wish, claim, principal), True

    async def complete(self, entry_id: UUID, claim_id: UUID) -> Entry:
        """Note that an operation was started."""
        entry = await self._get(entry_id)
        if entry.state is State.STARTED:
            return entry
        return await self._entries.replace(started(entry, claim_id, self._now), "outbox_entry.started", {})

    async def defer(self, entry_id: UUID, claim_id: UUID, error: str) -> Entry:
        """Note that starting an operation failed, and put it back for a later turn."""
        entry = deferred(await self._get(entry_id), claim_id, error, self._now)
        event = "outbox_entry.parked" if entry.state is State.PARKED else "outbox_entry.deferred"
        return await self._entries.replace(entry, event, {"attempts": entry.attempts, "error": error})

    async def requeue(self, entry_id: UUID) -> Entry:
        """Make an entry due now, with all its turns before it."""
        entry = requeued(await self._get(entry_id), self._now)
        return await self._entries.replace(entry, "outbox_entry.requeued", {})

    async def cancel(self, entry_id: UUID, claim_id: UUID | None, reason: str) -> Entry:
        """Give up an entry."""
        entry = await self._get(entry_id)
        if entry.state is State.CANCELLED:
            return entry
        after = cancelled(entry, claim_id, self._now)
        return await self._entries.replace(after, "outbox_entry.cancelled", {"reason": reason})

    async def _get(self, entry_id: UUID) -> Entry:
        entry = await self._entries.find(entry_id)
        if entry is None:
            raise not_found(self._tenant_id, entry_id)
        return entry.at(self._now)

    async def _add(self, entry_id: UUID, wish: Wish, claim: Claim | None, principal: str) -> Entry:
        entry = Entry(
            outbox_entry_id=entry_id,
            wish=wish,
            principal=principal,
            state=State.CLAIMED if claim else State.WAITING,
            claim_id=claim.claim_id if claim else None,
            due_time=self._now + claim.duration if claim else self._now,
            create_time=self._now,
            update_time=self._now,
        )
        accepted = {"operation_type": wish.operation_type, "operation_id": wish.operation_id}
        return await self._entries.add(entry, "outbox_entry.accepted", accepted)

    async def _check_ready(self, rule: Rule, tenant: Tenant) -> None:
        if tenant.state not in rule.states or tenant.delete_time:
            raise state_forbids(tenant, rule.states)
        if rule.unprotected and tenant.protected:
            raise shielded(tenant)
        if rule.subscribed and (state := await self._subscriptions.state(tenant.tenant_id)) != "ACTIVE":
            raise not_active(tenant.tenant_id, state)


def _check_alone(wish: Wish, tenant: Tenant, undone: Sequence[Entry]) -> None:
    """Refuse an operation that must have the tenant to itself while another such one works, or waits."""
    others = [entry.wish.operation_id for entry in undone if entry.wish.operation_type in RULES]
    if tenant.state in AT_WORK and tenant.operation_id != wish.operation_id:
        others.insert(0, tenant.operation_id)
    if others:
        raise Conflict(
            "Another operation works on the tenant.",
            reason="OPERATION_MISMATCH",
            facts={"tenant_id": tenant.tenant_id, "operation_id": others[0]},
        )


def _unchanged(entry: Entry, wish: Wish) -> Entry:
    if entry.wish != wish:
        raise AlreadyExists(
            "The same operation was accepted with another payload.",
            reason="OUTBOX_ENTRY_DIFFERS",
            facts={"tenant_id": wish.tenant_id, "operation_id": wish.operation_id},
        )
    return entry
