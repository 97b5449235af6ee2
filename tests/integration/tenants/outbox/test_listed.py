"""Who sees which entries."""

from datetime import UTC, timedelta
from uuid import UUID

import asyncpg
import pytest
from google.protobuf.duration_pb2 import Duration
from tests.fixtures.outbox import CLAIMED, PARKED, STARTED, WAITING, held, reason

from tenantmesh.tenants.v1 import outbox_service_pb2 as pb


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
