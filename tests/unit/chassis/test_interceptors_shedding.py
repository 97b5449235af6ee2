import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.fixtures.worlds import refused, serving, until

from chassis.errors import DOMAIN
from chassis.interceptors.shedding import Load
from faults import Exhausted, Kind, Unavailable


async def test_more_calls_than_the_limit_are_refused_and_told_when_to_come_back():
    async with serving(max_concurrent=2) as world:
        world.handlers.answer = world.handlers.wait
        served = [asyncio.ensure_future(world.get()) for _ in range(2)]
        await until(lambda: world.server.load.in_flight == 2)
        fault = await refused(world.get())
        assert (fault.kind, fault.reason, fault.domain) == (Kind.EXHAUSTED, "OVERLOADED", DOMAIN)
        assert fault.facts == {"method": "/tenantmesh.dns.v1.DnsService/GetRecord", "limit": "2"}
        assert timedelta(0) < fault.retry_after < timedelta(seconds=5)
        world.handlers.go.set()
        await asyncio.gather(*served)
        await until(lambda: world.server.load.in_flight == 0)
        await world.get()


async def test_a_call_that_is_cancelled_makes_room():
    async with serving(max_concurrent=1) as world:
        world.handlers.answer = world.handlers.wait
        call = world.get()
        await world.handlers.entered.wait()
        call.cancel()
        await until(lambda: world.server.load.in_flight == 0)
        world.handlers.go.set()
        await world.get()


async def test_health_is_answered_however_full_it_is():
    async with serving(max_concurrent=1) as world:
        world.handlers.answer = world.handlers.wait
        call = asyncio.ensure_future(world.get())
        await world.handlers.entered.wait()
        answer = await health_pb2_grpc.HealthStub(world.channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        world.handlers.go.set()
        await call


async def test_a_process_that_stops_refuses_what_still_arrives(method):
    async def proceed(_call):
        pytest.fail("begun")

    load = Load(10)
    await load.drain(0)
    with pytest.raises(Unavailable) as caught:
        await load.layer(method, proceed)(None)
    assert (caught.value.reason, caught.value.domain) == ("SHUTTING_DOWN", DOMAIN)


async def test_calls_that_outlive_the_grace_are_told_why_they_end():
    async with serving(shutdown_grace=timedelta(milliseconds=100)) as world:
        world.handlers.answer = world.handlers.wait
        call = asyncio.ensure_future(refused(world.get()))
        await world.handlers.entered.wait()
        stopping = asyncio.create_task(world.server.load.drain(0.1))
        fault = await call
        await stopping
    assert (fault.kind, fault.reason, fault.domain) == (Kind.UNAVAILABLE, "SHUTTING_DOWN", DOMAIN)
    assert world.handlers.cancelled.is_set()


@pytest.fixture
def watch(method):
    """A method whose calls end only when somebody ends them."""
    return replace(method, name="WatchRecords", response_streaming=True)


async def test_who_watches_takes_no_room_from_work_and_has_a_limit_of_their_own(method, watch):
    load, go = Load(1), asyncio.Event()
    watching = asyncio.create_task(load.layer(watch, lambda _: go.wait())(None))
    await until(lambda: load.in_flight)
    working = asyncio.create_task(load.layer(method, lambda _: go.wait())(None))
    await until(lambda: load.in_flight == 2)
    for refused_method in (method, watch):
        with pytest.raises(Exhausted):
            await load.layer(refused_method, lambda _: go.wait())(None)
    go.set()
    await asyncio.gather(watching, working)
    assert not load.in_flight


async def test_stopping_ends_watches_at_once_and_waits_for_work(method, watch):
    load, go = Load(10), asyncio.Event()
    watching = asyncio.create_task(load.layer(watch, lambda _: go.wait())(None))
    working = asyncio.create_task(load.layer(method, lambda _: go.wait())(None))
    await until(lambda: load.in_flight == 2)
    stopping = asyncio.create_task(load.drain(60))
    with pytest.raises(Unavailable) as caught:
        await watching
    assert caught.value.reason == "SHUTTING_DOWN"
    assert not working.done()
    go.set()
    await stopping
    assert await working
