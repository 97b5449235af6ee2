"""Subscriptions over the wire: made, changed, taken from state to state, told about, ended by time."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID, uuid4

import asyncpg
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import faults_raised
from faults import Conflict, Kind
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.tenants.v1 import catalog_service_pb2 as catalog_pb
from tenantmesh.tenants.v1 import event_service_pb2 as event_pb
from tenantmesh.tenants.v1 import plan_pb2, subscription_pb2
from tenantmesh.tenants.v1 import subscription_service_pb2 as pb
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb
from tenants_service.subscriptions.model import NEXT, State

STATES = ["PENDING", "ACTIVE", "INACTIVE", "CANCELLED", "EXPIRED"]
PENDING, ACTIVE, INACTIVE, CANCELLED, EXPIRED = (
    getattr(subscription_pb2.Subscription, f"STATE_{name}") for name in STATES
)
# Written out a third time on purpose: this is what is promised.
ALLOWED = {
    ("PENDING", "ACTIVE"), ("PENDING", "CANCELLED"),
    ("ACTIVE", "INACTIVE"), ("ACTIVE", "CANCELLED"), ("ACTIVE", "EXPIRED"),
    ("INACTIVE", "ACTIVE"), ("INACTIVE", "CANCELLED"), ("INACTIVE", "EXPIRED"),
}  # fmt: skip
WAY = {
    "PENDING": [],
    "ACTIVE": ["ACTIVE"],
    "INACTIVE": ["ACTIVE", "INACTIVE"],
    "CANCELLED": ["CANCELLED"],
    "EXPIRED": ["ACTIVE", "EXPIRED"],
}
LONG_AGO, YESTERDAY = (datetime.now(UTC) - timedelta(days=days) for days in (400, 1))


def moment(days):
    """So many days from now."""
    message = Timestamp()
    message.FromDatetime(datetime.now(UTC) + timedelta(days=days))
    return message


def named(subscription, **more):
    return {"tenant_id": subscription.tenant_id, "subscription_id": subscription.subscription_id, **more}


def update(subscription, *paths, etag="", request_id="", **fields):
    return pb.UpdateSubscriptionRequest(
        **named(subscription, etag=etag, request_id=request_id), subscription=fields, update_mask={"paths": paths}
    )


def move(subscriptions, subscription, state, **more):
    """The call that takes a subscription to a state."""
    if state == "EXPIRED":
        return subscriptions.ExpireSubscriptions(pb.ExpireSubscriptionsRequest(tenant_id=subscription.tenant_id))
    verb = {"ACTIVE": "Activate", "INACTIVE": "Deactivate", "CANCELLED": "Cancel"}[state]
    request = getattr(pb, f"{verb}SubscriptionRequest")(**named(subscription, **more))
    return getattr(subscriptions, f"{verb}Subscription")(request)


async def read(subscriptions, subscription):
    return (await subscriptions.GetSubscription(pb.GetSubscriptionRequest(**named(subscription)))).subscription


@pytest.fixture
def told(events):
    """What the events say of a subscription."""

    async def told(subscription):
        request = event_pb.ListEventsRequest(
            tenant_id=subscription.tenant_id,
            aggregate_type="subscription",
            aggregate_id=subscription.subscription_id,
        )
        return [event.event_type.removeprefix("subscription.") for event in (await events.ListEvents(request)).events]

    return told


@pytest.fixture
def standing(subscriptions, subscribed):
    """Makes a subscription past its end, and takes it to a state."""

    async def standing(state):
        made = await subscribed(start_time=LONG_AGO, end_time=YESTERDAY, activate=False)
        for one in WAY[state]:
            await move(subscriptions, made, one)
        found = await read(subscriptions, made)
        assert subscription_pb2.Subscription.State.Name(found.state) == f"STATE_{state}"
        return found

    return standing


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


# ------------------------------------------------------------------------------------------------------------ states
@pytest.mark.parametrize(("before", "after"), list(product(STATES, STATES[1:])))
async def test_exactly_the_promised_changes_of_state_are_allowed(subscriptions, standing, told, before, after):
    found = await standing(before)
    events = await told(found)
    if (before, after) in ALLOWED:
        await move(subscriptions, found, after)
        now = await read(subscriptions, found)
        assert subscription_pb2.Subscription.State.Name(now.state) == f"STATE_{after}"
        assert int(now.etag) == int(found.etag) + 1
        names = {"ACTIVE": "activated", "INACTIVE": "deactivated", "CANCELLED": "cancelled", "EXPIRED": "expired"}
        assert await told(found) == [*events, names[after]]
        return
    if after in {before, "EXPIRED"}:  # it is there already; a sweep leaves alone what it has no business with
        await move(subscriptions, found, after)
    else:
        with pytest.raises(Conflict) as refused, faults_raised():
            await move(subscriptions, found, after)
        assert refused.value.reason == "SUBSCRIPTION_STATE_FORBIDS"
        allowed = ",".join(sorted(one for one, to in ALLOWED if to == after))
        facts = {"subscription_id": found.subscription_id, "state": before, "allowed_states": allowed}
        assert refused.value.facts == facts
    assert await read(subscriptions, found) == found
    assert await told(found) == events


async def test_the_database_has_the_same_table_and_holds_it(admin, standing):
    assert {(one.name, other.name) for one, others in NEXT.items() for other in others} == ALLOWED
    for before, after in product(STATES, STATES):
        found = await standing(before)
        change = "UPDATE subscriptions SET state = $2 WHERE subscription_id = $1"
        if before == after or (before, after) in ALLOWED:
            assert await admin.execute(change, found.subscription_id, after) == "UPDATE 1"
        else:
            with pytest.raises(asyncpg.CheckViolationError) as broken:
                await admin.execute(change, found.subscription_id, after)
            assert broken.value.constraint_name == "subscriptions_state_change"


async def test_a_subscription_begins_at_the_beginning(admin, standing):
    found = await standing("CANCELLED")
    for state in {one.name for one in State} - {"PENDING"}:
        with pytest.raises(asyncpg.CheckViolationError):
            await admin.execute(
                "INSERT INTO subscriptions SELECT (jsonb_populate_record(s, jsonb_build_object("
                "'subscription_id', uuidv7(), 'state', $2::text))).* FROM subscriptions AS s"
                " WHERE subscription_id = $1",
                found.subscription_id,
                state,
            )


async def test_why_it_is_paused_stands_on_it_until_it_goes_on(subscriptions, subscribed):
    made = await subscribed()
    reason = "'; DROP TABLE subscriptions; -- \U0001f600"
    paused = (await move(subscriptions, made, "INACTIVE", reason=reason)).subscription
    assert (paused.state, paused.reason) == (INACTIVE, reason)
    assert (await move(subscriptions, made, "INACTIVE", reason="another")).subscription == paused
    assert (await move(subscriptions, made, "ACTIVE")).subscription.reason == ""
    assert (await move(subscriptions, made, "CANCELLED", reason="left")).subscription.reason == "left"


async def test_a_change_of_what_was_not_read_is_refused(subscriptions, subscribed, refused):
    made = await subscribed()
    paused = (await move(subscriptions, made, "INACTIVE", etag=made.etag)).subscription
    for state in ("ACTIVE", "CANCELLED"):
        with refused("ETAG_MISMATCH", Kind.ABORTED, etag=paused.etag):
            await move(subscriptions, made, state, etag=made.etag)
    with refused("ETAG_MISMATCH", Kind.ABORTED, etag=paused.etag):
        await subscriptions.UpdateSubscription(update(made, external_reference="x", etag=made.etag))
    assert await read(subscriptions, made) == paused


async def test_of_pausing_and_cancelling_at_once_under_one_etag_one_wins(subscriptions, subscribed):
    for _ in range(5):
        made = await subscribed()
        calls = [move(subscriptions, made, state, etag=made.etag) for state in ("INACTIVE", "CANCELLED") * 2]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert {answer.subscription.etag for answer in answers if not isinstance(answer, Exception)} == {"3"}
        now = await read(subscriptions, made)
        assert (now.etag, now.state in {INACTIVE, CANCELLED}) == ("3", True)


async def test_a_repeat_answers_what_the_first_time_did(subscriptions, subscribed, made, plan, told):
    tenant_id, plan_id, name = (await made()).tenant_id, (await plan()).plan_id, str(uuid4())
    first = await subscribed(tenant_id=tenant_id, plan_id=plan_id, request_id=name)
    pause = pb.DeactivateSubscriptionRequest(**named(first, etag=first.etag, request_id=str(uuid4())))
    paused = await subscriptions.DeactivateSubscription(pause)
    change = update(first, external_reference="x", etag=paused.subscription.etag, request_id=str(uuid4()))
    changed = await subscriptions.UpdateSubscription(change)
    end = pb.CancelSubscriptionRequest(**named(first, request_id=str(uuid4())))
    ended = await subscriptions.CancelSubscription(end)
    assert await subscribed(tenant_id=tenant_id, plan_id=plan_id, request_id=name) == first
    assert await subscriptions.DeactivateSubscription(pause) == paused
    assert await subscriptions.UpdateSubscription(change) == changed
    assert await subscriptions.CancelSubscription(end) == ended
    assert await told(first) == ["created", "activated", "deactivated", "updated", "cancelled"]


async def test_another_tenants_subscription_is_none(subscriptions, subscribed, made, refused):
    found = await subscribed()
    other = {"tenant_id": (await made()).tenant_id, "subscription_id": found.subscription_id}
    for verb in ("Get", "Activate", "Deactivate", "Cancel"):
        request = getattr(pb, f"{verb}SubscriptionRequest")(**other)
        with refused("SUBSCRIPTION_NOT_FOUND", Kind.NOT_FOUND, **other):
            await getattr(subscriptions, f"{verb}Subscription")(request)
    with refused("SUBSCRIPTION_NOT_FOUND", Kind.NOT_FOUND, **other):
        await subscriptions.UpdateSubscription(
            pb.UpdateSubscriptionRequest(**other, subscription={"external_reference": "mine"})
        )
    with refused("SUBSCRIPTION_NOT_FOUND", Kind.NOT_FOUND, **other):
        await subscriptions.RecordExpiryNotice(pb.RecordExpiryNoticeRequest(**other))
    assert await read(subscriptions, found) == found


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
    await tenants.UpdateTenant(tenant_pb.UpdateTenantRequest(tenant_id=made.tenant_id, tenant={"tier": "TIER_SILO"}))
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


@pytest.mark.parametrize("state", ["CANCELLED", "EXPIRED"])
async def test_what_is_over_stays_as_it_is(subscriptions, standing, refused, state):
    found = await standing(state)
    facts = {"state": state, "allowed_states": "ACTIVE,INACTIVE,PENDING"}
    with refused("SUBSCRIPTION_STATE_FORBIDS", Kind.CONFLICT, **facts):
        await subscriptions.UpdateSubscription(update(found, external_reference="x"))


# ------------------------------------------------------------------------------------------------------------ expiry
async def test_what_is_past_its_end_expires_so_many_at_once_and_once(subscriptions, subscribed, told):
    await expire_all(subscriptions)
    ended = [await subscribed(start_time=LONG_AGO, end_time=moment(-9 + number)) for number in range(7)]
    await move(subscriptions, ended[3], "INACTIVE", reason="late")
    going = await subscribed(end_time=moment(1))
    pending = await subscribed(start_time=LONG_AGO, end_time=YESTERDAY, activate=False)
    first = await subscriptions.ExpireSubscriptions(pb.ExpireSubscriptionsRequest(limit=3))
    second = await subscriptions.ExpireSubscriptions(pb.ExpireSubscriptionsRequest(limit=4))
    third = await subscriptions.ExpireSubscriptions(pb.ExpireSubscriptionsRequest())
    assert (first.more, second.more, third.more) == (True, False, False)
    assert not third.subscriptions
    expired = [*first.subscriptions, *second.subscriptions]
    assert [one.subscription_id for one in expired] == [one.subscription_id for one in ended]
    assert {one.state for one in expired} == {EXPIRED}
    for one in ended:
        assert (await told(one))[-1] == "expired"
        assert (await told(one)).count("expired") == 1
    assert await read(subscriptions, going) == going
    assert await read(subscriptions, pending) == pending


async def expire_all(subscriptions, **more):
    while (await subscriptions.ExpireSubscriptions(pb.ExpireSubscriptionsRequest(**more))).more:
        pass


async def test_schedules_that_overlap_expire_each_once(subscriptions, subscribed, told):
    ended = [await subscribed(start_time=LONG_AGO, end_time=YESTERDAY) for _ in range(20)]
    calls = [subscriptions.ExpireSubscriptions(pb.ExpireSubscriptionsRequest(limit=200)) for _ in range(6)]
    answers = await asyncio.gather(*calls)
    found = [one.subscription_id for answer in answers for one in answer.subscriptions]
    assert len(found) == len(set(found))
    assert {one.subscription_id for one in ended} <= set(found)
    for one in ended:
        assert (await told(one)).count("expired") == 1


async def test_one_tenants_is_expired_alone(subscriptions, subscribed):
    mine, other = [await subscribed(start_time=LONG_AGO, end_time=YESTERDAY) for _ in range(2)]
    answer = await subscriptions.ExpireSubscriptions(pb.ExpireSubscriptionsRequest(tenant_id=mine.tenant_id))
    assert [one.subscription_id for one in answer.subscriptions] == [mine.subscription_id]
    assert await read(subscriptions, other) == other


async def test_a_sweep_whose_answer_was_lost_answers_again(subscriptions, subscribed):
    ended = await subscribed(start_time=LONG_AGO, end_time=YESTERDAY)
    request = pb.ExpireSubscriptionsRequest(limit=200, request_id=str(uuid4()))
    first = await subscriptions.ExpireSubscriptions(request)
    assert ended.subscription_id in {one.subscription_id for one in first.subscriptions}
    assert await subscriptions.ExpireSubscriptions(request) == first


async def test_the_largest_answer_of_a_sweep_is_kept_for_a_repeat(subscriptions, subscribed):
    text = "\U0001f600"
    await expire_all(subscriptions)
    one = await subscribed(start_time=LONG_AGO, end_time=YESTERDAY, external_reference=text * 128)
    answer = await subscriptions.ExpireSubscriptions(pb.ExpireSubscriptionsRequest(tenant_id=one.tenant_id))
    # Sealed and as text it is a third longer; and so many bytes are kept.
    assert 200 * (answer.subscriptions[0].ByteSize() + 4 * 512) * 4 / 3 < 2**20


async def ending(subscriptions, **request):
    found, token = [], ""
    while True:
        wanted = pb.ListExpiringSubscriptionsRequest(page_token=token, **request)
        page = await subscriptions.ListExpiringSubscriptions(wanted)
        found += [one.subscription_id for one in page.subscriptions]
        token = page.next_page_token
        if not token:
            return found


async def test_who_ends_soon_is_listed_until_told_the_next_to_end_first(subscriptions, subscribed, told):
    made = [await subscribed(start_time=LONG_AGO, end_time=moment(days)) for days in (6.9, 2, 4, 7.1, -1)]
    await move(subscriptions, made[2], "INACTIVE")
    await move(subscriptions, made[2], "ACTIVE")
    paused = await subscribed(start_time=LONG_AGO, end_time=moment(3))
    await move(subscriptions, paused, "INACTIVE")
    soon = [made[place].subscription_id for place in (1, 2, 0)]
    later = made[3].subscription_id
    known = {*soon, later, made[4].subscription_id, paused.subscription_id}

    async def listed(**request):
        return [one for one in await ending(subscriptions, **request) if one in known]

    assert await listed() == soon
    assert await listed(page_size=1) == soon
    assert await listed(within=Duration(seconds=8 * 86400)) == [*soon, later]
    assert await listed(tenant_id=made[0].tenant_id) == [made[0].subscription_id]
    noted = await subscriptions.RecordExpiryNotice(pb.RecordExpiryNoticeRequest(**named(made[1])))
    assert noted.subscription.HasField("expiry_notice_time")
    assert await subscriptions.RecordExpiryNotice(pb.RecordExpiryNoticeRequest(**named(made[1]))) == noted
    assert await told(made[1]) == ["created", "activated", "expiry_noticed"]
    assert await listed() == soon[1:]
    moved = await subscriptions.UpdateSubscription(update(made[1], end_time=moment(5)))
    assert not moved.subscription.HasField("expiry_notice_time")
    assert set(await listed()) == set(soon)


@pytest.mark.parametrize("state", ["PENDING", "INACTIVE", "CANCELLED", "EXPIRED"])
async def test_only_of_one_in_force_somebody_is_told(subscriptions, standing, refused, state):
    found = await standing(state)
    with refused("SUBSCRIPTION_STATE_FORBIDS", Kind.CONFLICT, state=state, allowed_states="ACTIVE"):
        await subscriptions.RecordExpiryNotice(pb.RecordExpiryNoticeRequest(**named(found)))


@pytest.mark.parametrize(
    "bad",
    [
        pb.ListExpiringSubscriptionsRequest(within=Duration(seconds=0)),
        pb.ListExpiringSubscriptionsRequest(within=Duration(seconds=7776001)),
        pb.ListExpiringSubscriptionsRequest(page_size=501),
        pb.ExpireSubscriptionsRequest(limit=201),
        pb.ExpireSubscriptionsRequest(limit=-1),
        pb.ListSubscriptionsRequest(page_size=-1),
        pb.ListSubscriptionsRequest(state=99),
    ],
)
async def test_what_schedules_ask_for_is_bounded(subscriptions, refused, bad):
    with refused("REQUEST_INVALID", Kind.INVALID):
        await getattr(subscriptions, type(bad).__name__.removesuffix("Request"))(bad)


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
