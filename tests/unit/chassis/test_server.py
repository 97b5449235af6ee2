import asyncio
import importlib
import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import timedelta

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.fixtures.worlds import refused, serving

import chassis
from chassis import Mode, OpsSettings, Running, ServerSettings, StartFailed, server
from faults import Kind


def test_public_names_are_there_and_no_others():
    for name in chassis.__all__:
        assert getattr(chassis, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        importlib.import_module("chassis").nothing  # noqa: B018 - reading it is the test


def test_a_process_that_only_calls_loads_no_server():
    code = "import sys, chassis, chassis.client; assert 'chassis.server' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_what_is_not_configured_is_not_loaded():
    code = (
        "import sys, chassis; chassis.serve; chassis.ServerSettings\n"
        "unwanted = 'jwt', 'cryptography', 'opentelemetry.exporter', 'opentelemetry.instrumentation'\n"
        "assert not [name for name in sys.modules if name.startswith(unwanted)]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


async def test_a_call_is_served_and_counted(world):
    await world.get()
    reader, writer = await asyncio.open_connection(*world.server.ops_address.split(":"))
    writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
    numbers = (await reader.read()).decode()
    writer.close()
    assert (
        'rpc_server_call_duration_seconds_count{rpc_method="tenantmesh.dns.v1.DnsService/GetRecord",'
        'rpc_response_status_code="OK"} 1.0' in numbers
    )


async def test_channelz_tells_about_the_server(world):
    await world.get()
    stub = channelz_pb2_grpc.ChannelzStub(world.channel)
    servers = (await stub.GetServers(channelz_pb2.GetServersRequest(), timeout=5)).server
    assert sum(server.data.calls_started for server in servers) >= 1


async def test_several_processes_share_a_port_only_when_told_to():
    async with serving(reuse_port=True) as world:
        port = int(world.server.address.rpartition(":")[2])
        async with serving(reuse_port=True, port=port) as other:
            assert other.server.address == world.server.address
        with pytest.raises(StartFailed, match=f"cannot serve on {world.server.address}"):
            async with serving(port=port):
                pytest.fail("started")


async def test_two_on_one_port_are_refused():
    async with serving() as world:
        with pytest.raises(StartFailed, match="cannot serve on"):
            async with serving(port=int(world.server.address.rpartition(":")[2])):
                pytest.fail("started")


async def test_what_is_up_is_closed_when_the_start_fails():
    events = []

    class Thing:
        name = "postgres"

        async def __aenter__(self):
            events.append("open")

        async def __aexit__(self, *_):
            events.append("close")

        async def check(self):
            pass

    async with serving() as world:
        taken = OpsSettings(port=int(world.server.ops_address.rpartition(":")[2]))
        with pytest.raises(StartFailed, match="OPS_PORT"):
            async with serving(ops=taken, resources=[Thing()]):
                pytest.fail("started")
        port = int(world.server.address.rpartition(":")[2])
        with pytest.raises(StartFailed, match="cannot serve"):
            async with serving(port=port, resources=[Thing()]):
                pytest.fail("started")
    assert events == ["open", "close"]


async def test_a_stop_lets_calls_finish_and_takes_no_new_ones():
    order = []

    class Thing:
        name = "postgres"

        async def __aenter__(self):
            pass

        async def __aexit__(self, *_):
            order.append("closed")

        async def check(self):
            pass

    async def scenario(world, call):
        watch = health_pb2_grpc.HealthStub(world.channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        await world.handlers.entered.wait()
        asyncio.get_running_loop().call_later(0.3, world.handlers.go.set)
        call.add_done_callback(lambda _: order.append("answered"))
        return watch

    async with serving(resources=[Thing()]) as world:
        world.handlers.answer = world.handlers.wait
        call = asyncio.ensure_future(world.get())
        watch = await scenario(world, call)
        draining = asyncio.create_task(world.stop())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert (await refused(world.get(timeout=5))).kind is Kind.UNAVAILABLE
        await call
        fault = await refused(watch.read())
        assert fault.reason == "SHUTTING_DOWN"  # it would otherwise hold up the stop for all of its grace
        await draining
    assert order == ["answered", "closed"]


async def test_what_takes_longer_than_the_grace_is_interrupted():
    async with serving(shutdown_grace=timedelta(milliseconds=200)) as world:
        world.handlers.answer = world.handlers.wait
        call = asyncio.ensure_future(refused(world.get()))
        await world.handlers.entered.wait()
        await asyncio.wait_for(world.stop(), 5)
        assert (await call).reason == "SHUTTING_DOWN"


async def test_an_error_inside_the_block_stops_at_once():
    calls = []

    async def block():
        async with serving(shutdown_grace=timedelta(minutes=1)) as world:
            world.handlers.answer = world.handlers.wait
            calls.append(asyncio.ensure_future(world.get()))
            await world.handlers.entered.wait()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(block(), 10)
    with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
        await calls[0]


async def test_a_server_that_breaks_ends_the_process(monkeypatch):
    broken = asyncio.get_running_loop().create_future()
    broken.set_exception(OSError("out of descriptors"))

    @asynccontextmanager
    async def running(*_, **__):
        yield Running("", "", None, None, broken)

    monkeypatch.setattr(server, "running", running)
    with pytest.raises(RuntimeError, match="ended by itself") as caught:
        await server.serve("dns", servicers=[], settings=ServerSettings(mode=Mode.DEVELOPMENT))
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_process_serves_until_it_is_told_to_stop(capsys):
    task = asyncio.create_task(server.serve("dns", servicers=[], settings=ServerSettings(mode=Mode.DEVELOPMENT)))
    while "serving" not in (said := capsys.readouterr().out):
        assert not task.done()
        await asyncio.sleep(0.02)
    assert json.loads(said.splitlines()[-1])["service"] == "dns"
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 10)
    assert "stopping" in capsys.readouterr().out
