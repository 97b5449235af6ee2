"""The RPCs of the contract: translate, call, translate. Nothing is decided here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from deployments_service import translate
from deployments_service.service import Deployments
from pagekit import PageTokens, page_size
from tenantmesh.deployments.v1 import deployment_service_pb2 as pb
from tenantmesh.deployments.v1 import deployment_service_pb2_grpc as rpc

_PAGE_SIZE = 100
_PAGE_LIMIT = 500

Context = grpc.aio.ServicerContext[Any, Any]


class DeploymentHandlers(rpc.DeploymentServiceServicer):
    """DeploymentService over whichever provider `deployments` stand at."""

    def __init__(self, deployments: Deployments, tokens: PageTokens) -> None:
        self._deployments = deployments
        self._tokens = tokens

    async def EnsureDeployment(
        self, request: pb.EnsureDeploymentRequest, context: Context
    ) -> pb.EnsureDeploymentResponse:
        """Make a deployment, or confirm that it is so."""
        deployment, created = await self._deployments.ensure(translate.wish_from(request))
        return pb.EnsureDeploymentResponse(deployment=translate.deployment_to(deployment), created=created)

    async def GetDeployment(self, request: pb.GetDeploymentRequest, context: Context) -> pb.GetDeploymentResponse:
        """Read a deployment from its provider."""
        deployment = await self._deployments.get(translate.tenant_from(request), request.app)
        return pb.GetDeploymentResponse(deployment=translate.deployment_to(deployment))

    async def WatchDeployment(
        self, request: pb.WatchDeploymentRequest, context: Context
    ) -> AsyncIterator[pb.WatchDeploymentResponse]:
        """Stream how a deployment goes on."""
        async for deployment in self._deployments.watch(translate.tenant_from(request), request.app):
            yield pb.WatchDeploymentResponse(deployment=translate.deployment_to(deployment))

    async def ListDeployments(self, request: pb.ListDeploymentsRequest, context: Context) -> pb.ListDeploymentsResponse:
        """List what the mesh made."""
        tenant_id = translate.tenant_from(request)
        scope = f"deployments.ListDeployments|{tenant_id}|{request.operation_id}"
        position = self._tokens.open(request.page_token, scope=scope)
        page = await self._deployments.list(
            tenant_id=tenant_id,
            operation_id=request.operation_id,
            after=(str(position[0]), str(position[1])) if position else None,
            size=page_size(request.page_size, default=_PAGE_SIZE, limit=_PAGE_LIMIT),
        )
        return pb.ListDeploymentsResponse(
            deployments=map(translate.deployment_to, page.deployments),
            next_page_token=self._tokens.sign(page.last, scope=scope) if page.last else "",
        )

    async def RollbackDeployment(
        self, request: pb.RollbackDeploymentRequest, context: Context
    ) -> pb.RollbackDeploymentResponse:
        """Bring back the version that served before a rollout."""
        deployment, rolled_back = await self._deployments.rollback(
            translate.tenant_from(request), request.app, request.rollout_id, request.operation_id
        )
        return pb.RollbackDeploymentResponse(deployment=translate.deployment_to(deployment), rolled_back=rolled_back)

    async def DeleteDeployment(
        self, request: pb.DeleteDeploymentRequest, context: Context
    ) -> pb.DeleteDeploymentResponse:
        """Remove a deployment, or confirm that there is none."""
        existed, going = await self._deployments.delete(
            translate.tenant_from(request), request.app, request.operation_id
        )
        return pb.DeleteDeploymentResponse(
            existed=existed, deployment=translate.deployment_to(going) if going else None
        )

    async def ReportDeployment(
        self, request: pb.ReportDeploymentRequest, context: Context
    ) -> pb.ReportDeploymentResponse:
        """Take a pipeline's signed word on a rollout."""
        signed = translate.signed_from(request, context.invocation_metadata() or ())
        state, changed = await self._deployments.report(signed)
        return pb.ReportDeploymentResponse(state=translate.state_to(state), changed=changed)
