import asyncio
import gc
import time
from contextlib import suppress

import grpc
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode, TraceFlags

from chassis import context
from chassis.client import open_channel, streaming
from chassis.client.calls import Stream, _at_once, identity, patience
from chassis.context import CallContext
from chassis.telemetry import TelemetrySettings, _current, _instruments, observed
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc

GET = "tenantmesh.dns.v1.DnsService/GetRecord"
VERIFY = "tenantmesh.dns.v1.DnsService/VerifyRecord"


class Client:
    """A stub whose calls are traced into `spans` and counted in `telemetry`."""

    def __init__(self, stub, channel, telemetry, address):
        self.stub, self.channel, self.telemetry, self.address = stub, channel, telemetry, address

    def get(self, name="", **kwargs):
        return self.stub.GetRecord(pb.GetRecordRequest(name=name), **kwargs)

    def verify(self, name="", **kwargs):
        return self.stub.VerifyRecord(pb.VerifyRecordRequest(name=name), **kwargs)

    def count(self, code, method=GET):
        labels = {"rpc_method": method, "server_address": self.address, "rpc_response_status_code": code}
        return self.telemetry.registry.get_sample_value("rpc_client_call_duration_seconds_count", labels)

    def active(self, method=GET):
        labels = {"rpc_method": method, "server_address": self.address}
        return self.telemetry.registry.get_sample_value("rpc_client_active_calls", labels)


@pytest.fixture
async def client(server, spans):
    telemetry = _instruments(spans.provider.get_tracer("t"), lambda _: True)
    _current.set(telemetry)
    async with open_channel(server.address) as channel:
        _current.set(None)
        yield Client(rpc.DnsServiceStub(channel), channel, telemetry, server.address)


async def cancelled(server):
    """The server sees the cancel, long before any deadline would bring it."""
    async with asyncio.timeout(20):
        await server.servicer.cancelled.wait()


# ------------------------------------------------------------------------- a cancel reaches the server


async def test_a_cancelled_task_cancels_the_call_in_the_server(server, client):
    task = asyncio.ensure_future(client.get("slow"))
    await server.servicer.waiting.wait()
    task.cancel()
    await cancelled(server)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_it_takes_less_than_100_ms(server, client):
    taken = []
    for _ in range(5):  # the best of a few: others may keep the machine busy
        server.servicer.waiting.clear()
        server.servicer.cancelled.clear()
        call = client.get("slow")
        await server.servicer.waiting.wait()
        began = time.perf_counter()
        call.cancel()
        await cancelled(server)
        taken.append(time.perf_counter() - began)
    assert min(taken) < 0.1


async def test_so_does_a_task_that_waits_for_the_call(server, client):
    async def wait():
        return await client.get("slow")

    task = asyncio.create_task(wait())
    await server.servicer.waiting.wait()
    task.cancel()
    await cancelled(server)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_so_does_a_timeout_around_it(server, client):
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.get("slow"), 0.1)
    await cancelled(server)


async def test_so_does_a_deadline(server, client):
    call = client.get("slow", timeout=0.2)
    with pytest.raises(grpc.aio.AioRpcError):
        await call
    await cancelled(server)


async def test_so_does_a_task_that_reads_a_stream(server, client):
    async def read():
        async for _ in client.verify("slow"):
            pass

    task = asyncio.create_task(read())
    await server.servicer.waiting.wait()
    task.cancel()
    await cancelled(server)
    with pytest.raises(asyncio.CancelledError):
        await task


# ---------------------------------------------------------------------- a stream that is left is ended


async def left_by_break(client, waiting):
    async for _ in client.verify("slow"):
        await waiting.wait()
        break


async def left_by_an_error(client, waiting):
    with suppress(ZeroDivisionError):
        async for _ in client.verify("slow"):
            await waiting.wait()
            raise ZeroDivisionError


async def left_after_reading_by_hand(client, waiting):
    call = client.verify("slow")
    await call.read()
    await waiting.wait()


async def left_in_a_block(client, waiting):
    async with streaming(client.verify("slow")) as answers:
        async for _ in answers:
            await waiting.wait()
            break
        client.held = answers


@pytest.mark.parametrize(
    "leave",
    [left_by_break, left_by_an_error, left_after_reading_by_hand, left_in_a_block],
    ids=lambda leave: leave.__name__,
)
async def test_a_stream_left_half_way_is_cancelled_in_the_server(server, client, spans, leave):
    await leave(client, server.servicer.waiting)
    await cancelled(server)
    span = await spans.one()
    assert (span.name, span.attributes["rpc.response.status_code"]) == (VERIFY, "CANCELLED")
    assert (client.count("CANCELLED", VERIFY), client.active(VERIFY)) == (1, 0)


async def test_a_stream_nobody_reads_is_over_at_once(client, spans):
    client.verify("slow")
    assert (await spans.one()).attributes["rpc.response.status_code"] == "CANCELLED"


async def test_a_stream_collected_in_another_thread_is_cancelled_too(server, client):
    async def leave():
        call = client.verify("slow")
        await call.read()
        cycle = [call]
        cycle.append(cycle)

    gc.disable()
    try:
        await leave()
        await server.servicer.waiting.wait()
        await asyncio.to_thread(gc.collect)
    finally:
        gc.enable()
    await cancelled(server)


async def test_a_stream_that_is_held_goes_on(server, client):
    call = client.verify("slow")
    async for _ in call:
        break
    await server.servicer.waiting.wait()
    gc.collect()
    server.servicer.go.set()
    assert [each async for each in call] == [pb.VerifyRecordResponse()] * 2


async def test_upstream_a_stream_that_is_left_runs_on(server):
    async with grpc.aio.insecure_channel(server.address) as channel:

        async def leave():
            async for _ in rpc.DnsServiceStub(channel).VerifyRecord(pb.VerifyRecordRequest(name="slow")):
                break

        await leave()
        gc.collect()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.servicer.cancelled.wait(), 0.5)


class Undone:
    """A call that is not over."""

    def done(self):
        return False

    def cancel(self):
        raise AssertionError


async def test_a_stream_that_outlives_its_loop_is_quiet():
    async def make():
        return Stream(Undone())

    held = [await asyncio.to_thread(asyncio.run, make())]
    held.clear()


# -------------------------------------------------------------------------------- identity on the wire


async def metadata(server, call):
    await call
    return server.servicer.calls[-1]["metadata"]


async def test_the_work_in_hand_is_handed_on(server, client):
    with context.using(CallContext(request_id="r-1", tenant_id="t-1", workflow_id="w-1")):
        sent = await metadata(server, client.get())
    assert [sent[key] for key in ("x-request-id", "x-tenant-id", "x-workflow-id")] == ["r-1", "t-1", "w-1"]


async def test_a_call_out_of_the_blue_gets_a_request_id_and_nothing_else(server, client):
    first, second = await metadata(server, client.get()), await metadata(server, client.get())
    assert len(first["x-request-id"]) == 32
    assert first["x-request-id"] != second["x-request-id"]
    assert not {"x-tenant-id", "x-workflow-id", "authorization"} & first.keys()


@pytest.mark.parametrize(
    "given", [[("x-request-id", "mine"), ("x-more", "1")], grpc.aio.Metadata(("x-request-id", "mine"), ("x-more", "1"))]
)
async def test_what_the_caller_says_itself_stands(server, client, given):
    with context.using(CallContext(request_id="r-1", tenant_id="t-1")):
        sent = await metadata(server, client.get(metadata=given))
    assert (sent["x-request-id"], sent["x-more"], sent["x-tenant-id"]) == ("mine", "1", "t-1")


def test_a_token_is_sent_unless_the_caller_brings_its_own():
    assert ("authorization", "Bearer abc") in identity(None, None, "abc")
    assert [
        value for key, value in identity([("authorization", "Basic x")], None, "abc") if key == "authorization"
    ] == ["Basic x"]


# ------------------------------------------------------------------------------------------------ time


def test_a_call_gets_what_it_wants_unless_less_is_left():
    assert patience(5, None) == 5
    assert patience(5, CallContext()) == 5
    assert patience(5, CallContext(deadline=time.monotonic() + 60)) == 5
    assert 1.9 < patience(5, CallContext(deadline=time.monotonic() + 2)) <= 1.95


# ----------------------------------------------------------------------------------- spans and numbers


async def test_a_call_is_a_span_and_a_measurement(server, client, spans):
    await client.get()
    span = await spans.one()
    assert (span.name, span.kind, span.status.status_code) == (GET, SpanKind.CLIENT, StatusCode.UNSET)
    assert dict(span.attributes) == {
        "rpc.system.name": "grpc",
        "rpc.method": GET,
        "server.address": server.address,
        "rpc.response.status_code": "OK",
    }
    assert (client.count("OK"), client.active()) == (1, 0)


async def test_the_server_is_told_of_the_span_and_the_span_of_what_it_is_within(server, client, spans):
    with spans.provider.get_tracer("t").start_as_current_span("outer") as outer:
        sent = await metadata(server, client.get())
    span = (await spans.wait(2))[0]
    assert span.parent.span_id == outer.get_span_context().span_id
    assert (
        sent["traceparent"]
        == f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"
    )
    assert span.context.trace_flags.sampled


async def test_a_failure_is_one_to_whoever_called(client, spans):
    with pytest.raises(grpc.aio.AioRpcError):
        await client.get("gone")
    span = await spans.one()
    assert (span.attributes["rpc.response.status_code"], span.attributes["error.type"]) == ("NOT_FOUND", "NOT_FOUND")
    assert span.status.status_code is StatusCode.ERROR
    assert not span.events
    assert client.count("NOT_FOUND") == 1


async def test_a_cancelled_call_ends_its_span(server, client, spans):
    task = asyncio.ensure_future(client.get("slow"))
    await server.servicer.waiting.wait()
    assert client.active() == 1
    task.cancel()
    assert (await spans.one()).attributes["rpc.response.status_code"] == "CANCELLED"
    assert (client.count("CANCELLED"), client.active()) == (1, 0)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_stream_is_covered_to_its_end(client, spans):
    async with asyncio.timeout(5):
        call = client.verify()
        await call.read()
        assert not spans.ended
        assert client.active(VERIFY) == 1
        assert len([each for each in [await call.read(), await call.read()] if each is not grpc.aio.EOF]) == 2
        assert await call.read() is grpc.aio.EOF
    assert (await spans.one()).attributes["rpc.response.status_code"] == "OK"


async def test_a_call_that_cannot_start_ends_its_span(client, spans):
    with pytest.raises(grpc.aio.UsageError):
        client.get(credentials=grpc.access_token_call_credentials("in plain text"))
    assert (await spans.one()).attributes["rpc.response.status_code"] == "INTERNAL"
    assert client.active() == 0


async def test_a_method_that_is_not_traced_is_counted_and_hands_on_nothing(server):
    telemetry = _instruments(TracerProvider(shutdown_on_exit=False).get_tracer("t"), lambda _: False)
    _current.set(telemetry)
    async with open_channel(server.address) as channel:
        _current.set(None)
        client = Client(rpc.DnsServiceStub(channel), channel, telemetry, server.address)
        assert "traceparent" not in await metadata(server, client.get())
        assert client.count("OK") == 1
        with pytest.raises(grpc.aio.UsageError):
            client.get(credentials=grpc.access_token_call_credentials("in plain text"))


async def test_what_is_not_recorded_is_handed_on_all_the_same(server):
    telemetry = _instruments(TracerProvider(ALWAYS_OFF, shutdown_on_exit=False).get_tracer("t"), lambda _: True)
    _current.set(telemetry)
    async with open_channel(server.address) as channel:
        _current.set(None)
        client = Client(rpc.DnsServiceStub(channel), channel, telemetry, server.address)
        flags = (await metadata(server, client.get()))["traceparent"].split("-")[-1]
        assert not TraceFlags(int(flags, 16)).sampled


async def test_a_channel_opened_in_an_observed_process_is_observed(server):
    async with observed(TelemetrySettings(), service="dns") as telemetry, open_channel(server.address) as channel:
        client = Client(rpc.DnsServiceStub(channel), channel, telemetry, server.address)
        await client.get()
        assert client.count("OK") == 1


def test_a_coroutine_that_would_wait_is_not_waited_for():
    async def waits():
        await asyncio.sleep(0)

    assert _at_once(waits(), "otherwise") == "otherwise"
