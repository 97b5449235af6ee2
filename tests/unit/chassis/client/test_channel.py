import asyncio
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import grpc
import pytest
from grpc_health.v1 import health_pb2

import faults
from chassis import context
from chassis.client import ClientSettings, faults_raised, open_channel, streaming
from chassis.context import CallContext
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc


def get(channel, name="", **kwargs):
    return rpc.DnsServiceStub(channel).GetRecord(pb.GetRecordRequest(name=name), **kwargs)


def verify(channel, name="", **kwargs):
    return rpc.DnsServiceStub(channel).VerifyRecord(pb.VerifyRecordRequest(name=name), **kwargs)


async def code_of(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


# --------------------------------------------------------------------------------------- kinds of call


async def test_all_four_kinds_work_with_bytes_and_with_stubs(server):
    async with open_channel(server.address) as channel:
        assert await get(channel) == pb.GetRecordResponse()
        assert [each async for each in verify(channel)] == [pb.VerifyRecordResponse()] * 3
        assert await channel.unary_unary("/test.Service/One")(b"a") == b"a"
        assert await channel.stream_unary("/test.Service/ManyIn")(iter([b"a", b"b"])) == b"ab"
        assert [each async for each in channel.stream_stream("/test.Service/Many")(iter([b"a", b"b"]))] == [b"a", b"b"]


async def test_a_stream_can_be_written_and_read_by_hand(server):
    async with open_channel(server.address) as channel:
        call = channel.stream_stream("/test.Service/Many")()
        await call.write(b"a")
        assert await call.read() == b"a"
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK


async def test_a_fault_comes_back_as_it_was_raised(server):
    async with open_channel(server.address) as channel:
        with pytest.raises(faults.NotFound) as caught, faults_raised():
            await get(channel, "gone")
        assert isinstance(caught.value.__cause__, grpc.RpcError)
        with faults_raised():
            await get(channel)


# ------------------------------------------------------------------------------------------------ time


async def remaining(server, call):
    await call
    return server.servicer.calls[-1]["remaining"]


async def test_a_call_always_has_a_timeout_and_the_server_knows_it(server):
    settings = ClientSettings(timeout=timedelta(seconds=7), stream_timeout=timedelta(seconds=70))
    async with open_channel(server.address, settings=settings) as channel:
        assert 5 < await remaining(server, get(channel)) < 7.1
        assert 1 < await remaining(server, get(channel, timeout=3)) < 3.1
        assert [each async for each in verify(channel)]
        assert 60 < server.servicer.calls[-1]["remaining"] < 71


async def test_the_timeout_holds(server):
    async with open_channel(server.address, settings=ClientSettings(timeout=timedelta(milliseconds=100))) as channel:
        assert await code_of(get(channel, "slow")) is grpc.StatusCode.DEADLINE_EXCEEDED
        async with asyncio.timeout(10):
            await server.servicer.cancelled.wait()


@pytest.mark.parametrize("own", [None, 300, 10])
async def test_a_call_takes_no_longer_than_the_call_it_serves(server, own):
    async with open_channel(server.address) as channel:
        with context.using(CallContext(deadline=time.monotonic() + 20)):
            left = await remaining(server, get(channel, timeout=own))
    assert 0 < left < min(own or 300, 20) + 0.1  # gRPC rounds it up on the wire


async def test_a_call_nobody_waits_for_is_not_made(server):
    async with open_channel(server.address) as channel:
        await get(channel)
        late = CallContext(deadline=time.monotonic() + 0.01)
        with context.using(late), pytest.raises(faults.Timeout, match="not made"), faults_raised():
            await get(channel)
        with pytest.raises(faults.Timeout), faults_raised():
            await get(channel, timeout=0)
    assert len(server.servicer.calls) == 1


# ------------------------------------------------------------------------------------------- repeating


async def test_a_call_that_may_be_repeated_is_repeated(server):
    async with open_channel(server.address) as channel:
        await get(channel, "UNAVAILABLE x 2")
    assert [call["metadata"].get("grpc-previous-rpc-attempts") for call in server.servicer.calls] == [None, "1", "2"]
    assert len({call["metadata"]["x-request-id"] for call in server.servicer.calls}) == 1


async def test_so_is_a_stream_that_has_not_begun(server):
    async with open_channel(server.address, settings=ClientSettings(attempts=2)) as channel:
        assert await code_of(get(channel, "UNAVAILABLE x 9")) is grpc.StatusCode.UNAVAILABLE
    assert len(server.servicer.calls) == 2


@pytest.mark.parametrize("code", ["ABORTED", "RESOURCE_EXHAUSTED", "INTERNAL", "DEADLINE_EXCEEDED"])
async def test_another_failure_is_the_answer(server, code):
    async with open_channel(server.address) as channel:
        assert await code_of(get(channel, f"{code} x 9")) is grpc.StatusCode[code]
    assert len(server.servicer.calls) == 1


async def test_what_no_contract_calls_safe_is_not_repeated(server):
    async with open_channel(server.address) as channel:
        assert (
            await code_of(channel.unary_unary("/test.Service/One")(b"UNAVAILABLE x 9")) is grpc.StatusCode.UNAVAILABLE
        )
    assert len(server.servicer.calls) == 1


async def test_a_stub_made_after_the_first_call_is_repeated_too(server):
    async with open_channel(server.address) as channel:
        await channel.unary_unary("/test.Service/One")(b"a")
        await get(channel, "UNAVAILABLE x 2")
    assert len(server.servicer.calls) == 3


async def test_a_target_that_is_down_is_spared(server):
    calls = 60
    async with open_channel(server.address) as channel:
        codes = await asyncio.gather(*(code_of(get(channel, "UNAVAILABLE x 999")) for _ in range(calls)))
    assert set(codes) == {grpc.StatusCode.UNAVAILABLE}
    assert calls <= len(server.servicer.calls) < calls * 3


# ----------------------------------------------------------------------------------------- connections


def peers(server):
    return Counter(call["peer"] for call in server.servicer.calls)


async def test_one_connection_is_the_default(server):
    async with open_channel(server.address) as channel:
        for _ in range(6):
            await get(channel)
    assert list(peers(server).values()) == [6]


async def test_several_connections_share_the_calls_evenly(server):
    async with open_channel(server.address, settings=ClientSettings(connections=3)) as channel:
        stub = rpc.DnsServiceStub(channel)
        for _ in range(6):
            await stub.GetRecord(pb.GetRecordRequest())
            assert [each async for each in stub.VerifyRecord(pb.VerifyRecordRequest())]
    assert sorted(peers(server).values()) == [4, 4, 4]


async def test_two_channels_do_not_share_a_connection(server):
    async with open_channel(server.address) as one, open_channel(server.address) as two:
        await get(one)
        await get(two)
    assert len(peers(server)) == 2


async def eventually(condition):
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - what gRPC does inside gives no event
            await asyncio.sleep(0.02)


async def test_all_addresses_are_used_and_one_that_is_not_serving_is_left(serve):
    one, two = await serve(), await serve()
    target = f"ipv4:{one.address},{two.address}"

    async with open_channel(target) as channel:

        async def spread():
            for _ in range(4):
                await get(channel)
            return one.servicer.calls and two.servicer.calls

        await eventually(spread)
        await one.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)

        async def left():
            one.servicer.calls.clear()
            for _ in range(4):
                await get(channel)
            return not one.servicer.calls

        await eventually(left)
        await one.health.set("", health_pb2.HealthCheckResponse.SERVING)

        async def back():
            await get(channel)
            return one.servicer.calls

        await eventually(back)


async def test_a_target_that_is_not_serving_at_all_is_unavailable(server):
    await server.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    async with open_channel(server.address, settings=ClientSettings(attempts=1)) as channel:
        assert await code_of(get(channel)) is grpc.StatusCode.UNAVAILABLE
    assert not server.servicer.calls


async def test_a_target_without_health_checks_is_taken_as_it_is(serve):
    server = await serve(health=False)
    async with open_channel(server.address) as channel:
        await get(channel)


# ----------------------------------------------------------------------------------- getting connected


async def test_without_a_server_a_call_fails_at_once(tmp_path):
    async with open_channel(f"unix:{tmp_path}/socket", settings=ClientSettings(attempts=1)) as channel:
        began = time.monotonic()
        assert await code_of(get(channel)) is grpc.StatusCode.UNAVAILABLE
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("settings", [None, ClientSettings(wait_for_ready=True)])
async def test_a_call_may_wait_for_its_server(serve, tmp_path, settings):
    target = f"unix:{tmp_path}/socket"
    async with open_channel(target, settings=settings) as channel:
        call = get(channel) if settings else get(channel, wait_for_ready=True)
        await asyncio.sleep(0.05)
        await serve(target)
        assert await call == pb.GetRecordResponse()


async def test_waiting_for_a_server_ends_with_the_timeout(tmp_path):
    settings = ClientSettings(wait_for_ready=True)
    async with open_channel(f"unix:{tmp_path}/socket", settings=settings) as channel:
        assert await code_of(get(channel, timeout=0.1)) is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_message_over_the_limit_is_refused(server):
    async with open_channel(server.address, settings=ClientSettings(max_message_bytes=1024)) as channel:
        one = channel.unary_unary("/test.Service/One")
        assert await one(b"x" * 1000) == b"x" * 1000
        assert await code_of(one(b"x" * 2000)) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_the_state_of_the_connection_can_be_asked_and_waited_for(server):
    async with open_channel(server.address, settings=ClientSettings(connections=2)) as channel:
        assert channel.get_state() is grpc.ChannelConnectivity.IDLE
        await channel.channel_ready()
        assert channel.get_state() is grpc.ChannelConnectivity.READY
        changed = asyncio.create_task(channel.wait_for_state_change(grpc.ChannelConnectivity.READY))
        await server.grpc.stop(None)
        async with asyncio.timeout(10):
            await changed


# --------------------------------------------------------------------------------------------- the end


async def test_leaving_the_block_cancels_what_is_on_its_way(server):
    async with open_channel(server.address) as channel:
        call = get(channel, "slow")
        await server.servicer.waiting.wait()
    with pytest.raises(asyncio.CancelledError):
        await call
    async with asyncio.timeout(10):
        await server.servicer.cancelled.wait()


async def test_a_closed_channel_refuses_calls(server):
    async with open_channel(server.address) as channel:
        stub = rpc.DnsServiceStub(channel)
        await stub.GetRecord(pb.GetRecordRequest())
    with pytest.raises(grpc.aio.UsageError, match="closed"):
        stub.GetRecord(pb.GetRecordRequest())


async def test_closing_may_wait_for_calls(server):
    async with open_channel(server.address) as channel, channel as same:
        assert same is channel
        call = get(channel, "slow")
        await server.servicer.waiting.wait()
        closing = asyncio.create_task(channel.close(5))
        await asyncio.sleep(0.05)
        server.servicer.go.set()
        assert await call == pb.GetRecordResponse()
        await closing


async def test_a_channel_nobody_used_closes(server):
    async with open_channel(server.address):
        pass


async def test_a_call_over_replaced_connections_goes_on(server):
    async with open_channel(server.address) as channel:
        slow = get(channel, "slow")
        await server.servicer.waiting.wait()
        assert await channel.unary_unary("/test.Service/One")(b"a") == b"a"  # a new method: a new connection
        server.servicer.go.set()
        assert await slow == pb.GetRecordResponse()
    assert len(peers(server)) == 2


async def test_replaced_connections_are_closed_with_their_last_call(server):
    async with open_channel(server.address) as channel:
        slow = get(channel, "slow")
        await server.servicer.waiting.wait()
        (old,) = channel._connections.now().channels
        assert await channel.unary_unary("/test.Service/One")(b"a") == b"a"
        assert old.get_state() is grpc.ChannelConnectivity.READY
        server.servicer.go.set()
        await slow

        async def closed():
            with suppress(grpc.aio.UsageError):
                return old.get_state() is grpc.ChannelConnectivity.SHUTDOWN
            return True

        await eventually(closed)
        assert not channel._connections._retired


async def test_one_over_replaced_connections_is_cancelled_at_the_end_too(server):
    async with open_channel(server.address) as channel:
        slow = get(channel, "slow")
        await server.servicer.waiting.wait()
        await channel.unary_unary("/test.Service/One")(b"a")
    with pytest.raises(asyncio.CancelledError):
        await slow


async def test_a_stream_read_in_a_block_ends_with_it(server):
    async with open_channel(server.address) as channel:
        async with streaming(verify(channel, "slow")) as answers:
            async for _ in answers:
                await server.servicer.waiting.wait()
                break
        async with asyncio.timeout(10):
            await server.servicer.cancelled.wait()
        assert answers.cancelled()
