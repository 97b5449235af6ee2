"""Subscriptions that end: who is told, and what a schedule ends, each once."""

import asyncio
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from tests.fixtures.subscriptions import (
    ACTIVE,
    EXPIRED,
    LONG_AGO,
    YESTERDAY,
    moment,
    move,
    named,
    read,
    update,
)

from faults import Kind
from tenantmesh.tenants.v1 import subscription_service_pb2 as pb


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


async def test_what_is_prolonged_while_a_schedule_ends_it_is_either_and_never_both(subscriptions, subscribed, told):
    for _ in range(10):
        ended = await subscribed(start_time=LONG_AGO, end_time=YESTERDAY)
        prolonging = subscriptions.UpdateSubscription(update(ended, end_time=moment(30)))
        answers = await asyncio.gather(prolonging, move(subscriptions, ended, "EXPIRED"), return_exceptions=True)
        events = (await told(ended))[2:]
        if isinstance(answers[0], Exception):
            assert (events, (await read(subscriptions, ended)).state) == (["expired"], EXPIRED)
        else:
            assert (events, (await read(subscriptions, ended)).state) == (["updated"], ACTIVE)
