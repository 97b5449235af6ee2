import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from faults import Unavailable
from postgreskit import DatabaseSettings, Listener
from settingskit import Secret

FOREVER = timedelta(minutes=5)
MOMENT = timedelta(milliseconds=20)


class Wakes:
    """Counts what a listener yields."""

    def __init__(self, listener):
        self._task = asyncio.create_task(self._count(listener))
        self._changed = asyncio.Condition()
        self.count = 0

    async def _count(self, listener):
        async for _ in listener.wakeups():
            async with self._changed:
                self.count += 1
                self._changed.notify_all()

    async def reach(self, count):
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: self.count >= count)

    async def stop(self):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def listening(settings, until, **options):
    """A listener that is connected and has said so."""
    async with Listener(settings, "work", **({"every": FOREVER, "debounce": MOMENT} | options)) as listener:
        await until(lambda: connected(listener))
        wakes = Wakes(listener)
        await wakes.reach(1)
        try:
            yield listener, wakes
        finally:
            await wakes.stop()


async def connected(listener):
    try:
        await listener.check()
    except Unavailable:
        return False
    return True


async def test_a_wake_up_reaches_other_processes_and_this_one(settings, until):
    async with listening(settings, until) as (sender, own), listening(settings, until) as (_, other):
        seen = own.count, other.count
        sender.wake()
        await own.reach(seen[0] + 1)
        await other.reach(seen[1] + 1)


async def test_every_reader_of_a_listener_wakes_up(settings, until):
    async with listening(settings, until) as (listener, first):
        second = Wakes(listener)
        await second.reach(1)
        seen = first.count
        listener.wake()
        await first.reach(seen + 1)
        await second.reach(2)
        await second.stop()
        listener.wake()
        await first.reach(seen + 2)


async def test_many_wake_ups_are_few(settings, until, admin):
    async with listening(settings, until, debounce=timedelta(milliseconds=200)) as (listener, wakes):
        seen = wakes.count
        for _ in range(50):
            listener.wake()
            await admin.execute("NOTIFY work")
        await wakes.reach(seen + 1)
        assert wakes.count <= seen + 10, "of a hundred"
        seen = wakes.count
        await admin.execute("NOTIFY work")
        await wakes.reach(seen + 1)


async def test_a_wake_up_that_comes_while_the_reader_is_busy_is_not_lost(settings, until, admin):
    async with Listener(settings, "work", every=FOREVER, debounce=MOMENT) as listener:
        wakeups = listener.wakeups()
        await anext(wakeups)
        await until(lambda: connected(listener))
        await asyncio.wait_for(anext(wakeups), 20)  # the new connection
        await admin.execute("NOTIFY work")
        await asyncio.sleep(0.1)  # busy
        await asyncio.wait_for(anext(wakeups), 20)
        await wakeups.aclose()


async def test_without_wake_ups_one_comes_all_the_same(settings, until):
    async with listening(settings, until, every=MOMENT) as (_, wakes):
        await wakes.reach(wakes.count + 3)


async def test_without_a_connection_one_comes_all_the_same(caplog):
    nobody = DatabaseSettings(url=Secret("postgresql://me:hunter2@127.0.0.1:1/db"))
    async with Listener(nobody, "work", every=MOMENT) as listener:
        wakes = Wakes(listener)
        await wakes.reach(3)
        with pytest.raises(Unavailable) as caught:
            await listener.check()
        await wakes.stop()
    assert caught.value.facts == {"dependency": "listener work"}
    assert "hunter2" not in caplog.text
    assert "no connection" in caplog.text


async def test_a_backend_that_is_terminated_is_replaced_at_once(settings, until, admin):
    async with listening(settings, until) as (listener, wakes):
        seen = wakes.count
        terminate = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'listener work'"
        )
        assert await admin.fetchval(f"{terminate} AND datname = current_database()") == 1
        await wakes.reach(seen + 1)  # something may have been missed
        await until(lambda: connected(listener))
        seen = wakes.count
        await admin.execute("NOTIFY work")
        await wakes.reach(seen + 1)


async def test_a_wake_up_asked_for_while_the_network_is_cut_is_sent_later(settings, until, distant):
    proxy, far = distant
    async with listening(far, until) as (sender, _), listening(settings, until) as (_, wakes):
        await proxy.refuse()
        await until(lambda: disconnected(sender))
        seen = wakes.count
        sender.wake()
        await proxy.heal()
        await wakes.reach(seen + 1)


async def test_a_wake_up_lost_on_its_way_is_sent_again(settings, until, distant, monkeypatch):
    monkeypatch.setattr("postgreskit.listener.ANSWER_PATIENCE", timedelta(milliseconds=200))
    proxy, far = distant
    async with listening(far, until) as (sender, _), listening(settings, until) as (_, wakes):
        seen = wakes.count
        proxy.blackhole = True
        sender.wake()
        await until(lambda: disconnected(sender))
        assert wakes.count == seen
        await proxy.heal()
        await wakes.reach(seen + 1)


async def disconnected(listener):
    return not await connected(listener)


async def test_a_connection_that_went_silent_is_found_out(until, distant, monkeypatch, caplog):
    monkeypatch.setattr("postgreskit.listener.ANSWER_PATIENCE", timedelta(milliseconds=200))
    proxy, far = distant
    async with listening(far, until, every=timedelta(milliseconds=200)) as (listener, _):
        proxy.blackhole = True
        await until(lambda: disconnected(listener))
        await proxy.heal()
        await until(lambda: connected(listener))
    assert "the connection broke" in caplog.text


async def test_it_outlives_a_restart_of_the_server(own_postgres, until):
    settings = DatabaseSettings(url=Secret(own_postgres.dsn))
    async with listening(settings, until) as (listener, wakes):
        await own_postgres.kill()
        await until(lambda: disconnected(listener))
        await own_postgres.start()
        await until(lambda: connected(listener))
        seen = wakes.count
        listener.wake()
        await wakes.reach(seen + 1)


async def test_closing_leaves_no_connection(settings, until, admin):
    async with listening(settings, until):
        pass

    async def gone():
        here = "datname = current_database() AND application_name = 'listener work'"
        return not await admin.fetchval(f"SELECT count(*) FROM pg_stat_activity WHERE {here}")

    await until(gone)
