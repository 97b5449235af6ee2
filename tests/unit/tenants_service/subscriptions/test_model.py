from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults import Conflict, Invalid
from tenants_service.plans.model import Cycle, Plan
from tenants_service.subscriptions.model import (
    EVENTS,
    NEXT,
    OVER,
    SUBSCRIBERS,
    State,
    Subscription,
    end_of_cycle,
    is_due,
    lasting,
    moved,
    of_tier,
    priced,
)
from tenants_service.tenants.model import State as TenantState
from tenants_service.tenants.model import Tenant, Tier

NOW = datetime(2026, 1, 31, tzinfo=UTC)
END = NOW + timedelta(days=30)
S = State
# Written out a second time on purpose: this is what is promised, not what the code says.
ALLOWED = {
    (S.PENDING, S.ACTIVE), (S.PENDING, S.CANCELLED),
    (S.ACTIVE, S.INACTIVE), (S.ACTIVE, S.CANCELLED), (S.ACTIVE, S.EXPIRED),
    (S.INACTIVE, S.ACTIVE), (S.INACTIVE, S.CANCELLED), (S.INACTIVE, S.EXPIRED),
}  # fmt: skip
PLAN = Plan(UUID(int=9), "p", "P", Tier.SILO, "CHF", Cycle.MONTHLY, NOW, NOW, price_minor_units=7)


def subscription(state=S.PENDING, **more):
    return Subscription(
        UUID(int=1), UUID(int=2), UUID(int=3), Tier.POOLED, NOW, END, 9900, "EUR", Cycle.YEARLY, NOW, NOW,
        state=state, **more,
    )  # fmt: skip


@pytest.mark.parametrize(("before", "after"), list(product(State, State)), ids=lambda state: state.name)
def test_exactly_the_promised_changes_of_state_are_allowed(before, after):
    found = subscription(before, reason="old")
    if (before, after) in ALLOWED:
        now = moved(found, after, "why", END)
        assert (now.state, now.reason, now.update_time) == (after, "why", END)
        return
    with pytest.raises(Conflict) as refused:
        moved(found, after, "why", END)
    allowed = sorted(one.value for one, to in ALLOWED if to is after)
    assert refused.value.reason == "SUBSCRIPTION_STATE_FORBIDS"
    assert refused.value.facts == {
        "subscription_id": str(found.subscription_id),
        "state": before.value,
        "allowed_states": ",".join(allowed),
    }


def test_every_state_has_its_row_and_every_change_its_name():
    assert set(NEXT) == set(State)
    assert set(EVENTS) == {after for _, after in ALLOWED}
    assert {state for state in State if not NEXT[state]} == OVER


@pytest.mark.parametrize(("state", "late"), list(product(State, [-1, 0, 1])))
def test_what_is_in_force_or_paused_is_due_from_its_end_on(state, late):
    due = state in {S.ACTIVE, S.INACTIVE} and late >= 0
    assert is_due(subscription(state), END + timedelta(microseconds=late)) is due


@pytest.mark.parametrize(
    ("start", "cycle", "end"),
    [
        ((2026, 1, 31), Cycle.MONTHLY, (2026, 2, 28)),
        ((2024, 1, 31), Cycle.MONTHLY, (2024, 2, 29)),
        ((2026, 12, 15), Cycle.MONTHLY, (2027, 1, 15)),
        ((2026, 11, 30), Cycle.QUARTERLY, (2027, 2, 28)),
        ((2026, 9, 30), Cycle.QUARTERLY, (2026, 12, 30)),
        ((2024, 2, 29), Cycle.YEARLY, (2025, 2, 28)),
        ((2026, 5, 5), Cycle.YEARLY, (2027, 5, 5)),
        ((2026, 5, 5), Cycle.ONCE, (2027, 5, 5)),
    ],
)
def test_a_cycle_ends_on_the_same_day_or_the_last_of_a_month(start, cycle, end):
    assert end_of_cycle(datetime(*start, 15, 9, tzinfo=UTC), cycle) == datetime(*end, 15, 9, tzinfo=UTC)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)), st.sampled_from(Cycle))  # noqa: DTZ001 - UTC
def test_a_cycle_is_about_as_long_as_it_is_called(start, cycle):
    months = {Cycle.MONTHLY: 1, Cycle.QUARTERLY: 3}.get(cycle, 12)
    end = end_of_cycle(start, cycle)
    assert months * 28 <= (end - start).days <= months * 31
    assert end.time() == start.time()


@pytest.mark.parametrize("end", [NOW, NOW - timedelta(microseconds=1)])
def test_it_ends_after_it_begins(end):
    found = subscription()
    assert lasting(found) is found
    with pytest.raises(Invalid) as refused:
        lasting(Subscription(**{name: getattr(found, name) for name in found.__slots__} | {"end_time": end}))
    assert refused.value.reason == "SUBSCRIPTION_PERIOD_INVALID"
    assert refused.value.facts == {"start_time": NOW.isoformat(), "end_time": end.isoformat()}


def test_a_plan_brings_its_price():
    now = priced(subscription(S.ACTIVE), PLAN)
    assert (now.plan_id, now.tier, now.price_minor_units, now.currency) == (PLAN.plan_id, Tier.SILO, 7, "CHF")
    assert (now.billing_cycle, now.state, now.end_time) == (Cycle.MONTHLY, S.ACTIVE, END)


@pytest.mark.parametrize("tier", Tier)
def test_a_plan_is_of_the_tenants_tier(tier):
    tenant = Tenant(UUID(int=1), "acme", "Acme", tier, (), (), NOW, NOW)
    if tier is PLAN.tier:
        assert of_tier(PLAN, tenant) is PLAN
        return
    with pytest.raises(Conflict) as refused:
        of_tier(PLAN, tenant)
    assert refused.value.reason == "PLAN_OF_ANOTHER_TIER"
    assert refused.value.facts == {"plan_id": str(PLAN.plan_id), "tier": tier.value}


def test_nobody_subscribes_who_is_gone_or_going():
    gone = {
        TenantState.DEPROVISIONING, TenantState.DEPROVISION_FAILED, TenantState.INACTIVE, TenantState.CANCELLED,
    }  # fmt: skip
    assert set(TenantState) - gone == SUBSCRIBERS
