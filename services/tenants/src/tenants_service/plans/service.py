"""What can be done with plans."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime
from uuid import UUID

from tenants_service.plans.model import Changes, Draft, Plan, not_found, on_offer
from tenants_service.plans.ports import Plans
from tenants_service.revisions.model import news, same


class Catalog:
    """The plans, in one transaction, at one moment."""

    def __init__(self, plans: Plans, *, now: datetime) -> None:
        self._plans = plans
        self._now = now

    async def create(self, plan_id: UUID, draft: Draft) -> Plan:
        """Make a plan that can be subscribed to at once."""
        values = {one.name: getattr(draft, one.name) for one in fields(draft)}
        plan = Plan(plan_id, **values, create_time=self._now, update_time=self._now)
        made = {"key": plan.key, "tier": plan.tier.value, **_price(plan)}
        return await self._plans.add(plan, "plan.created", made)

    async def update(self, plan_id: UUID, changes: Changes, *, etag: str = "") -> Plan:
        """Change a plan; what says nothing new writes nothing."""
        plan = on_offer(same(await self._get(plan_id), etag))
        changed = news(plan, changes)
        if not changed:
            return plan
        after = replace(plan, update_time=self._now, **changed)
        return await self._plans.replace(after, "plan.updated", {"fields": sorted(changed), **_price(after)})

    async def archive(self, plan_id: UUID, *, etag: str = "") -> Plan:
        """Take a plan off the catalogue."""
        plan = await self._get(plan_id)
        if plan.archive_time:
            return plan
        after = replace(same(plan, etag), archive_time=self._now, update_time=self._now)
        return await self._plans.replace(after, "plan.archived", {})

    async def _get(self, plan_id: UUID) -> Plan:
        plan = await self._plans.find(plan_id)
        if plan is None:
            raise not_found(plan_id)
        return plan


def _price(plan: Plan) -> dict[str, object]:
    """What the plan costs: who bills must not have to ask."""
    return {
        "price_minor_units": plan.price_minor_units,
        "currency": plan.currency,
        "billing_cycle": plan.billing_cycle.value,
    }
