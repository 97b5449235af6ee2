"""What can be done with subscriptions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from tenants_service.plans.model import Plan, on_offer
from tenants_service.revisions.model import news, same
from tenants_service.subscriptions.model import (
    EVENTS,
    OVER,
    SUBSCRIBERS,
    Changes,
    Draft,
    State,
    Subscription,
    end_of_cycle,
    exists,
    is_due,
    lasting,
    moved,
    not_found,
    of_tier,
    priced,
    state_forbids,
)
from tenants_service.subscriptions.ports import Plans, Subscriptions, Tenants
from tenants_service.tenants.model import Tenant
from tenants_service.tenants.model import not_found as tenant_not_found
from tenants_service.tenants.model import state_forbids as tenant_state_forbids


class Agreements:
    """The subscriptions of tenants, in one transaction, at one moment."""

    def __init__(self, subscriptions: Subscriptions, tenants: Tenants, plans: Plans, *, now: datetime) -> None:
        self._subscriptions = subscriptions
        self._tenants = tenants
        self._plans = plans
        self._now = now

    async def create(self, tenant_id: UUID, subscription_id: UUID, draft: Draft) -> Subscription:
        """Make a subscription, in state PENDING, and put it in force if that is wanted."""
        tenant = await self._tenant(tenant_id)  # and from here on nobody else subscribes it
        if tenant.state not in SUBSCRIBERS or tenant.delete_time:
            raise tenant_state_forbids(tenant, SUBSCRIBERS)
        if current := await self._subscriptions.current(tenant_id):
            raise exists(current)
        made = await self._made(tenant, subscription_id, draft)
        made = await self._subscriptions.add(made, "subscription.created", _terms(made))
        return await self._move(made, State.ACTIVE, "") if draft.activate else made

    async def update(self, tenant_id: UUID, subscription_id: UUID, changes: Changes, *, etag: str = "") -> Subscription:
        """Change plan, time or reference; what says nothing new writes nothing."""
        found = same(await self._get(tenant_id, subscription_id), etag)
        if found.state in OVER:
            raise state_forbids(found, set(State) - OVER)
        changed = news(found, changes)
        if not changed:
            return found
        after = lasting(replace(found, update_time=self._now, **changed))
        if "plan_id" in changed:
            after = priced(after, await self._offer(after.plan_id, await self._tenant(tenant_id)))
        if "end_time" in changed:
            after = replace(after, expiry_notice_time=None)
        told = {"fields": sorted(changed), **_terms(after)}
        return await self._subscriptions.replace(after, "subscription.updated", told)

    async def move(
        self, tenant_id: UUID, subscription_id: UUID, to: State, *, reason: str = "", etag: str = ""
    ) -> Subscription:
        """Take a subscription to another state; one that is there is left as it is."""
        found = await self._get(tenant_id, subscription_id)
        if found.state is to:
            return found
        return await self._move(same(found, etag), to, reason)

    async def note(self, tenant_id: UUID, subscription_id: UUID) -> Subscription:
        """Note that the tenant was told that its subscription is about to end."""
        found = await self._get(tenant_id, subscription_id)
        if found.state is not State.ACTIVE:
            raise state_forbids(found, {State.ACTIVE})
        if found.expiry_notice_time:
            return found
        after = replace(found, expiry_notice_time=self._now, update_time=self._now)
        told = {"end_time": found.end_time.isoformat()}
        return await self._subscriptions.replace(after, "subscription.expiry_noticed", told)

    async def expire(self, tenant_id: UUID | None, limit: int) -> tuple[list[Subscription], bool]:
        """Write of so many subscriptions that their time is over; answer those, and whether there are more."""
        due = await self._subscriptions.due(tenant_id, self._now, limit + 1)
        expired = []
        for whose, which in due[:limit]:
            async with self._subscriptions.of(whose):
                found = await self._get(whose, which)
                if is_due(found, self._now):  # nobody else was faster
                    expired.append(await self._move(found, State.EXPIRED, ""))
        return expired, len(due) > limit

    async def _offer(self, plan_id: UUID, tenant: Tenant) -> Plan:
        """A plan, if the tenant can have it."""
        return of_tier(on_offer(await self._plans.read(plan_id)), tenant)

    async def _made(self, tenant: Tenant, subscription_id: UUID, draft: Draft) -> Subscription:
        plan = await self._offer(draft.plan_id, tenant)
        start = draft.start_time or self._now
        return lasting(
            Subscription(
                tenant.tenant_id,
                subscription_id,
                plan.plan_id,
                plan.tier,
                start,
                draft.end_time or end_of_cycle(start, plan.billing_cycle),
                plan.price_minor_units,
                plan.currency,
                plan.billing_cycle,
                create_time=self._now,
                update_time=self._now,
                external_reference=draft.external_reference,
            )
        )

    async def _move(self, subscription: Subscription, to: State, reason: str) -> Subscription:
        told = {"from_state": subscription.state.value, "to_state": to.value, "reason": reason}
        return await self._subscriptions.replace(moved(subscription, to, reason, self._now), EVENTS[to], told)

    async def _tenant(self, tenant_id: UUID) -> Tenant:
        tenant = await self._tenants.find(tenant_id)
        if tenant is None:
            raise tenant_not_found(tenant_id=tenant_id)
        return tenant

    async def _get(self, tenant_id: UUID, subscription_id: UUID) -> Subscription:
        subscription = await self._subscriptions.find(tenant_id, subscription_id)
        if subscription is None:
            raise not_found(tenant_id, subscription_id)
        return subscription


def _terms(subscription: Subscription) -> dict[str, object]:
    """What was agreed on: who bills must not have to ask."""
    return {
        "plan_id": str(subscription.plan_id),
        "start_time": subscription.start_time.isoformat(),
        "end_time": subscription.end_time.isoformat(),
        "price_minor_units": subscription.price_minor_units,
        "currency": subscription.currency,
        "billing_cycle": subscription.billing_cycle.value,
    }
