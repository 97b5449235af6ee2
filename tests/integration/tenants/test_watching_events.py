"""Whoever watches sees each event once and in order, whatever writers, connections and the database do meanwhile."""

import asyncio
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from functools import partial
from random import Random
from uuid import uuid4

import pytest

from faults import Fault, Timeout, Unavailable
from postgreskit import Database, Listener
from tenants_service import app
from tenants_service.events.model import Event, Filter
from tenants_service.events.store import append
from tenants_service.migrations import schema
from tenants_service.watching.service import Tail
from tenants_service.watching.store import EventRecord

SILENCE = timedelta(seconds=1)
EVERYTHING = Filter()


def noticed(tenant_id, number=0):
    return Event(uuid4(), tenant_id, "tenant.noticed", "tenant", str(tenant_id), {"number": number})


@pytest.fixture
async def listener(settings):
    async with Listener(settings.database, "tenants_events", every=timedelta(seconds=1)) as listener:
        yield listener


@pytest.fixture
def tail_of(records, listener):
    @asynccontextmanager
    async def tail_of(**changes):
        async with Tail(EventRecord(records), listener, **changes) as tail:
            yield tail

    return tail_of


async def write(records, listener, tenant_id, batches, seed):
    """Put events on record, each batch in a transaction that takes its time between its positions and its commit."""
    dice = Random(seed)  # noqa: S311 - a seed makes it repeatable
    for _ in range(batches):
        async with records.of(tenant_id) as tx:
            attempt = tx.transaction()
            await attempt.start()
            for number in range(dice.randint(1, 3)):
                await append(tx, [noticed(tenant_id, number)])
                await asyncio.sleep(dice.random() * 0.01)
            await (attempt.commit() if dice.random() < 0.9 else attempt.rollback())
        listener.wake()


async def positions(records, wanted=EVERYTHING, after=0):
    record = EventRecord(records)
    return [one.position for one in await record.read(wanted, after=after, upto=2**62, limit=100_000)]


async def follow_with_breaks(tail, wanted, after, until, seed):
    """Watch, break off at random places and go on behind the last position told, until the place is reached."""
    dice = Random(seed)  # noqa: S311 - a seed makes it repeatable
    seen, place = [], after
    while place < until():
        patience = dice.randint(1, 40)
        async with aclosing(tail.watch(wanted, after=place, silence=SILENCE)) as sightings:
            async for sighting in sightings:
                if sighting.event is not None:
                    seen.append(sighting.event.position)
                place = sighting.position
                patience -= 1
                if not patience or place >= until():
                    break
    return seen


async def test_each_event_comes_once_and_in_order_with_many_writers(records, listener, tail_of):
    start = max(await positions(records), default=0)
    tenants = [uuid4() for _ in range(8)]
    done = asyncio.Event()
    last = [2**62]
    async with tail_of(kept=200) as tail, asyncio.TaskGroup() as tasks:
        everything = [
            tasks.create_task(follow_with_breaks(tail, EVERYTHING, start, lambda: last[0], seed)) for seed in range(4)
        ]
        of_one = [
            tasks.create_task(follow_with_breaks(tail, Filter(tenant_id=tenant), start, lambda: last[0], seed))
            for seed, tenant in enumerate(tenants)
        ]
        async with asyncio.TaskGroup() as writers:
            for seed, tenant in enumerate(tenants):
                writers.create_task(write(records, listener, tenant, 60, seed))
        last[0] = max(await positions(records))
        done.set()
    expected = await positions(records, after=start)
    assert len(expected) > 8 * 60
    for task in everything:
        assert task.result() == expected
    for tenant, task in zip(tenants, of_one, strict=True):
        assert task.result() == await positions(records, Filter(tenant_id=tenant), after=start)


async def test_a_stream_lives_through_restarts_of_the_database(own_postgres):
    server, environment = own_postgres
    settings = app.configured({"MESH_MODE": "development", **environment})
    tenant_id = uuid4()

    async def put(records, number):
        async with records.of(tenant_id) as tx:
            await append(tx, [noticed(tenant_id, number)])

    async with schema(settings), Database(settings.database) as database:
        records, tail = app.opened(settings, database)
        async with tail, aclosing(tail.watch(EVERYTHING, after=0, silence=SILENCE)) as sightings:
            for number, end in enumerate([server.stop, server.kill]):
                await put(records, number)
                assert await event_of(sightings) == number
                await end()
                with pytest.raises(Fault):
                    await put(records, "lost")
                await server.start()
                await until_done(partial(put, records, "back"))
                assert await event_of(sightings) == "back"


async def event_of(sightings):
    """What the next event says."""
    async with asyncio.timeout(60):
        while (sighting := await anext(sightings)).event is None:
            pass
        return sighting.event.event.data["number"]


async def until_done(work):
    """Do the work, again and again while the database is away."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await work()
            except (Unavailable, Timeout):
                await asyncio.sleep(0.05)
