from datetime import UTC, datetime
from uuid import UUID

import pytest

from faults import Invalid
from tenantmesh.tenants.v1 import subscription_pb2
from tenantmesh.tenants.v1 import subscription_service_pb2 as pb
from tenants_service.plans.model import Cycle
from tenants_service.subscriptions.model import Changes, Draft, State, Subscription
from tenants_service.subscriptions.translate import changes_from, draft_from, state_from, subscription_to
from tenants_service.tenants.model import Tier

NOW, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
TENANT, ID, PLAN = UUID(int=1), UUID(int=2), UUID(int=3)
BROKEN = {"seconds": 1893456000, "nanos": -1}


def test_a_request_becomes_a_draft():
    assert draft_from(pb.CreateSubscriptionRequest(plan_id=str(PLAN))) == Draft(PLAN)
    request = pb.CreateSubscriptionRequest(
        plan_id=str(PLAN), start_time=NOW, end_time=END, external_reference=" sub_1 ", activate=True
    )
    assert draft_from(request) == Draft(PLAN, NOW, END, "sub_1", activate=True)


@pytest.mark.parametrize("field", ["start_time", "end_time"])
def test_a_moment_that_is_none_is_refused(field):
    for read, request, name in (
        (draft_from, pb.CreateSubscriptionRequest(plan_id=str(PLAN), **{field: BROKEN}), field),
        (changes_from, pb.UpdateSubscriptionRequest(subscription={field: BROKEN}), f"subscription.{field}"),
    ):
        with pytest.raises(Invalid) as refused:
            read(request)
        assert [violation.field for violation in refused.value.violations] == [name]


def test_a_change_is_what_the_mask_names_or_what_is_set():
    wanted = {"plan_id": str(PLAN), "start_time": NOW, "end_time": END, "external_reference": "x"}
    whole = Changes(PLAN, NOW, END, "x")
    assert changes_from(pb.UpdateSubscriptionRequest(subscription=wanted)) == whole
    masked = pb.UpdateSubscriptionRequest(subscription=wanted, update_mask={"paths": ["end_time"]})
    assert changes_from(masked) == Changes(end_time=END)
    emptied = pb.UpdateSubscriptionRequest(subscription={}, update_mask={"paths": ["external_reference"]})
    assert changes_from(emptied) == Changes(external_reference="")


@pytest.mark.parametrize("state", State)
def test_a_subscription_says_all_it_is(state):
    subscription = Subscription(
        TENANT, ID, PLAN, Tier.BRIDGE, NOW, END, 9900, "EUR", Cycle.ONCE, NOW, END, state, "sub_1", "why", NOW, 7
    )
    assert subscription_to(subscription) == subscription_pb2.Subscription(
        tenant_id=str(TENANT), subscription_id=str(ID), plan_id=str(PLAN), tier="TIER_BRIDGE",
        state=f"STATE_{state.name}", start_time=NOW, end_time=END, price_minor_units=9900, currency="EUR",
        billing_cycle="BILLING_CYCLE_ONCE", external_reference="sub_1", reason="why", expiry_notice_time=NOW,
        create_time=NOW, update_time=END, etag="7",
    )  # fmt: skip
    assert state_from(subscription_to(subscription).state) is state


def test_no_state_is_any():
    assert state_from(subscription_pb2.Subscription.STATE_UNSPECIFIED) is None
