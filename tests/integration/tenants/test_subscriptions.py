"""Subscriptions over the wire: made, changed, listed, and seen by their tenant alone."""

import asyncio
from uuid import UUID, uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from tests.fixtures.subscriptions import (
    ACTIVE,
    CANCELLED,
    PENDING,
    moment,
    move,
    named,
    read,
    update,
)

from faults import Kind
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.tenants.v1 import catalog_service_pb2 as catalog_pb
from tenantmesh.tenants.v1 import plan_pb2, subscription_pb2
from tenantmesh.tenants.v1 import subscription_service_pb2 as pb
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb


# ------------------------------------------------------------------------------------------------------------ create
async def test_a_subscription_is_what_the_plan_says_now(subscriptions, subscribed, plan, catalog, told):
    taken = await plan()
    made = await subscribed(plan_id=taken.plan_id, external_reference=" sub_123 ", activate=False)
    assert (made.state, made.etag, made.external_reference, made.reason) == (PENDING, "1", "sub_123", "")
    assert (made.price_minor_units, made.currency, made.billing_cycle) == (9900, "EUR", plan_pb2.BILLING_CYCLE_YEARLY)
    assert (made.tier, made.plan_id) == (tier_pb2.TIER_POOLED, taken.plan_id)
    assert UUID(made.subscription_id).version == 7
    assert made.start_time == made.create_time
    assert made.end_time.ToDatetime().year == made.start_time.ToDatetime().year + 1
    change = catalog_pb.UpdatePlanRequest(plan_id=taken.plan_id, plan={"price_minor_units": 1})
    await catalog.UpdatePlan(change)
    assert await read(subscriptions, made) == made
    assert await told(made) == ["created"]


async def test_a_subscription_is_put_in_force_at_once(subscribed, told):
    made = await subscribed()
    assert (made.state, made.etag) == (ACTIVE, "2")
    assert await told(made) == ["created", "activated"]


async def test_its_time_can_be_given(subscribed):
    begin, end = moment(10), moment(20)
    made = await subscribed(start_time=begin, end_time=end)
    assert (made.start_time.seconds, made.end_time.seconds) == (begin.seconds, end.seconds)


async def test_a_tenant_has_at_most_one_that_is_not_over(subscriptions, subscribed, refused):
    first = await subscribed()
    for state in ("ACTIVE", "INACTIVE"):
        await move(subscriptions, first, state)
        facts = {"tenant_id": first.tenant_id, "subscription_id": first.subscription_id}
        with refused("SUBSCRIPTION_EXISTS", Kind.ALREADY_EXISTS, **facts):
            await subscribed(tenant_id=first.tenant_id)
    await move(subscriptions, first, "CANCELLED")
    assert (await subscribed(tenant_id=first.tenant_id)).state == ACTIVE


async def test_of_many_who_subscribe_a_tenant_at_once_one_does(subscribed, made, plan):
    tenant_id, plan_id = (await made()).tenant_id, (await plan()).plan_id
    calls = [subscribed(tenant_id=tenant_id, plan_id=plan_id) for _ in range(8)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, subscription_pb2.Subscription) for answer in answers) == 1


@pytest.mark.parametrize(
    ("states", "taken"),
    [
        ((), True),
        (("PROVISIONING",), True),
        (("PROVISIONING", "PROVISION_FAILED"), True),
        (("PROVISIONING", "ACTIVE", "SUSPENDED"), True),
        (("CANCELLED",), False),
        (("PROVISIONING", "ACTIVE", "DEPROVISIONING"), False),
        (("PROVISIONING", "ACTIVE", "DEPROVISIONING", "DEPROVISION_FAILED"), False),
        (("PROVISIONING", "ACTIVE", "DEPROVISIONING", "INACTIVE"), False),
    ],
)
async def test_who_is_or_is_to_be_can_subscribe(subscribed, made, refused, states, taken):
    tenant = await made(*states)
    if taken:
        assert (await subscribed(tenant_id=tenant.tenant_id)).state == ACTIVE
    else:
        with refused("TENANT_STATE_FORBIDS", Kind.CONFLICT, tenant_id=tenant.tenant_id, state=states[-1]):
            await subscribed(tenant_id=tenant.tenant_id)


async def test_what_is_deleted_does_not_subscribe(subscribed, made, tenants, refused):
    tenant = await made("CANCELLED")
    await tenants.DeleteTenant(tenant_pb.DeleteTenantRequest(tenant_id=tenant.tenant_id))
    with refused("TENANT_STATE_FORBIDS", Kind.CONFLICT):
        await subscribed(tenant_id=tenant.tenant_id)


async def test_what_cannot_be_subscribed_to(subscribed, plan, catalog, refused):
    nothing, archived, foreign = str(uuid4()), await plan(), await plan(tier="TIER_SILO")
    await catalog.ArchivePlan(catalog_pb.ArchivePlanRequest(plan_id=archived.plan_id))
    with refused("PLAN_NOT_FOUND", Kind.NOT_FOUND, plan_id=nothing):
        await subscribed(plan_id=nothing)
    with refused("PLAN_ARCHIVED", Kind.CONFLICT, plan_id=archived.plan_id):
        await subscribed(plan_id=archived.plan_id)
    with refused("PLAN_OF_ANOTHER_TIER", Kind.CONFLICT, plan_id=foreign.plan_id, tier="POOLED"):
        await subscribed(plan_id=foreign.plan_id)
    with refused("TENANT_NOT_FOUND", Kind.NOT_FOUND, tenant_id=nothing):
        await subscribed(tenant_id=nothing)


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ({"start_time": moment(2), "end_time": moment(1)}, "REQUEST_INVALID"),
        ({"end_time": moment(-1)}, "SUBSCRIPTION_PERIOD_INVALID"),
        ({"start_time": Timestamp(seconds=-1)}, "REQUEST_INVALID"),
        ({"start_time": Timestamp(seconds=10**15)}, "REQUEST_INVALID"),
        ({"start_time": Timestamp(seconds=1893456000, nanos=-1)}, "REQUEST_INVALID"),
        ({"end_time": Timestamp(seconds=10413792000)}, "REQUEST_INVALID"),
        ({"external_reference": "x" * 129}, "REQUEST_INVALID"),
        ({"external_reference": "a\0b"}, "REQUEST_INVALID"),
    ],
)
async def test_bounds_are_the_contracts(subscribed, refused, times, reason):
    with refused(reason, Kind.INVALID):
        await subscribed(**times)


async def test_the_last_moment_a_subscription_can_begin_has_an_end(subscribed):
    made = await subscribed(start_time=Timestamp(seconds=7258118399))
    assert made.end_time.ToDatetime().year == 2200


# ------------------------------------------------------------------------------------------------------------ update
async def test_another_plan_brings_its_price(subscriptions, subscribed, plan, told):
    made = await subscribed()
    dearer = await plan(price_minor_units=1, currency="CHF", billing_cycle="BILLING_CYCLE_MONTHLY")
    after = (await subscriptions.UpdateSubscription(update(made, "plan_id", plan_id=dearer.plan_id))).subscription
    assert (after.plan_id, after.price_minor_units, after.currency) == (dearer.plan_id, 1, "CHF")
    assert after.billing_cycle == plan_pb2.BILLING_CYCLE_MONTHLY
    assert (after.state, after.end_time, after.etag) == (made.state, made.end_time, "3")
    assert await told(made) == ["created", "activated", "updated"]


async def test_another_plan_must_be_one_the_tenant_can_have(subscriptions, subscribed, plan, catalog, refused):
    made, archived = await subscribed(), await plan()
    await catalog.ArchivePlan(catalog_pb.ArchivePlanRequest(plan_id=archived.plan_id))
    with refused("PLAN_ARCHIVED", Kind.CONFLICT):
        await subscriptions.UpdateSubscription(update(made, plan_id=archived.plan_id))
    with refused("PLAN_NOT_FOUND", Kind.NOT_FOUND):
        await subscriptions.UpdateSubscription(update(made, plan_id=str(uuid4())))


async def test_another_plan_must_be_of_the_tenants_tier(subscriptions, subscribed, plan, tenants, refused):
    made, silo = await subscribed(), await plan(tier="TIER_SILO")
    with refused("PLAN_OF_ANOTHER_TIER", Kind.CONFLICT, plan_id=silo.plan_id, tier="POOLED"):
        await subscriptions.UpdateSubscription(update(made, plan_id=silo.plan_id))
    operation = {"tenant_id": made.tenant_id, "operation_id": "provision-1"}
    await tenants.TransitionTenant(tenant_pb.TransitionTenantRequest(**operation, state="TENANT_STATE_PROVISIONING"))
    await tenants.RecordTenantTier(tenant_pb.RecordTenantTierRequest(**operation, tier="TIER_SILO"))
    after = (await subscriptions.UpdateSubscription(update(made, plan_id=silo.plan_id))).subscription
    assert after.tier == tier_pb2.TIER_SILO


async def test_the_plan_it_has_may_be_archived(subscriptions, subscribed, catalog):
    made = await subscribed()
    await catalog.ArchivePlan(catalog_pb.ArchivePlanRequest(plan_id=made.plan_id))
    change = update(made, plan_id=made.plan_id, external_reference="x")
    after = (await subscriptions.UpdateSubscription(change)).subscription
    assert (after.external_reference, after.price_minor_units) == ("x", made.price_minor_units)


async def test_what_says_nothing_new_writes_nothing(subscriptions, subscribed):
    made = await subscribed(external_reference="x")
    same = update(made, plan_id=made.plan_id, end_time=made.end_time, start_time=made.start_time)
    assert (await subscriptions.UpdateSubscription(same)).subscription == made
    await subscriptions.UpdateSubscription(update(made, "external_reference"))
    assert (await read(subscriptions, made)).external_reference == ""


@pytest.mark.parametrize("path", ["plan_id", "start_time", "end_time", "state", "price_minor_units", "nonsense"])
async def test_what_cannot_be_changed_or_taken_away(subscriptions, subscribed, refused, path):
    with refused("REQUEST_INVALID", Kind.INVALID):
        await subscriptions.UpdateSubscription(update(await subscribed(), path))


async def test_it_ends_after_it_begins(subscriptions, subscribed, refused):
    made = await subscribed()
    for fields in ({"end_time": made.start_time}, {"start_time": made.end_time}):
        with refused("SUBSCRIPTION_PERIOD_INVALID", Kind.INVALID) as invalid:
            await subscriptions.UpdateSubscription(update(made, **fields))
        assert {"start_time", "end_time"} <= invalid.fault.facts.keys()
    both = update(made, start_time=moment(500), end_time=moment(600))
    assert (await subscriptions.UpdateSubscription(both)).subscription.etag == "3"


# -------------------------------------------------------------------------------------------------------------- list
async def test_subscriptions_are_listed_the_newest_first(subscriptions, subscribed, plan):
    taken = (await plan()).plan_id
    first = await subscribed(plan_id=taken)
    await move(subscriptions, first, "CANCELLED")
    others = [await subscribed(plan_id=taken) for _ in range(4)]
    again = await subscribed(plan_id=taken, tenant_id=first.tenant_id)
    whole = [one.subscription_id for one in reversed([first, *others, again])]

    async def listed(**request):
        found, token = [], ""
        while True:
            page = await subscriptions.ListSubscriptions(pb.ListSubscriptionsRequest(page_token=token, **request))
            found += [one.subscription_id for one in page.subscriptions]
            token = page.next_page_token
            if not token:
                return found

    assert await listed(plan_id=taken) == whole
    assert await listed(plan_id=taken, page_size=2) == whole
    assert await listed(plan_id=taken, state=CANCELLED) == whole[-1:]
    assert await listed(tenant_id=first.tenant_id) == [whole[0], whole[-1]]
    assert await listed(tenant_id=first.tenant_id, state=ACTIVE, plan_id=taken) == whole[:1]
    assert (await listed())[: len(whole)] == whole
    assert await listed(plan_id=str(uuid4())) == []


async def test_a_token_is_good_for_its_own_list_only(subscriptions, subscribed, plan, refused):
    taken = (await plan()).plan_id
    for _ in range(2):
        made = await subscribed(plan_id=taken, end_time=moment(3))
    page = await subscriptions.ListSubscriptions(pb.ListSubscriptionsRequest(plan_id=taken, page_size=1))
    token = page.next_page_token
    for changed in (
        {"plan_id": ""},
        {"state": ACTIVE},
        {"tenant_id": made.tenant_id},
        {"page_token": "A" + token},
        {"page_token": token[:-1]},
        {"page_token": "nonsense"},
    ):
        request = pb.ListSubscriptionsRequest(**{"plan_id": taken, "page_token": token, **changed})
        with refused("PAGE_TOKEN_INVALID", Kind.INVALID):
            await subscriptions.ListSubscriptions(request)
    soon = await subscriptions.ListExpiringSubscriptions(pb.ListExpiringSubscriptionsRequest(page_size=1))
    for request in (
        pb.ListExpiringSubscriptionsRequest(page_token=token),
        pb.ListExpiringSubscriptionsRequest(page_token=soon.next_page_token, within=Duration(seconds=86400)),
        pb.ListExpiringSubscriptionsRequest(page_token=soon.next_page_token, tenant_id=made.tenant_id),
    ):
        with refused("PAGE_TOKEN_INVALID", Kind.INVALID):
            await subscriptions.ListExpiringSubscriptions(request)


async def test_a_caller_of_one_tenant_sees_no_others(guarded, subscribed, bearer, refused):
    mine, other = await subscribed(), await subscribed()
    metadata = bearer("tenants.subscriptions.read", "tenants.subscriptions.sweep", tenant_id=mine.tenant_id)
    page = await guarded.subscriptions.ListSubscriptions(
        pb.ListSubscriptionsRequest(tenant_id=mine.tenant_id), metadata=metadata
    )
    assert [one.subscription_id for one in page.subscriptions] == [mine.subscription_id]
    for request in (
        pb.ListSubscriptionsRequest(),
        pb.ListSubscriptionsRequest(tenant_id=other.tenant_id),
        pb.GetSubscriptionRequest(**named(other)),
        pb.ListExpiringSubscriptionsRequest(),
        pb.ExpireSubscriptionsRequest(),
    ):
        with refused("TENANT_MISMATCH", Kind.DENIED):
            await getattr(guarded.subscriptions, type(request).__name__.removesuffix("Request"))(
                request, metadata=metadata
            )
