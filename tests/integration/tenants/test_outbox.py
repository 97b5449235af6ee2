"""The outbox over the wire: accepted, claimed, started, put off, parked; and who may see it."""

import asyncio
from collections import Counter
from datetime import UTC, timedelta
from uuid import UUID, uuid4

import asyncpg
import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from chassis.errors import faults_raised
from faults import Fault, Kind
from tenantmesh.tenants.v1 import event_service_pb2 as event_pb
from tenantmesh.tenants.v1 import outbox_pb2
from tenantmesh.tenants.v1 import outbox_service_pb2 as pb
from tenantmesh.tenants.v1 import subscription_service_pb2 as subscription_pb
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb
from tenants_service.outbox.model import BACKOFF

WAITING, CLAIMED, STARTED, PARKED, CANCELLED = (
    getattr(outbox_pb2.OutboxEntry, f"STATE_{name}")
    for name in ("WAITING", "CLAIMED", "STARTED", "PARKED", "CANCELLED")
)
PAYLOAD = "tenantmesh.provisioning.v1.ProvisionTenantRequest"


@pytest.fixture
async def accept(outbox, subscribed):
    """Has a request accepted, for a tenant of its own, which has a subscription, where the test names none."""

    async def accept(tenant_id="", *, claim=False, **more):
        tenant_id = tenant_id or (await subscribed()).tenant_id
        fields = {
            "tenant_id": tenant_id,
            "operation_type": "provision",
            "operation_id": f"provision-tenant-{tenant_id}",
            "payload_type": PAYLOAD,
            "payload": b"input",
            "claim_id": str(uuid4()) if claim else "",
        }
        return await outbox.CreateOutboxEntry(pb.CreateOutboxEntryRequest(**{**fields, **more}))

    return accept


@pytest.fixture(autouse=True)
async def empty(admin):
    """Nothing is due when a test begins."""
    await admin.execute("DELETE FROM outbox_entries")


@pytest.fixture
def claim(outbox):
    async def claim(limit=100, claim_id="", seconds=30):
        request = pb.ClaimOutboxEntriesRequest(
            limit=limit, claim_id=claim_id or str(uuid4()), claim_duration=Duration(seconds=seconds)
        )
        return list((await outbox.ClaimOutboxEntries(request)).outbox_entries)

    return claim


@pytest.fixture
def passes(admin):
    """Lets the database's time pass for what waits, by moving what waits."""

    async def passes(span):
        await admin.execute("UPDATE outbox_entries SET due_time = due_time - $1::interval", span)

    return passes


def named(entry, **more):
    return {"tenant_id": entry.tenant_id, "outbox_entry_id": entry.outbox_entry_id, **more}


def held(entry, **more):
    return named(entry, claim_id=entry.claim_id, **more)


async def reason(call):
    with pytest.raises(Fault) as raised, faults_raised():
        await call
    return raised.value.reason


def lasts(entry):
    return entry.claim_expire_time.ToDatetime() - entry.update_time.ToDatetime()


# ------------------------------------------------------------------------------------------------------------ accept
async def test_an_accepted_request_is_written_with_its_event_and_handed_over(accept, events):
    answer = await accept(claim=True, claim_duration=Duration(seconds=7))
    entry = answer.outbox_entry
    assert answer.created
    assert (entry.state, entry.payload, entry.attempts) == (CLAIMED, b"input", 0)
    assert entry.principal
    assert lasts(entry) == timedelta(seconds=7)
    assert UUID(entry.outbox_entry_id).version == 7
    told = (await events.ListEvents(event_pb.ListEventsRequest(aggregate_id=entry.outbox_entry_id))).events
    assert [one.event_type for one in told] == ["outbox_entry.accepted"]


async def test_many_accept_the_same_operation_at_once_and_one_has_it(accept, subscribed):
    tenant_id = (await subscribed()).tenant_id
    answers = await asyncio.gather(*(accept(tenant_id, claim=True) for _ in range(8)))
    assert sum(answer.created for answer in answers) == 1
    assert len({answer.outbox_entry.claim_id for answer in answers}) == 1


async def test_an_operation_that_works_on_the_tenant_is_not_accepted_anew(accept, outbox, tenants):
    entry = (await accept(claim=True)).outbox_entry
    started = (await outbox.CompleteOutboxEntry(pb.CompleteOutboxEntryRequest(**held(entry)))).outbox_entry
    name = {"tenant_id": entry.tenant_id, "operation_id": entry.operation_id}
    await tenants.TransitionTenant(tenant_pb.TransitionTenantRequest(**name, state="TENANT_STATE_PROVISIONING"))
    again = await accept(entry.tenant_id, claim=True)
    assert (again.created, again.outbox_entry) == (False, started)
    failed = {"failed_step": "dns", "root_cause": "late"}
    await tenants.TransitionTenant(
        tenant_pb.TransitionTenantRequest(**name, state="TENANT_STATE_PROVISION_FAILED", **failed)
    )
    retry = await accept(entry.tenant_id, claim=True)
    assert retry.created
    assert retry.outbox_entry.outbox_entry_id != entry.outbox_entry_id


async def test_the_same_operation_with_another_payload_is_refused(accept):
    tenant_id = (await accept()).outbox_entry.tenant_id
    assert await reason(accept(tenant_id, payload=b"other")) == "OUTBOX_ENTRY_DIFFERS"


@pytest.fixture
def lapsed(subscribed, subscriptions):
    """Makes a subscription that is not in force any more; without a change, not yet."""

    async def lapsed(change):
        found = await subscribed(activate=change is not None)
        if change:
            name = {"tenant_id": found.tenant_id, "subscription_id": found.subscription_id}
            request = getattr(subscription_pb, f"{change}SubscriptionRequest")(**name)
            await getattr(subscriptions, f"{change}Subscription")(request)
        return found

    return lapsed


@pytest.mark.parametrize(
    ("change", "state"),
    [("Deactivate", "INACTIVE"), ("Cancel", ""), (None, "PENDING")],
)
async def test_a_refusal_changes_nothing(accept, lapsed, admin, change, state):
    found = await lapsed(change)
    events = await admin.fetchval("SELECT count(*) FROM domain_events")
    with pytest.raises(Fault) as refused, faults_raised():
        await accept(found.tenant_id)
    assert refused.value.reason == "SUBSCRIPTION_NOT_ACTIVE"
    assert refused.value.facts == {"tenant_id": found.tenant_id, "state": state}
    assert not await admin.fetchval("SELECT count(*) FROM outbox_entries")
    assert await admin.fetchval("SELECT count(*) FROM domain_events") == events
    assert await admin.fetchval("SELECT state FROM tenants WHERE tenant_id = $1", found.tenant_id) == (
        "PENDING_PROVISION"
    )


async def test_without_a_subscription_nothing_is_provisioned(accept, made, refused):
    tenant_id = (await made()).tenant_id
    with refused("SUBSCRIPTION_NOT_ACTIVE", Kind.CONFLICT, tenant_id=tenant_id, state=""):
        await accept(tenant_id)


async def test_the_tenant_must_be_ready(accept, subscribed, tenants):
    tenant_id = (await subscribed()).tenant_id
    for state, expected in (("PROVISIONING", "OPERATION_MISMATCH"), ("ACTIVE", "TENANT_STATE_FORBIDS")):
        request = tenant_pb.TransitionTenantRequest(
            tenant_id=tenant_id, state=f"TENANT_STATE_{state}", operation_id="another"
        )
        await tenants.TransitionTenant(request)
        assert await reason(accept(tenant_id)) == expected
    assert await reason(accept(str(uuid4()))) == "TENANT_NOT_FOUND"


async def test_a_request_id_answers_what_it_answered_first(accept, subscribed):
    tenant_id, request_id, claim_id = (await subscribed()).tenant_id, str(uuid4()), str(uuid4())
    first = await accept(tenant_id, request_id=request_id, claim_id=claim_id)
    assert await accept(tenant_id, request_id=request_id, claim_id=claim_id) == first
    assert await reason(accept(tenant_id, request_id=request_id)) == "REQUEST_ID_REUSED"


async def test_the_largest_payload_is_kept(accept, claim):
    payload = bytes(range(256)) * 1024
    await accept(payload=payload, request_id=str(uuid4()))
    assert [entry.payload for entry in await claim()] == [payload]


# ------------------------------------------------------------------------------------------------------------- claim
async def test_several_claimers_get_each_entry_exactly_once(accept, claim):
    made = {(await accept()).outbox_entry.outbox_entry_id for _ in range(60)}
    rounds = await asyncio.gather(*(claim(limit=3) for _ in range(30)))
    got = Counter(entry.outbox_entry_id for entries in rounds for entry in entries)
    assert set(got) == made
    assert set(got.values()) == {1}


async def test_the_longest_due_comes_first(accept, claim, admin):
    entries = [(await accept()).outbox_entry.outbox_entry_id for _ in range(5)]
    for place, entry in enumerate(entries):
        late = timedelta(minutes=(place * 2) % 5)
        query = "UPDATE outbox_entries SET due_time = now() - $2::interval WHERE outbox_entry_id = $1"
        await admin.execute(query, entry, late)
    assert [one.outbox_entry_id for one in await claim(3)] == [entries[2], entries[4], entries[1]]


async def test_the_same_claim_again_gets_what_it_holds_and_nothing_else(accept, claim):
    for _ in range(4):
        await accept()
    name = str(uuid4())
    first = await claim(2, name)
    assert len(first) == 2
    again = await asyncio.gather(*(claim(2, name) for _ in range(4)))
    assert all({one.outbox_entry_id for one in more} == {one.outbox_entry_id for one in first} for more in again)


async def test_the_same_claim_side_by_side_is_one(accept, claim):
    for _ in range(9):
        await accept()
    name = str(uuid4())
    rounds = await asyncio.gather(*(claim(2, name) for _ in range(4)))
    assert len({one.outbox_entry_id for entries in rounds for one in entries}) == 2


async def test_a_claim_that_is_not_used_ends_by_itself(accept, claim, passes, outbox):
    entry = (await accept(claim=True)).outbox_entry
    await passes(timedelta(seconds=29))
    assert not await claim()
    await passes(timedelta(seconds=1))
    again = (await claim())[0]
    assert again.outbox_entry_id == entry.outbox_entry_id
    assert again.claim_id != entry.claim_id
    assert again.attempts == 0
    request = pb.CompleteOutboxEntryRequest(**held(entry))
    assert await reason(outbox.CompleteOutboxEntry(request)) == "OUTBOX_CLAIM_LOST"
    done = await outbox.CompleteOutboxEntry(pb.CompleteOutboxEntryRequest(**held(again)))
    assert done.outbox_entry.state == STARTED


async def test_a_claim_takes_only_what_fits_into_a_message(accept, claim):
    payload = b"x" * 2**18
    for _ in range(20):
        await accept(payload=payload)
    first = await claim()
    second = await claim()
    third = await claim()
    assert 1 < len(first) < 20
    assert len(first) + len(second) + len(third) == 20


# --------------------------------------------------------------------------------------------- start, defer, give up
async def test_an_operation_that_was_started_is_done(accept, claim, outbox):
    entry = (await accept(claim=True)).outbox_entry
    request = pb.CompleteOutboxEntryRequest(**held(entry))
    done = (await outbox.CompleteOutboxEntry(request)).outbox_entry
    assert (done.state, done.claim_id) == (STARTED, "")
    assert done.HasField("start_time")
    assert (await outbox.CompleteOutboxEntry(request)).outbox_entry == done
    request = pb.CancelOutboxEntryRequest(**named(entry))
    assert await reason(outbox.CancelOutboxEntry(request)) == "OUTBOX_STATE_FORBIDS"
    assert not await claim()


async def test_an_entry_is_put_off_longer_each_time_then_parked_listed_and_tried_anew(
    accept, claim, passes, outbox, events
):
    entry = (await accept(claim=True)).outbox_entry
    for wait in BACKOFF:
        deferred = await outbox.DeferOutboxEntry(pb.DeferOutboxEntryRequest(**held(entry), error="away"))
        entry = deferred.outbox_entry
        assert entry.state == WAITING
        assert entry.next_attempt_time.ToDatetime() - entry.update_time.ToDatetime() == wait
        await passes(wait - timedelta(seconds=1))
        assert not await claim()
        await passes(timedelta(seconds=1))
        entry = (await claim())[0]
    parked = (await outbox.DeferOutboxEntry(pb.DeferOutboxEntryRequest(**held(entry), error="gone"))).outbox_entry
    assert (parked.state, parked.attempts, parked.last_error) == (PARKED, 6, "gone")
    await passes(timedelta(days=365))
    assert not await claim()
    listed = await outbox.ListOutboxEntries(pb.ListOutboxEntriesRequest(state=PARKED))
    assert [(one.outbox_entry_id, one.payload) for one in listed.outbox_entries] == [(parked.outbox_entry_id, b"")]
    again = await outbox.RequeueOutboxEntry(pb.RequeueOutboxEntryRequest(**named(parked)))
    assert (again.outbox_entry.state, again.outbox_entry.attempts) == (WAITING, 0)
    assert len(await claim()) == 1
    told = (await events.ListEvents(event_pb.ListEventsRequest(aggregate_id=parked.outbox_entry_id))).events
    assert [one.event_type.split(".")[1] for one in told] == [
        "accepted",
        *["deferred"] * 5,
        "parked",
        "requeued",
    ]


async def test_a_repeated_report_of_a_failure_counts_once(accept, outbox):
    entry = (await accept(claim=True)).outbox_entry
    request = pb.DeferOutboxEntryRequest(**held(entry), error="away", request_id=str(uuid4()))
    answers = [await outbox.DeferOutboxEntry(request) for _ in range(2)]
    assert [one.outbox_entry.attempts for one in answers] == [1, 1]
    request.request_id = str(uuid4())
    assert await reason(outbox.DeferOutboxEntry(request)) == "OUTBOX_CLAIM_LOST"


async def test_what_is_being_started_only_its_holder_gives_up(accept, outbox):
    entry = (await accept(claim=True)).outbox_entry
    request = pb.CancelOutboxEntryRequest(**named(entry), reason="not wanted")
    assert await reason(outbox.CancelOutboxEntry(request)) == "OUTBOX_CLAIM_LOST"
    request.claim_id = entry.claim_id
    assert (await outbox.CancelOutboxEntry(request)).outbox_entry.state == CANCELLED
    assert (await outbox.CancelOutboxEntry(request)).outbox_entry.state == CANCELLED


async def test_one_of_completing_and_cancelling_wins(accept, outbox):
    for _ in range(10):
        entry = (await accept(claim=True)).outbox_entry
        answers = await asyncio.gather(
            outbox.CompleteOutboxEntry(pb.CompleteOutboxEntryRequest(**held(entry))),
            outbox.CancelOutboxEntry(pb.CancelOutboxEntryRequest(**held(entry))),
            return_exceptions=True,
        )
        assert sum(isinstance(answer, grpc.aio.AioRpcError) for answer in answers) == 1


async def test_another_tenants_entry_is_none(accept, outbox, made):
    entry = (await accept(claim=True)).outbox_entry
    other = {"tenant_id": (await made()).tenant_id, "outbox_entry_id": entry.outbox_entry_id}
    calls = [
        outbox.CompleteOutboxEntry(pb.CompleteOutboxEntryRequest(**other, claim_id=entry.claim_id)),
        outbox.DeferOutboxEntry(pb.DeferOutboxEntryRequest(**other, claim_id=entry.claim_id)),
        outbox.RequeueOutboxEntry(pb.RequeueOutboxEntryRequest(**other)),
        outbox.CancelOutboxEntry(pb.CancelOutboxEntryRequest(**other)),
    ]
    assert [await reason(call) for call in calls] == ["OUTBOX_ENTRY_NOT_FOUND"] * 4


@pytest.mark.parametrize("text", ["'; DROP TABLE outbox_entries; --", "$1", "ä\U0001f600", "\u202e", "%s", "\\"])
async def test_text_is_text(accept, outbox, text):
    entry = (await accept(claim=True)).outbox_entry
    deferred = await outbox.DeferOutboxEntry(pb.DeferOutboxEntryRequest(**held(entry), error=text))
    assert deferred.outbox_entry.last_error == text
    await outbox.CancelOutboxEntry(pb.CancelOutboxEntryRequest(**named(entry), reason=text))


async def test_a_text_no_database_keeps_is_refused(accept, outbox):
    entry = (await accept(claim=True)).outbox_entry
    request = pb.DeferOutboxEntryRequest(**held(entry), error="a\0b")
    assert await reason(outbox.DeferOutboxEntry(request)) == "REQUEST_INVALID"


# -------------------------------------------------------------------------------------------------------------- list
async def test_entries_are_listed_by_how_they_stand(accept, outbox, passes):
    waiting = (await accept()).outbox_entry
    claimed = (await accept(claim=True, claim_duration=Duration(seconds=300))).outbox_entry
    ended = (await accept(claim=True, claim_duration=Duration(seconds=1))).outbox_entry
    started = (await accept(claim=True)).outbox_entry
    await outbox.CompleteOutboxEntry(pb.CompleteOutboxEntryRequest(**held(started)))
    await passes(timedelta(seconds=2))

    async def listed(**wanted):
        answer = await outbox.ListOutboxEntries(pb.ListOutboxEntriesRequest(**wanted))
        return [(one.outbox_entry_id, one.state) for one in answer.outbox_entries]

    whole = [
        (waiting.outbox_entry_id, WAITING),
        (claimed.outbox_entry_id, CLAIMED),
        (ended.outbox_entry_id, WAITING),
        (started.outbox_entry_id, STARTED),
    ]
    assert await listed() == whole
    assert await listed(state=WAITING) == [whole[0], whole[2]]
    assert await listed(state=CLAIMED) == [whole[1]]
    assert await listed(state=STARTED) == [whole[3]]
    assert await listed(tenant_id=claimed.tenant_id) == [whole[1]]
    assert await listed(operation_id=ended.operation_id) == [whole[2]]


async def test_pages_neither_skip_nor_repeat(accept, outbox):
    made = [(await accept()).outbox_entry.outbox_entry_id for _ in range(7)]
    found, token = [], ""
    while True:
        page = await outbox.ListOutboxEntries(pb.ListOutboxEntriesRequest(page_size=3, page_token=token))
        found += [one.outbox_entry_id for one in page.outbox_entries]
        token = page.next_page_token
        if not token:
            break
        request = pb.ListOutboxEntriesRequest(page_size=3, page_token=token, state=PARKED)
        assert await reason(outbox.ListOutboxEntries(request)) == "PAGE_TOKEN_INVALID"
    assert found == made


async def test_a_tenant_sees_its_own_entries_alone(accept, records):
    one, other = (await accept()).outbox_entry, (await accept()).outbox_entry
    async with records.of(one.tenant_id) as tx:
        assert [str(row[0]) for row in await tx.fetch("SELECT tenant_id FROM outbox_entries")] == [one.tenant_id]
        assert await tx.execute("UPDATE outbox_entries SET attempts = 7") == "UPDATE 1"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with tx.transaction():
                await tx.execute("UPDATE outbox_entries SET tenant_id = $1", UUID(other.tenant_id))


async def test_times_are_the_databases(accept, admin):
    before = await admin.fetchval("SELECT now()")
    entry = (await accept()).outbox_entry
    after = await admin.fetchval("SELECT now()")
    assert before <= entry.create_time.ToDatetime(UTC) <= after
    assert entry.next_attempt_time == entry.create_time
