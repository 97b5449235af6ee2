import asyncio
import re
from contextlib import AsyncExitStack

import grpc
import pytest
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio as aio_health

from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc


class Servicer(rpc.DnsServiceServicer):
    """Does what the name in the request says, and remembers every call."""

    def __init__(self):
        self.calls = []
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.go = asyncio.Event()

    async def GetRecord(self, request, context):  # noqa: N802 - the contract's name
        self._note(context)
        await self._obey(request.name, context)
        return pb.GetRecordResponse()

    async def VerifyRecord(self, request, context):  # noqa: N802 - the contract's name
        self._note(context)
        for _ in range(3):
            yield pb.VerifyRecordResponse()
        await self._obey(request.name, context)

    def _note(self, context):
        self.calls.append(
            {
                "metadata": dict(context.invocation_metadata()),
                "remaining": context.time_remaining(),
                "peer": context.peer(),
            }
        )

    async def _obey(self, name, context):
        if name == "slow":
            await self.wait()
        elif name == "gone":
            await context.abort(grpc.StatusCode.NOT_FOUND, "gone")
        elif (told := re.fullmatch(r"(\w+) x (\d+)", name)) and len(self.calls) <= int(told[2]):
            await context.abort(grpc.StatusCode[told[1]], "as told")  # "UNAVAILABLE x 2": so often, then well

    async def wait(self):
        self.waiting.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


class Generic:
    """The four kinds of method, by no contract."""

    def __init__(self, servicer):
        self._servicer = servicer

    async def one(self, request, context):
        self._servicer._note(context)
        await self._servicer._obey(request.decode(), context)
        return request

    async def many_in(self, requests, context):
        self._servicer._note(context)
        return b"".join([each async for each in requests])

    async def many(self, requests, context):
        self._servicer._note(context)
        async for each in requests:
            yield each
            if each == b"slow":
                await self._servicer.wait()

    def handler(self):
        methods = {
            "One": grpc.unary_unary_rpc_method_handler(self.one),
            "ManyIn": grpc.stream_unary_rpc_method_handler(self.many_in),
            "Many": grpc.stream_stream_rpc_method_handler(self.many),
        }
        return grpc.method_handlers_generic_handler("test.Service", methods)


class Server:
    """A server that runs until the test ends, or is stopped."""

    def __init__(self, grpc_server, address, servicer, health):
        self.grpc, self.address, self.servicer, self.health = grpc_server, address, servicer, health


async def started(address="127.0.0.1:0", *, credentials=None, options=(), health=True):
    server, servicer, health_servicer = grpc.aio.server(options=options), Servicer(), aio_health.HealthServicer()
    rpc.add_DnsServiceServicer_to_server(servicer, server)
    server.add_generic_rpc_handlers([Generic(servicer).handler()])
    if health:
        health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    await server.start()
    where = address if address.startswith("unix:") else f"127.0.0.1:{port}"
    return Server(server, where, servicer, health_servicer)


@pytest.fixture
async def serve():
    """Starts servers; each is stopped when the test is over."""
    async with AsyncExitStack() as stack:

        async def serve_one(*args, **kwargs):
            server = await started(*args, **kwargs)
            stack.push_async_callback(server.grpc.stop, None)
            return server

        yield serve_one


@pytest.fixture
async def server(serve):
    return await serve()
