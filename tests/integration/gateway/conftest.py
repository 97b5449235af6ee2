"""A gateway, and behind it a service that does what a test tells it to and remembers what it was sent."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest_asyncio
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc
from tenantmesh.dns.v1 import record_pb2

RECORDS = "/tenants/0199aa00-0000-7000-8000-000000000001/dns-records"


@dataclass
class Seen:
    """One call as it reached the service."""

    method: str
    request: Any
    metadata: dict[str, str]
    remaining: float | None


@dataclass
class FakeDns(rpc.DnsServiceServicer):
    """Remembers every call; fails as often as it is told to; waits as long as it is told to."""

    seen: list[Seen] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    wait: float = 0.0

    async def EnsureRecord(self, request, context):  # noqa: N802 - the contract's name
        await self._note("EnsureRecord", request, context)
        return pb.EnsureRecordResponse(record=record_pb2.Record(name=request.name, type=request.type))

    async def GetRecord(self, request, context):  # noqa: N802 - the contract's name
        await self._note("GetRecord", request, context)
        info = error_details_pb2.ErrorInfo(reason="RECORD_NOT_FOUND", domain="dns.tenantmesh", metadata={"name": "a.b"})
        detail = any_pb2.Any()
        detail.Pack(info)
        await context.abort_with_status(
            rpc_status.to_status(status_pb2.Status(code=5, message="no such record", details=[detail]))
        )

    async def ListRecords(self, request, context):  # noqa: N802 - the contract's name
        await self._note("ListRecords", request, context)
        return pb.ListRecordsResponse()

    async def VerifyRecord(self, request, context):  # noqa: N802 - the contract's name
        await self._note("VerifyRecord", request, context)
        for _ in range(3):
            yield pb.VerifyRecordResponse()

    async def _note(self, method, request, context):
        self.seen.append(Seen(method, request, dict(context.invocation_metadata()), context.time_remaining()))
        if self.failures:
            await context.abort(rpc_status.code_to_grpc_status_code(self.failures.pop(0)), "as told")
        await asyncio.sleep(self.wait)


@dataclass
class Front:
    """The gateway from outside, and the service behind it."""

    gateway: Any
    service: FakeDns
    health: health.aio.HealthServicer
    session: aiohttp.ClientSession

    async def call(self, method, path, **options):
        """A JSON call: its status, its parsed body, its headers."""
        async with self.session.request(method, self.gateway.url + path, **options) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None, answer.headers

    @property
    def last(self):
        return self.service.seen[-1]

    def channel(self):
        return aio.insecure_channel(self.gateway.address)


@pytest_asyncio.fixture(scope="session")
async def shared_front(gateway):
    service, server = FakeDns(), aio.server()
    rpc.add_DnsServiceServicer_to_server(service, server)
    healthy = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Front(await gateway({"dns": f"127.0.0.1:{port}"}), service, healthy, session)
    finally:
        await server.stop(0)


@pytest_asyncio.fixture
async def front(shared_front):
    """The front, its service as good as new."""
    service = shared_front.service
    service.seen.clear()
    service.failures.clear()
    service.wait = 0.0
    return shared_front
