"""The tail of a record in memory, whose reader can be made to wait, to fail and to fall behind."""

import asyncio
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from faults import Exhausted, Internal, Timeout, Unavailable
from tenants_service.events.model import Event, Filter, Recorded
from tenants_service.watching.model import Look, Sighting
from tenants_service.watching.service import Tail

LONG = timedelta(seconds=60)
SHORT = timedelta(milliseconds=20)
ONE, OTHER = UUID(int=1), UUID(int=2)
AWAY = Unavailable("The database is away.", reason="DEPENDENCY_UNAVAILABLE")


class Record:
    """Events in memory, and hints that there are new ones."""

    def __init__(self):
        self.rows = []
        self.writers = frozenset()
        self.looks = self.reads = 0
        self.failure = None
        self.open = False
        self.changed = asyncio.Condition()

    async def __aenter__(self):
        self.open = True

    async def __aexit__(self, *_):
        self.open = False

    async def add(self, *tenants):
        for tenant in tenants or (ONE,):
            event = Event(uuid4(), tenant, "tenant.noticed", "tenant", str(tenant), {})
            self.rows.append(Recorded(event, len(self.rows) + 1, datetime.now(UTC), size=2))
        await self.hint()

    async def hint(self):
        async with self.changed:
            self.changed.notify_all()

    async def wakeups(self):
        while self.open:
            async with self.changed:
                yield
                await self.changed.wait()

    async def last(self):
        return len(self.rows)

    async def look(self):
        self.looks += 1
        if self.failure:
            raise self.failure
        return Look(len(self.rows), self.writers)

    async def read(self, wanted, *, after, upto, limit):
        self.reads += 1
        if self.failure:
            raise self.failure
        found = [row for row in self.rows if after < row.position <= upto and wanted.admits(row)]
        return found[:limit]


@pytest.fixture
def record():
    return Record()


@asynccontextmanager
async def watching(record, wanted=None, after=0, silence=LONG, **changes):
    async with (
        Tail(record, record, **changes) as tail,
        aclosing(tail.watch(wanted or Filter(), after=after, silence=silence)) as sightings,
    ):
        yield sightings


async def take(sightings, count):
    async with asyncio.timeout(10):
        return [await anext(sightings) for _ in range(count)]


def positions(sightings):
    return [one.event.position for one in sightings if one.event]


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the record counts, and tells nobody
            await asyncio.sleep(0)


async def test_what_was_there_comes_first_and_what_comes_follows(record):
    await record.add(*[ONE] * 3)
    async with watching(record) as sightings:
        assert positions(await take(sightings, 3)) == [1, 2, 3]
        await record.add()
        await record.add()
        assert positions(await take(sightings, 2)) == [4, 5]


async def test_a_watcher_begins_behind_the_position_it_names(record):
    await record.add(*[ONE] * 5)
    async with watching(record, after=3) as sightings:
        assert positions(await take(sightings, 2)) == [4, 5]


async def test_a_watcher_may_name_a_position_that_is_still_to_come(record):
    await record.add(*[ONE] * 5)
    async with watching(record, after=6, silence=SHORT) as sightings:
        assert (await take(sightings, 1)) == [Sighting(6)]
        await record.add(*[ONE] * 3)
        assert positions(await take(sightings, 1) + await take(sightings, 1)) == [7, 8]


async def test_who_wants_only_what_is_new_is_told_at_once_where_that_begins(record):
    await record.add(*[ONE] * 5)
    async with watching(record, after=None) as sightings:
        assert await take(sightings, 1) == [Sighting(5)]
        await record.add()
        assert positions(await take(sightings, 1)) == [6]
        assert record.reads == 1  # what was there before is not read


async def test_only_what_is_new_begins_when_what_is_underway_is_over(record):
    await record.add(*[ONE] * 5)
    record.writers = {"somebody"}
    async with watching(record, after=None) as sightings:
        first = asyncio.ensure_future(anext(sightings))
        await until(lambda: record.looks > 2)
        assert not first.done()
        record.writers = frozenset()
        async with asyncio.timeout(10):
            assert await first == Sighting(5)


async def test_nothing_is_told_while_a_writer_may_add_something_before_it(record):
    await record.add()
    record.writers = {"somebody"}
    async with watching(record) as sightings:
        first = asyncio.ensure_future(anext(sightings))
        await until(lambda: record.looks > 3)
        assert not first.done()
        record.writers = {"another"}
        async with asyncio.timeout(10):
            assert (await first).position == 1


async def test_a_watcher_sees_what_it_asked_for(record):
    await record.add(ONE, OTHER, ONE)
    async with watching(record, Filter(tenant_id=OTHER), silence=SHORT) as sightings:
        assert positions(await take(sightings, 1)) == [2]
        await record.add(ONE, OTHER)
        seen = await take(sightings, 1)
        while not seen[-1].event:
            assert seen[-1].position == 3 or seen[-1].position == 5
            seen += await take(sightings, 1)
        assert positions(seen) == [5]


async def test_a_silent_stream_shows_that_it_lives_and_how_far_it_is(record):
    await record.add(ONE, ONE)
    async with watching(record, Filter(tenant_id=OTHER), silence=SHORT) as sightings:
        assert await take(sightings, 2) == [Sighting(2), Sighting(2)]


async def test_what_others_write_does_not_keep_a_stream_silent(record):
    async with watching(record, Filter(tenant_id=OTHER), silence=SHORT) as sightings:
        heard = asyncio.ensure_future(take(sightings, 3))
        while not heard.done():
            await record.add(ONE)
            await asyncio.sleep(0.001)
        assert not positions(await heard)


async def test_who_keeps_up_costs_no_reading_of_its_own(record):
    async with Tail(record, record) as tail:
        streams = [tail.watch(Filter(), after=None, silence=LONG) for _ in range(50)]
        await asyncio.gather(*(anext(stream) for stream in streams))
        await record.add()
        seen = await asyncio.gather(*(anext(stream) for stream in streams))
        assert [one.position for one in seen] == [1] * 50
        assert record.reads == 1
        for stream in streams:
            await stream.aclose()


async def test_who_falls_behind_what_is_kept_reads_the_record(record):
    async with Tail(record, record, kept=3) as tail, aclosing(tail.watch(Filter(), after=None, silence=LONG)) as fast:
        await anext(fast)
        slow = tail.watch(Filter(), after=0, silence=LONG)
        for _ in range(10):
            await record.add()
            await anext(fast)
        assert record.reads == 10
        assert positions(await take(slow, 10)) == list(range(1, 11))
        assert record.reads > 10
        await slow.aclose()


async def test_more_than_a_page_comes_whole(record):
    await record.add(*[ONE] * 1203)
    async with watching(record) as sightings:
        assert positions(await take(sightings, 1203)) == list(range(1, 1204))
        await record.add(*[ONE] * 1203)
        assert positions(await take(sightings, 1203)) == list(range(1204, 2407))


async def test_nothing_is_read_while_nobody_watches(record):
    async with Tail(record, record) as tail:
        async with aclosing(tail.watch(Filter(), after=None, silence=LONG)) as sightings:
            await anext(sightings)
        await record.hint()
        looks = record.looks
        await record.add(*[ONE] * 10)
        await record.hint()
        assert record.looks == looks
        async with aclosing(tail.watch(Filter(), after=4, silence=LONG)) as sightings:
            assert positions(await take(sightings, 6)) == [5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize("failure", [AWAY, Internal("Broken.", reason="UNEXPECTED"), ValueError("broken")])
async def test_a_reader_that_fails_tries_again(record, failure):
    async with watching(record, after=None) as sightings:
        await anext(sightings)
        record.failure = failure
        await record.add()
        looks = record.looks
        await until(lambda: record.looks > looks)
        record.failure = None
        assert positions(await take(sightings, 1)) == [1]


@pytest.mark.parametrize("kind", [Unavailable, Timeout, Exhausted])
async def test_a_watcher_that_reads_back_tries_again(record, kind):
    await record.add(*[ONE] * 3)
    async with Tail(record, record) as tail, aclosing(tail.watch(Filter(), after=None, silence=LONG)) as other:
        await anext(other)
        record.failure = kind("Not now.", reason="DEPENDENCY_UNAVAILABLE")
        behind = tail.watch(Filter(), after=0, silence=LONG)
        first = asyncio.ensure_future(anext(behind))
        await until(lambda: record.reads)
        record.failure = None
        await record.hint()
        async with asyncio.timeout(10):
            assert (await first).position == 1
        await behind.aclose()


async def test_a_watcher_that_reads_what_cannot_be_read_is_told(record):
    await record.add()
    async with Tail(record, record) as tail, aclosing(tail.watch(Filter(), after=None, silence=LONG)) as other:
        await anext(other)
        record.failure = Internal("Broken.", reason="UNEXPECTED")
        with pytest.raises(Internal):
            await anext(tail.watch(Filter(), after=0, silence=LONG))


async def test_a_stream_that_cannot_see_says_so_by_ending(record):
    async with watching(record, after=None, silence=SHORT, blind=SHORT) as sightings:
        await anext(sightings)
        record.failure = AWAY
        await record.add()
        with pytest.raises(Unavailable, match="cannot be read"):
            await take(sightings, 100)


async def test_nobody_is_told_where_to_begin_while_nothing_can_be_seen(record):
    record.failure = AWAY
    async with watching(record, after=None, blind=SHORT) as sightings:
        with pytest.raises(Unavailable, match="cannot be read"):
            await anext(sightings)


async def test_it_is_unhealthy_only_while_somebody_waits_and_nothing_is_seen(record):
    async with Tail(record, record, blind=SHORT) as tail:
        await tail.check()
        async with aclosing(tail.watch(Filter(), after=None, silence=LONG)) as sightings:
            await anext(sightings)
            await tail.check()
            record.failure = AWAY
            await asyncio.sleep(2 * SHORT.total_seconds())
            with pytest.raises(Unavailable):
                await tail.check()
        await tail.check()
