"""What opentelemetry-instrumentation-grpc does wrong, and we therefore do ourselves.

A test that fails here is good news: look whether the part of ours it is about can go.
"""

import asyncio
from contextlib import asynccontextmanager, suppress

import grpc
import pytest
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from opentelemetry.instrumentation.grpc import aio_client_interceptors, aio_server_interceptor
from opentelemetry.trace import StatusCode

from chassis.errors import trailing_metadata
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc


class Handlers(rpc.DnsServiceServicer):
    def __init__(self):
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def _wait(self):
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def GetRecord(self, request, context):  # noqa: N802 - the contract's name
        match request.name:
            case "abort":
                await context.abort(grpc.StatusCode.NOT_FOUND, "gone")
            case "abort_with_status":
                status = Status(code=grpc.StatusCode.NOT_FOUND.value[0], message="gone")
                assert trailing_metadata(status)
                await context.abort_with_status(rpc_status.to_status(status))
            case "slow":
                await self._wait()
        return pb.GetRecordResponse()

    async def VerifyRecord(self, _request, _context):  # noqa: N802 - the contract's name
        for _ in range(10):
            yield pb.VerifyRecordResponse()
        await self._wait()


@asynccontextmanager
async def serving(provider, side):
    handlers = Handlers()
    server = grpc.aio.server(
        interceptors=[aio_server_interceptor(tracer_provider=provider)] if side == "server" else []
    )
    rpc.add_DnsServiceServicer_to_server(handlers, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = grpc.aio.insecure_channel(
        f"127.0.0.1:{port}",
        interceptors=aio_client_interceptors(tracer_provider=provider) if side == "client" else [],
    )
    handlers.stub = rpc.DnsServiceStub(channel)
    try:
        yield handlers
    finally:
        await channel.close()
        await server.stop(None)


@pytest.fixture
async def server_side(spans):
    async with serving(spans.provider, "server") as made:
        yield made


@pytest.fixture
async def client_side(spans):
    async with serving(spans.provider, "client") as made:
        yield made


async def end_of(call):
    with suppress(grpc.aio.AioRpcError):
        await call


async def test_a_deadline_that_passes_is_recorded_as_fine(server_side, spans):
    await end_of(server_side.stub.GetRecord(pb.GetRecordRequest(name="slow"), timeout=0.2))
    span = await spans.one()
    assert span.attributes["rpc.grpc.status_code"] == 0
    assert span.status.status_code is StatusCode.UNSET


async def test_an_abort_is_two_exceptions(server_side, spans):
    await end_of(server_side.stub.GetRecord(pb.GetRecordRequest(name="abort"), timeout=10))
    assert [event.name for event in (await spans.one()).events] == ["exception", "exception"]


async def test_an_abort_with_status_is_recorded_as_fine(server_side, spans):
    await end_of(server_side.stub.GetRecord(pb.GetRecordRequest(name="abort_with_status"), timeout=10))
    assert (await spans.one()).attributes["rpc.grpc.status_code"] == 0


async def test_the_attributes_are_the_deprecated_ones(server_side, spans):
    await end_of(server_side.stub.GetRecord(pb.GetRecordRequest(), timeout=10))
    attributes = (await spans.one()).attributes
    assert "rpc.grpc.status_code" in attributes
    assert "rpc.response.status_code" not in attributes


async def test_a_cancel_does_not_reach_the_server(client_side, spans):
    async def call():
        return await client_side.stub.GetRecord(pb.GetRecordRequest(name="slow"), timeout=1)

    task = asyncio.create_task(call())
    await client_side.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client_side.cancelled.wait(), 0.5)
    await client_side.cancelled.wait()  # by its deadline at last
    assert not spans.ended


async def test_the_span_of_a_stream_left_half_way_does_not_end(client_side, spans):
    call = client_side.stub.VerifyRecord(pb.VerifyRecordRequest(), timeout=1)
    async for _ in call:
        break
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client_side.cancelled.wait(), 0.5)
    assert not spans.ended
    call.cancel()
    await client_side.cancelled.wait()
