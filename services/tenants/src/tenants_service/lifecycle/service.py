"""Taking tenants from state to state."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from uuid import UUID

from tenants_service.lifecycle.model import Move, check_operation, event_type, is_there, moved
from tenants_service.revisions.model import same
from tenants_service.tenants.model import State, Tenant, Tier, not_found, state_forbids
from tenants_service.tenants.ports import Names, Tenants

# While it is made, in use or shut out a tenant has what a tier is about.
_TIERED = frozenset({State.PROVISIONING, State.ACTIVE, State.SUSPENDED})


class Lifecycle:
    """The states of tenants, in one transaction, at one moment."""

    def __init__(self, tenants: Tenants, names: Names, *, now: datetime, quarantine: timedelta) -> None:
        self._tenants = tenants
        self._names = names
        self._now = now
        self._quarantine = quarantine

    async def move(self, tenant_id: UUID, move: Move, *, etag: str = "") -> tuple[Tenant, bool]:
        """Take a tenant to another state; answer it and whether that changed anything."""
        tenant = await self._find(tenant_id)
        check_operation(tenant, move.operation_id)
        if is_there(tenant, move):
            return tenant, False
        same(tenant, etag)
        after = replace(moved(tenant, move, now=self._now, quarantine=self._quarantine), update_time=self._now)
        if after.quarantine_expire_time:
            await self._names.rest(tenant_id, after.quarantine_expire_time)
        event = event_type(tenant.state, after.state)
        return await self._tenants.replace(after, event, {"transition": _told(tenant, after, move)}), True

    async def record_tier(self, tenant_id: UUID, tier: Tier, *, operation_id: str, etag: str = "") -> Tenant:
        """Note the tier an operation has moved a tenant to."""
        tenant = await self._find(tenant_id)
        check_operation(tenant, operation_id)
        if (tenant.tier, tenant.operation_id) == (tier, operation_id):
            return tenant
        same(tenant, etag)
        if tenant.state not in _TIERED:
            raise state_forbids(tenant, _TIERED)
        after = replace(tenant, tier=tier, operation_id=operation_id, update_time=self._now)
        data = {"from_tier": tenant.tier.value, "to_tier": tier.value, "operation_id": operation_id}
        return await self._tenants.replace(after, "tenant.tier_changed", data)

    async def _find(self, tenant_id: UUID) -> Tenant:
        tenant = await self._tenants.find(tenant_id)
        if tenant is None:
            raise not_found(tenant_id=tenant_id)
        return tenant


def _told(before: Tenant, after: Tenant, move: Move) -> dict[str, object]:
    """What the event of a transition says, and the history with it."""
    failure = after.failure if after.failure != before.failure else None
    return {
        "sequence": after.transitions,
        "from_state": before.state.value,
        "to_state": after.state.value,
        "reason": move.reason,
        "suspension_reason": move.suspension_reason,
        "failure": asdict(failure) | {"create_time": failure.create_time.isoformat()} if failure else None,
        "operation_id": move.operation_id,
    }
