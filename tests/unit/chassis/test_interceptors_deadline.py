import asyncio
import time
from datetime import timedelta

import pytest
from tests.fixtures.worlds import refused, serving

from chassis.errors import DOMAIN
from chassis.interceptors.call import Call
from chassis.interceptors.deadline import deadline
from faults import Kind, Timeout

QUICKLY = timedelta(milliseconds=300)
SOON = 0.1  # seconds: what a handler may take to see that nobody waits any more


async def test_a_call_without_a_deadline_gets_one():
    async with serving(default_deadline=QUICKLY) as world:
        world.handlers.answer = world.handlers.wait
        fault = await refused(world.get(timeout=None))
        assert (fault.kind, fault.reason, fault.domain) == (Kind.TIMEOUT, "DEADLINE_EXCEEDED", DOMAIN)
        assert fault.facts == {"method": "/tenantmesh.dns.v1.DnsService/GetRecord"}
        assert world.handlers.cancelled.is_set()


async def test_a_stream_gets_one_of_its_own():
    async with serving(default_deadline=QUICKLY, stream_deadline=3 * QUICKLY) as world:
        world.handlers.answer = world.handlers.wait
        began = time.monotonic()
        call = world.verify(timeout=None)
        await call.read()
        fault = await refused(call.read())
    assert fault.reason == "DEADLINE_EXCEEDED"
    assert time.monotonic() - began > 0.8


async def test_the_caller_s_deadline_counts_where_there_is_one():
    async with serving(default_deadline=QUICKLY) as world:

        async def answer(_request):
            await asyncio.sleep(0.6)
            return await type(world.handlers).answer(world.handlers, None)

        world.handlers.answer = answer
        await world.get(timeout=5)


async def test_a_deadline_that_passes_is_seen_inside_within_a_tenth_of_a_second(world):
    world.handlers.answer = world.handlers.wait
    taken = []
    for _ in range(5):  # the best of a few: others may keep the machine busy
        world.handlers.entered.clear()
        world.handlers.cancelled.clear()
        began = time.monotonic()
        call = asyncio.create_task(refused(world.get(timeout=0.3)))
        await asyncio.wait_for(world.handlers.entered.wait(), 10)
        await asyncio.wait_for(world.handlers.cancelled.wait(), 10)
        assert (await call).reason == "DEADLINE_EXCEEDED"
        taken.append(time.monotonic() - began - 0.3)
    assert min(taken) < SOON


async def test_so_is_a_caller_that_cancels(world):
    world.handlers.answer = world.handlers.wait
    taken = []
    for _ in range(5):
        world.handlers.entered.clear()
        world.handlers.cancelled.clear()
        call = world.get()
        await asyncio.wait_for(world.handlers.entered.wait(), 10)
        began = time.monotonic()
        call.cancel()
        await asyncio.wait_for(world.handlers.cancelled.wait(), 10)
        taken.append(time.monotonic() - began)
    assert min(taken) < SOON


async def test_a_time_out_of_the_handler_s_own_is_not_the_deadline(world):
    async def answer(_request):
        raise TimeoutError

    world.handlers.answer = answer
    assert (await refused(world.get(timeout=None))).reason == "UNEXPECTED"


class Late:
    def time_remaining(self):
        return 0.0


async def test_a_call_that_is_late_already_is_not_begun(method):
    async def proceed(_call):
        pytest.fail("begun")

    handle = deadline(QUICKLY, QUICKLY)(method, proceed)
    facts = type("Facts", (), {"deadline": None})()
    with pytest.raises(Timeout, match="ran out"):
        await handle(Call(method, b"", Late(), {}, facts))
