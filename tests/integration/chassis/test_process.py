"""The chassis as a process: signals, exit codes, and what is printed."""

import asyncio
import json
import signal

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.fixtures.worlds import TENANT, connected, pb, rpc

pytestmark = pytest.mark.chaos


async def up(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=30)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def ended(started):
    output, errors = await asyncio.to_thread(started.communicate, timeout=30)
    lines = [json.loads(line) for line in output.splitlines()]
    return started.returncode, lines, errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_a_call_finish_and_the_process_ends_well(process, number):
    with process() as (started, address):
        async with connected(address) as channel:
            await up(channel)
            slow = asyncio.ensure_future(slowly(channel))
            await until_served(channel)
            started.send_signal(number)
            assert await slow is not None
        code, lines, errors = await ended(started)
    assert (code, errors) == (0, "")
    messages = [line["message"] for line in lines]
    assert [each for each in messages if each != "call ended"] == ["dependency is usable", "serving", "stopping"]
    assert {"method": "/tenantmesh.dns.v1.DnsService/GetRecord", "code": "OK"}.items() <= lines[-1].items()
    assert {line["service"] for line in lines} == {"dns"}


async def test_a_second_signal_ends_it_at_once(process):
    with process(SHUTDOWN_GRACE="60s") as (started, address):
        async with connected(address) as channel:
            await up(channel)
            slow = asyncio.ensure_future(slowly(channel, "forever"))
            await until_served(channel)
            started.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.2)
            assert started.poll() is None
            started.send_signal(signal.SIGTERM)
            code, _, errors = await ended(started)
            with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
                await slow
    assert (code, errors) == (1, "stopped at once\n")


async def test_a_signal_while_it_starts_ends_it(process):
    with process(EXAMPLE_OPENS="slowly") as (started, _):
        assert "opening" in await asyncio.to_thread(started.stdout.readline)
        started.send_signal(signal.SIGTERM)
        code, _, errors = await ended(started)
    assert (code, errors) == (1, "stopped at once\n")


async def test_wrong_settings_end_it_with_a_list(process):
    with process(MESH_MODE="production", RPC_PORT="http") as (started, _):
        code, lines, errors = await ended(started)
    assert (code, lines) == (2, [])
    assert errors == "these settings are wrong:\n  RPC_PORT: must be a whole number\n"


async def test_a_dependency_that_does_not_open_ends_it_with_a_sentence(process):
    with process(EXAMPLE_OPENS="not") as (started, _):
        code, lines, errors = await ended(started)
    assert (code, lines, errors) == (1, [], "example does not open: no such host\n")


def slowly(channel, name="slow"):
    request = pb.GetRecordRequest(tenant_id=TENANT, name=name, type=1)
    return rpc.DnsServiceStub(channel).GetRecord(request, timeout=30)


async def until_served(channel):
    """Return once a slow call is in flight: the process says how many there are."""
    async with asyncio.timeout(10):
        while (await slowly(channel, "how many")).record.name == "0":  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.01)
