import asyncio
import dataclasses
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.testing import ActivityEnvironment

from temporalkit.heartbeats import Progress, heartbeating


class Outbound:
    def __init__(self):
        self.beats = []
        self.beaten = asyncio.Event()

    def heartbeat(self, *details):
        self.beats.append(details)
        self.beaten.set()


@pytest.fixture
def environment():
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, heartbeat_timeout=timedelta(milliseconds=40))
    return environment


async def beats(outbound, number):
    while len(outbound.beats) < number:
        outbound.beaten.clear()
        await outbound.beaten.wait()


async def test_it_beats_while_the_block_runs_and_not_after(environment):
    async def work():
        outbound = Outbound()
        async with heartbeating(Progress(outbound, ()), timedelta(seconds=1)):
            await beats(outbound, 3)
        after = len(outbound.beats)
        await asyncio.sleep(0.05)
        return outbound.beats, after

    done, after = await environment.run(work)
    assert set(done) == {()}
    assert len(done) == after


async def test_what_is_over_soon_never_beats(environment):
    async def work():
        outbound = Outbound()
        async with heartbeating(Progress(outbound, ()), timedelta(seconds=1)):
            pass
        return outbound.beats

    assert await environment.run(work) == []


async def test_it_repeats_what_was_said_last(environment):
    async def work():
        outbound = Outbound()
        progress = Progress(outbound, ("from the attempt before",))
        async with heartbeating(progress, timedelta(seconds=1)):
            await beats(outbound, 1)
            progress.heartbeat("run-7", 3)
            await beats(outbound, 4)
        return outbound.beats

    done = await environment.run(work)
    assert done[0] == ("from the attempt before",)
    assert done[1:4] == [("run-7", 3)] * 3


async def test_without_a_time_out_there_is_no_heartbeat():
    async def work():
        outbound = Outbound()
        before = len(asyncio.all_tasks())
        async with heartbeating(Progress(outbound, ()), timedelta(milliseconds=1)):
            return len(asyncio.all_tasks()) - before

    assert await ActivityEnvironment().run(work) == 0


async def test_an_error_and_a_cancellation_end_it_too(environment):
    async def work():
        outbound = Outbound()
        before = asyncio.all_tasks()
        for error in (ValueError, asyncio.CancelledError):
            with pytest.raises(error):
                async with heartbeating(Progress(outbound, ()), timedelta(seconds=1)):
                    raise error
        return {task for task in asyncio.all_tasks() - before if "temporalkit" in repr(task)}

    assert await environment.run(work) == set()


async def test_the_context_is_an_activity():
    with pytest.raises(RuntimeError, match="Not in activity context"):
        async with heartbeating(Progress(Outbound(), ()), timedelta(seconds=1)):
            pytest.fail("outside of an activity there is nothing to beat for")
    assert activity.in_activity() is False
