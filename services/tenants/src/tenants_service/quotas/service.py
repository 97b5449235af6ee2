"""What tenants may use, and what they do."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from tenants_service.quotas.model import Allowance, Quota, Usage, Verdict, counted, not_found, usage_of
from tenants_service.quotas.ports import Counts, Plans
from tenants_service.subscriptions.model import State, not_active
from tenants_service.tenants.model import not_found as tenant_not_found


class Metering:
    """The use of one tenant, in one transaction, at one moment."""

    def __init__(self, tenant_id: UUID, counts: Counts, plans: Plans, *, now: datetime) -> None:
        self._tenant_id = tenant_id
        self._counts = counts
        self._plans = plans
        self._now = now

    async def expect(self, name: str, amount: int) -> Usage:
        """How the tenant would stand if it used so much more."""
        quota = await self._quota(name)
        return usage_of(quota, await self._counts.read(name), self._now, more=amount)

    async def record(self, name: str, amount: int) -> Usage:
        """Note that the tenant has used so much more, or gives some back."""
        before = await self._counts.find(name)  # and from here on nobody else counts this, whatever limit they saw
        quota = await self._quota(name)
        after = counted(self._tenant_id, quota, before, amount, self._now)
        usage = usage_of(quota, after, self._now)
        events = ["quota.used" if amount > 0 else "quota.given_back"]
        was = usage_of(quota, before, self._now).verdict
        if (was, usage.verdict) == (Verdict.WITHIN, Verdict.SOFT_EXCEEDED):
            events.append("quota.soft_limit_passed")
        told = {"amount": amount, "used": usage.used, "verdict": usage.verdict.value}
        await self._counts.replace(after, events, told)
        return usage

    async def quotas(self, plan_id: UUID | None) -> tuple[Quota, ...]:
        """What the tenant may use; with a plan, what it could."""
        allowance = await self._allowance()
        if plan_id:
            return (await self._plans.read(plan_id)).quotas
        return self._in_force(allowance).quotas

    async def _quota(self, name: str) -> Quota:
        for quota in self._in_force(await self._allowance()).quotas:
            if quota.name == name:
                return quota
        raise not_found(self._tenant_id, name)

    async def _allowance(self) -> Allowance:
        allowance = await self._counts.allowance()
        if allowance is None:
            raise tenant_not_found(tenant_id=self._tenant_id)
        return allowance

    def _in_force(self, allowance: Allowance) -> Allowance:
        if allowance.subscription != State.ACTIVE.value:
            raise not_active(self._tenant_id, allowance.subscription)
        return allowance
