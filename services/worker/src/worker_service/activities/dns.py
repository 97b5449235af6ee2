"""The names by which a tenant is found."""

from __future__ import annotations

import grpc
from temporalio import activity

from chassis.client import streaming
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc
from worker_service.activities.outcomes import verified


class Dns:
    """Calls of the dns service."""

    QUEUE = "dns"

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call over this channel."""
        self._dns = rpc.DnsServiceStub(channel)

    @activity.defn
    async def ensure_record(self, request: pb.EnsureRecordRequest) -> pb.EnsureRecordResponse:
        """Make a record."""
        return await self._dns.EnsureRecord(request)

    @activity.defn
    async def get_record(self, request: pb.GetRecordRequest) -> pb.GetRecordResponse:
        """Read it."""
        return await self._dns.GetRecord(request)

    @activity.defn
    async def list_records(self, request: pb.ListRecordsRequest) -> pb.ListRecordsResponse:
        """Read all of a tenant's."""
        return await self._dns.ListRecords(request)

    @activity.defn
    async def delete_record(self, request: pb.DeleteRecordRequest) -> pb.DeleteRecordResponse:
        """Remove it."""
        return await self._dns.DeleteRecord(request)

    @activity.defn
    async def verify_record(self, request: pb.VerifyRecordRequest) -> pb.VerifyRecordResponse:
        """Wait until the name servers answer it."""
        answer = pb.VerifyRecordResponse()
        async with streaming(self._dns.VerifyRecord(request)) as rounds:
            async for answer in rounds:
                activity.heartbeat(answer.verification.rounds)
        return verified(answer, request.name)
