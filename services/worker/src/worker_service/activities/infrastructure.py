"""What a tenant's application runs on. A run at the provider takes minutes: it is followed until it ends."""

from __future__ import annotations

import grpc
from temporalio import activity

from chassis.client import streaming
from tenantmesh.infrastructure.v1 import infrastructure_service_pb2 as pb
from tenantmesh.infrastructure.v1 import infrastructure_service_pb2_grpc as rpc
from tenantmesh.infrastructure.v1 import run_pb2
from worker_service.activities.outcomes import applied


class Infrastructure:
    """Calls of the infrastructure service."""

    QUEUE = "infrastructure"

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call over this channel."""
        self._infrastructure = rpc.InfrastructureServiceStub(channel)

    @activity.defn
    async def ensure_stack(self, request: pb.EnsureStackRequest) -> pb.EnsureStackResponse:
        """Make a stack, and wait until it stands. Repeated, it finds the run it began."""
        answer = await self._infrastructure.EnsureStack(request)
        if answer.HasField("run"):
            await self._follow(answer.run)
        return answer

    @activity.defn
    async def get_stack(self, request: pb.GetStackRequest) -> pb.GetStackResponse:
        """Read it."""
        return await self._infrastructure.GetStack(request)

    @activity.defn
    async def list_stacks(self, request: pb.ListStacksRequest) -> pb.ListStacksResponse:
        """Read all of a tenant's."""
        return await self._infrastructure.ListStacks(request)

    @activity.defn
    async def delete_stack(self, request: pb.DeleteStackRequest) -> pb.DeleteStackResponse:
        """Destroy it, and wait until it is gone."""
        answer = await self._infrastructure.DeleteStack(request)
        if answer.HasField("run"):
            await self._follow(answer.run)
        return answer

    async def _follow(self, run: run_pb2.Run) -> None:
        request = pb.WatchRunRequest(tenant_id=run.tenant_id, run_id=run.run_id)
        async with streaming(self._infrastructure.WatchRun(request)) as answers:
            async for answer in answers:
                run = answer.run
                activity.heartbeat(run.run_id)
        applied(run)
