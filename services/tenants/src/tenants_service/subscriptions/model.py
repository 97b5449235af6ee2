"""What a subscription is, and the one table of which state may follow which."""

from __future__ import annotations

import enum
from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from faults import AlreadyExists, Conflict, Fault, Invalid, NotFound, Violation
from tenants_service.plans.model import Cycle, Plan
from tenants_service.tenants.model import State as TenantState
from tenants_service.tenants.model import Tenant, Tier, plan_of_another_tier


class State(enum.Enum):
    """How a subscription stands."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


NEXT: Final[Mapping[State, frozenset[State]]] = {
    State.PENDING: frozenset({State.ACTIVE, State.CANCELLED}),
    State.ACTIVE: frozenset({State.INACTIVE, State.CANCELLED, State.EXPIRED}),
    State.INACTIVE: frozenset({State.ACTIVE, State.CANCELLED, State.EXPIRED}),
    State.CANCELLED: frozenset(),
    State.EXPIRED: frozenset(),
}
"""Which state may follow which. The database has the same table, and holds everybody to it."""

OVER: Final = frozenset({State.CANCELLED, State.EXPIRED})

SUBSCRIBERS: Final = frozenset(
    {
        TenantState.PENDING_PROVISION,
        TenantState.PROVISIONING,
        TenantState.PROVISION_FAILED,
        TenantState.ACTIVE,
        TenantState.SUSPENDED,
    }
)
"""The states of tenants that can subscribe: those that are, or are to be."""

EVENTS: Final[Mapping[State, str]] = {
    State.ACTIVE: "subscription.activated",
    State.INACTIVE: "subscription.deactivated",
    State.CANCELLED: "subscription.cancelled",
    State.EXPIRED: "subscription.expired",
}
"""What becoming so is called among the events."""

# A plan that costs nothing or once lasts a year, too.
_MONTHS: Final[Mapping[Cycle, int]] = {Cycle.ONCE: 12, Cycle.MONTHLY: 1, Cycle.QUARTERLY: 3, Cycle.YEARLY: 12}


@dataclass(frozen=True, slots=True)
class Draft:
    """What a subscription is made from."""

    plan_id: UUID
    start_time: datetime | None = None
    end_time: datetime | None = None
    external_reference: str = ""
    activate: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """What to change about a subscription; None leaves it as it is."""

    plan_id: UUID | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    external_reference: str | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription, as it is on record."""

    tenant_id: UUID
    subscription_id: UUID
    plan_id: UUID
    tier: Tier
    start_time: datetime
    end_time: datetime
    price_minor_units: int
    currency: str
    billing_cycle: Cycle
    create_time: datetime
    update_time: datetime
    state: State = State.PENDING
    external_reference: str = ""
    reason: str = ""
    expiry_notice_time: datetime | None = None
    revision: int = 1

    @property
    def etag(self) -> str:
        """Changes with every write."""
        return str(self.revision)


def end_of_cycle(start: datetime, cycle: Cycle) -> datetime:
    """One cycle later: the same day of a later month, or the last one of a month that is too short."""
    month = start.month - 1 + _MONTHS[cycle]
    year, month = start.year + month // 12, month % 12 + 1
    return start.replace(year=year, month=month, day=min(start.day, monthrange(year, month)[1]))


def of_tier(plan: Plan, tenant: Tenant) -> Plan:
    """The plan, if it is of the tenant's tier."""
    if plan.tier is not tenant.tier:
        raise plan_of_another_tier(plan.plan_id, plan.tier, tenant)
    return plan


def priced(subscription: Subscription, plan: Plan) -> Subscription:
    """The subscription, of this plan and at its price."""
    return replace(
        subscription,
        plan_id=plan.plan_id,
        tier=plan.tier,
        price_minor_units=plan.price_minor_units,
        currency=plan.currency,
        billing_cycle=plan.billing_cycle,
    )


def moved(subscription: Subscription, to: State, reason: str, now: datetime) -> Subscription:
    """The subscription in another state; a fault where that cannot follow the one it is in."""
    if to not in NEXT[subscription.state]:
        raise state_forbids(subscription, (state for state in State if to in NEXT[state]))
    return replace(subscription, state=to, reason=reason, update_time=now)


def lasting(subscription: Subscription) -> Subscription:
    """The subscription, if it ends after it begins."""
    start, end = subscription.start_time, subscription.end_time
    if end <= start:
        raise Invalid(
            "The subscription would end before it begins.",
            reason="SUBSCRIPTION_PERIOD_INVALID",
            facts={"start_time": start.isoformat(), "end_time": end.isoformat()},
            violations=[Violation("end_time", "must be after start_time")],
        )
    return subscription


def is_due(subscription: Subscription, now: datetime) -> bool:
    """Whether its time is over, and nobody has written so."""
    return State.EXPIRED in NEXT[subscription.state] and subscription.end_time <= now


def state_forbids(subscription: Subscription, allowed: Iterable[State]) -> Fault:
    """The fault of what cannot be done in the state the subscription is in."""
    names = sorted(state.value for state in allowed)
    return Conflict(
        f"The subscription is {subscription.state.value}, which does not allow it.",
        reason="SUBSCRIPTION_STATE_FORBIDS",
        facts={
            "subscription_id": subscription.subscription_id,
            "state": subscription.state.value,
            "allowed_states": ",".join(names),
        },
    )


def exists(subscription: Subscription) -> Fault:
    """The fault of a tenant that has one already."""
    return AlreadyExists(
        "The tenant has a subscription that is not over.",
        reason="SUBSCRIPTION_EXISTS",
        facts={"tenant_id": subscription.tenant_id, "subscription_id": subscription.subscription_id},
    )


def not_active(tenant_id: UUID, state: str) -> Fault:
    """The fault of a tenant whose subscription is not in force, or that has none."""
    return Conflict(
        "The tenant has no subscription that is active.",
        reason="SUBSCRIPTION_NOT_ACTIVE",
        facts={"tenant_id": tenant_id, "state": state},
    )


def not_found(tenant_id: UUID, subscription_id: UUID) -> Fault:
    """The fault of a subscription that is none of the tenant's."""
    return NotFound(
        "The tenant has no such subscription.",
        reason="SUBSCRIPTION_NOT_FOUND",
        facts={"tenant_id": tenant_id, "subscription_id": subscription_id},
    )
