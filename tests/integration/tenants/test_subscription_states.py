"""The states of subscriptions, over the wire and in the database itself."""

import asyncio
from itertools import product
from uuid import uuid4

import asyncpg
import pytest
from tests.fixtures.subscriptions import (
    CANCELLED,
    INACTIVE,
    STATES,
    move,
    named,
    read,
    update,
)

from chassis.errors import faults_raised
from faults import Conflict, Kind
from tenantmesh.tenants.v1 import subscription_pb2
from tenantmesh.tenants.v1 import subscription_service_pb2 as pb
from tenants_service.subscriptions.model import NEXT, State

# Written out a third time on purpose: this is what is promised.
ALLOWED = {
    ("PENDING", "ACTIVE"), ("PENDING", "CANCELLED"),
    ("ACTIVE", "INACTIVE"), ("ACTIVE", "CANCELLED"), ("ACTIVE", "EXPIRED"),
    ("INACTIVE", "ACTIVE"), ("INACTIVE", "CANCELLED"), ("INACTIVE", "EXPIRED"),
}  # fmt: skip


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


@pytest.mark.parametrize("state", ["CANCELLED", "EXPIRED"])
async def test_what_is_over_stays_as_it_is(subscriptions, standing, refused, state):
    found = await standing(state)
    facts = {"state": state, "allowed_states": "ACTIVE,INACTIVE,PENDING"}
    with refused("SUBSCRIPTION_STATE_FORBIDS", Kind.CONFLICT, **facts):
        await subscriptions.UpdateSubscription(update(found, external_reference="x"))
