"""The application of a tenant. A rollout takes minutes: it is followed until it serves."""

from __future__ import annotations

import grpc
from temporalio import activity

from chassis.client import streaming
from tenantmesh.deployments.v1 import deployment_pb2
from tenantmesh.deployments.v1 import deployment_service_pb2 as pb
from tenantmesh.deployments.v1 import deployment_service_pb2_grpc as rpc
from worker_service.activities.outcomes import STANDING, serving


class Deployments:
    """Calls of the deployments service."""

    QUEUE = "deployments"

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call over this channel."""
        self._deployments = rpc.DeploymentServiceStub(channel)

    @activity.defn
    async def ensure_deployment(self, request: pb.EnsureDeploymentRequest) -> pb.EnsureDeploymentResponse:
        """Make a deployment, and wait until it serves. Repeated, it finds the rollout it began."""
        answer = await self._deployments.EnsureDeployment(request)
        if answer.deployment.state not in STANDING and not request.validate_only:
            answer.deployment.CopyFrom(serving(await self._follow(request.tenant_id, request.app)))
        return answer

    @activity.defn
    async def get_deployment(self, request: pb.GetDeploymentRequest) -> pb.GetDeploymentResponse:
        """Read it."""
        return await self._deployments.GetDeployment(request)

    @activity.defn
    async def list_deployments(self, request: pb.ListDeploymentsRequest) -> pb.ListDeploymentsResponse:
        """Read all of a tenant's."""
        return await self._deployments.ListDeployments(request)

    @activity.defn
    async def delete_deployment(self, request: pb.DeleteDeploymentRequest) -> pb.DeleteDeploymentResponse:
        """Remove it, and wait until it is gone."""
        answer = await self._deployments.DeleteDeployment(request)
        if answer.HasField("deployment"):
            await self._until_gone(request.tenant_id, request.app)
        return answer

    async def _follow(self, tenant_id: str, app: str) -> deployment_pb2.Deployment:
        deployment = deployment_pb2.Deployment()
        request = pb.WatchDeploymentRequest(tenant_id=tenant_id, app=app)
        async with streaming(self._deployments.WatchDeployment(request)) as answers:
            async for answer in answers:
                deployment = answer.deployment
                activity.heartbeat(deployment.percent)
        return deployment

    async def _until_gone(self, tenant_id: str, app: str) -> None:
        try:
            await self._follow(tenant_id, app)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.NOT_FOUND:
                raise
