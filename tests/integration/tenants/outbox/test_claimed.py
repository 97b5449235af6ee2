"""Entries are claimed by one, started, put off, parked or given up."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import uuid4

import grpc
import pytest
from tests.fixtures.outbox import CANCELLED, PARKED, STARTED, WAITING, held, named, reason

from tenantmesh.tenants.v1 import event_service_pb2 as event_pb
from tenantmesh.tenants.v1 import outbox_service_pb2 as pb
from tenants_service.outbox.model import BACKOFF


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
