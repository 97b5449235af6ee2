import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as aio_health
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

import faults
from chassis.interceptors.deadline import deadline
from chassis.interceptors.dispatch import Dispatcher
from chassis.interceptors.errors import errors
from chassis.interceptors.telemetry import observe
from chassis.telemetry import _instruments
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc

NAME = "tenantmesh.dns.v1.DnsService/GetRecord"
PARENT = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def decode(method, proceed):
    async def handle(call):
        call.request = method.decode(call.request)
        return await proceed(call)

    return handle


class Handlers(rpc.DnsServiceServicer):
    """Does what the name in the request says."""

    def __init__(self):
        self.waiting = asyncio.Event()
        self.go = asyncio.Event()
        self.inside = lambda: None

    async def GetRecord(self, request, context):  # noqa: N802 - the contract's name
        self.inside()
        match request.name:
            case "gone":
                raise faults.NotFound("no such record", reason="RECORD_NOT_FOUND")
            case "broken":
                raise ZeroDivisionError
            case "set":
                context.set_code(grpc.StatusCode.ABORTED)
            case "slow":
                self.waiting.set()
                await self.go.wait()
        return pb.GetRecordResponse()

    async def VerifyRecord(self, request, _context):  # noqa: N802 - the contract's name
        yield pb.VerifyRecordResponse()
        if request.name == "slow":
            self.waiting.set()
            await self.go.wait()
        if request.name == "gone":
            raise faults.NotFound("no such record", reason="RECORD_NOT_FOUND")
        yield pb.VerifyRecordResponse()


class World:
    def __init__(self, tracer, traced, default):
        self.telemetry = _instruments(tracer, traced)
        self.handlers = Handlers()
        layers = [observe(self.telemetry), errors("dns.tenantmesh"), deadline(default, default), decode]
        self.dispatcher = Dispatcher(layers)

    def count(self, code, name=NAME):
        labels = {"rpc_method": name, "rpc_response_status_code": code}
        return self.telemetry.registry.get_sample_value("rpc_server_call_duration_seconds_count", labels)

    def active(self, name=NAME):
        return self.telemetry.registry.get_sample_value("rpc_server_active_calls", {"rpc_method": name})


@asynccontextmanager
async def serving(provider, *, traced=lambda _: True, default=timedelta(seconds=10)):
    world, server = World(provider.get_tracer("t"), traced, default), grpc.aio.server()
    rpc.add_DnsServiceServicer_to_server(world.handlers, world.dispatcher)
    health_pb2_grpc.add_HealthServicer_to_server(aio_health.HealthServicer(), world.dispatcher)
    server.add_generic_rpc_handlers((world.dispatcher,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            world.channel, world.stub = channel, rpc.DnsServiceStub(channel)
            yield world
    finally:
        await server.stop(None)


@pytest.fixture
async def world(spans):
    async with serving(spans.provider) as made:
        yield made


def ask(world, name="", **kwargs):
    return world.stub.GetRecord(pb.GetRecordRequest(name=name), **{"timeout": 10, **kwargs})


async def refused(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


async def test_a_call_is_a_span_and_a_measurement(world, spans):
    await ask(world)
    span = await spans.one()
    assert (span.name, span.kind, span.status.status_code) == (NAME, SpanKind.SERVER, StatusCode.UNSET)
    assert span.parent is None
    assert {key: value for key, value in span.attributes.items() if key.startswith("rpc.")} == {
        "rpc.system.name": "grpc",
        "rpc.method": NAME,
        "rpc.response.status_code": "OK",
    }
    assert (world.count("OK"), world.active()) == (1, 0)


async def test_the_caller_s_span_is_the_parent(world, spans):
    await ask(world, metadata=[PARENT, ("tracestate", "vendor=1")])
    span = await spans.one()
    assert f"{span.context.trace_id:032x}" == PARENT[1].split("-")[1]
    assert f"{span.parent.span_id:016x}" == PARENT[1].split("-")[2]
    assert span.context.trace_state["vendor"] == "1"


@pytest.mark.parametrize("nonsense", ["", "nonsense", "00-0-0-00", "ff" * 500])
async def test_a_caller_that_names_no_span_is_a_beginning(world, spans, nonsense):
    await ask(world, metadata=[("traceparent", nonsense)])
    assert (await spans.one()).parent is None


async def test_the_handler_s_own_spans_are_within(world, spans):
    world.handlers.inside = lambda: spans.provider.get_tracer("handler").start_span("inner").end()
    await ask(world)
    inner, outer = await spans.wait(2)
    assert inner.parent.span_id == outer.context.span_id


async def test_a_call_that_is_not_recorded_still_has_ids_for_the_log(spans):
    seen = []
    async with serving(TracerProvider(ALWAYS_OFF, shutdown_on_exit=False)) as world:
        world.handlers.inside = lambda: seen.append(get_current_span().get_span_context())
        await ask(world, metadata=[("traceparent", PARENT[1][:-1] + "0")])
    assert f"{seen[0].trace_id:032x}" == PARENT[1].split("-")[1]
    assert not seen[0].trace_flags.sampled
    assert not spans.ended


@pytest.mark.parametrize("metadata", [[], [("traceparent", PARENT[1][:-1] + "0")]])
async def test_nor_does_it_take_a_span_to_have_them(metadata):
    seen = []
    async with serving(TracerProvider(ParentBased(ALWAYS_OFF), shutdown_on_exit=False)) as world:
        world.handlers.inside = lambda: seen.extend(get_current_span().get_span_context() for _ in range(2))
        await ask(world, metadata=metadata)
    first, second = seen
    assert first is second
    assert first.is_valid
    assert not first.trace_flags.sampled
    assert first.is_remote is bool(metadata)
    assert not metadata or f"{first.trace_id:032x}" == PARENT[1].split("-")[1]


async def test_what_a_caller_has_recorded_is_recorded_here_too():
    seen = []
    async with serving(TracerProvider(ParentBased(ALWAYS_OFF), shutdown_on_exit=False)) as world:
        world.handlers.inside = lambda: seen.append((get_current_span(), get_current_span().is_recording()))
        await ask(world, metadata=[PARENT])
        await ask(world, metadata=[("traceparent", PARENT[1][:-1] + "0"), ("tracestate", "vendor=1")])
    assert [recording for _, recording in seen] == [True, False]
    assert seen[1][0].get_span_context().trace_state["vendor"] == "1"


async def test_what_the_call_is_for_stands_on_the_span(world, spans):
    await ask(world, metadata=[("x-request-id", "r-1"), ("x-tenant-id", "t-1"), ("x-workflow-id", "w-1")])
    attributes = (await spans.one()).attributes
    assert [attributes[f"tenantmesh.{key}"] for key in ("request_id", "tenant_id", "workflow_id")] == [
        "r-1",
        "t-1",
        "w-1",
    ]


async def test_a_refusal_is_the_answer_and_no_failure_of_the_server(world, spans):
    assert await refused(ask(world, "gone")) is grpc.StatusCode.NOT_FOUND
    span = await spans.one()
    assert span.attributes["rpc.response.status_code"] == "NOT_FOUND"
    assert span.attributes["tenantmesh.reason"] == "RECORD_NOT_FOUND"
    assert span.status.status_code is StatusCode.UNSET
    assert not span.events
    assert world.count("NOT_FOUND") == 1


async def test_a_bug_is_a_failure_without_its_details(world, spans):
    assert await refused(ask(world, "broken")) is grpc.StatusCode.INTERNAL
    span = await spans.one()
    assert span.attributes["error.type"] == "INTERNAL"
    assert span.status.status_code is StatusCode.ERROR
    assert not span.events
    assert "ZeroDivisionError" not in span.to_json()


async def test_a_code_the_handler_sets_counts(world, spans):
    assert await refused(ask(world, "set")) is grpc.StatusCode.ABORTED
    assert (await spans.one()).attributes["rpc.response.status_code"] == "ABORTED"


async def test_a_call_whose_deadline_passes_is_late_and_not_fine(world, spans):
    assert await refused(ask(world, "slow", timeout=0.2)) is grpc.StatusCode.DEADLINE_EXCEEDED
    span = await spans.one()
    assert span.attributes["rpc.response.status_code"] == "DEADLINE_EXCEEDED"
    assert span.status.status_code is StatusCode.ERROR
    assert (world.count("DEADLINE_EXCEEDED"), world.active()) == (1, 0)


async def test_so_is_one_that_outlives_the_server_s_own_deadline(spans):
    async with serving(spans.provider, default=timedelta(milliseconds=50)) as world:
        assert await refused(ask(world, "slow", timeout=None)) is grpc.StatusCode.DEADLINE_EXCEEDED
        span = await spans.one()
    assert (span.attributes["rpc.response.status_code"], span.status.status_code) == (
        "DEADLINE_EXCEEDED",
        StatusCode.ERROR,
    )


async def test_a_call_the_caller_cancels_is_cancelled_and_not_fine(world, spans):
    call = ask(world, "slow")
    await world.handlers.waiting.wait()
    assert world.active() == 1
    call.cancel()
    span = await spans.one()
    assert span.attributes["rpc.response.status_code"] == "CANCELLED"
    assert span.status.status_code is StatusCode.UNSET
    assert (world.count("CANCELLED"), world.active()) == (1, 0)


async def test_a_stream_is_covered_to_its_end(world, spans):
    name = "tenantmesh.dns.v1.DnsService/VerifyRecord"
    call = world.stub.VerifyRecord(pb.VerifyRecordRequest(name="slow"), timeout=10)
    await call.read()
    await world.handlers.waiting.wait()
    assert not spans.ended
    assert world.active(name) == 1
    world.handlers.go.set()
    await call.read()
    assert await call.read() is grpc.aio.EOF
    span = await spans.one()
    assert span.attributes["rpc.response.status_code"] == "OK"
    assert (world.count("OK", name), world.active(name)) == (1, 0)


async def test_a_stream_that_fails_half_way_says_so(world, spans):
    call = world.stub.VerifyRecord(pb.VerifyRecordRequest(name="gone"), timeout=10)
    assert await call.read() == pb.VerifyRecordResponse()
    assert await refused(call.read()) is grpc.StatusCode.NOT_FOUND
    span = await spans.one()
    assert span.attributes["rpc.response.status_code"] == "NOT_FOUND"
    assert not span.events


async def test_health_checks_are_neither_traced_nor_counted(world, spans):
    health = health_pb2_grpc.HealthStub(world.channel)
    await health.Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert not spans.ended
    assert "grpc.health" not in world.telemetry.text().decode()


async def test_an_excluded_service_is_counted_and_not_traced(spans):
    async with serving(spans.provider, traced=lambda _: False) as world:
        await ask(world)
    assert world.count("OK") == 1
    assert not spans.ended
