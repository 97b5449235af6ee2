"""The RPCs of the contract: translate, call, translate. Nothing is decided here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from infrastructure_service import translate
from infrastructure_service.service import Stacks
from pagekit import PageTokens, page_size
from tenantmesh.infrastructure.v1 import infrastructure_service_pb2 as pb
from tenantmesh.infrastructure.v1 import infrastructure_service_pb2_grpc as rpc

_PAGE_SIZE = 100
_PAGE_LIMIT = 500

Context = grpc.aio.ServicerContext[Any, Any]


class InfrastructureHandlers(rpc.InfrastructureServiceServicer):
    """InfrastructureService over whichever provider `stacks` stand at."""

    def __init__(self, stacks: Stacks, tokens: PageTokens) -> None:
        self._stacks = stacks
        self._tokens = tokens

    async def EnsureStack(self, request: pb.EnsureStackRequest, context: Context) -> pb.EnsureStackResponse:
        """Make a stack, or confirm that it is so."""
        ensured = await self._stacks.ensure(translate.wish_from(request))
        return pb.EnsureStackResponse(
            stack=translate.stack_to(ensured.stack),
            created=ensured.created,
            run=translate.run_to(ensured.run) if ensured.run else None,
        )

    async def GetStack(self, request: pb.GetStackRequest, context: Context) -> pb.GetStackResponse:
        """Read a stack from its provider."""
        stack = await self._stacks.get(request.name, tenant_id=translate.tenant_from(request))
        return pb.GetStackResponse(stack=translate.stack_to(stack))

    async def ListStacks(self, request: pb.ListStacksRequest, context: Context) -> pb.ListStacksResponse:
        """List what the mesh made."""
        tenant_id = translate.tenant_from(request)
        scope = f"infrastructure.ListStacks|{tenant_id}|{request.operation_id}"
        position = self._tokens.open(request.page_token, scope=scope)
        page = await self._stacks.list(
            tenant_id=tenant_id,
            operation_id=request.operation_id,
            after=str(position[0]) if position else "",
            size=page_size(request.page_size, default=_PAGE_SIZE, limit=_PAGE_LIMIT),
        )
        return pb.ListStacksResponse(
            stacks=map(translate.stack_to, page.stacks),
            next_page_token=self._tokens.sign((page.last,), scope=scope) if page.last else "",
        )

    async def DeleteStack(self, request: pb.DeleteStackRequest, context: Context) -> pb.DeleteStackResponse:
        """Destroy a stack, or confirm that there is none."""
        run = await self._stacks.delete(
            request.name, tenant_id=translate.tenant_from(request), operation_id=request.operation_id
        )
        return pb.DeleteStackResponse(existed=run is not None, run=translate.run_to(run) if run else None)

    async def GetRun(self, request: pb.GetRunRequest, context: Context) -> pb.GetRunResponse:
        """Read a run from its provider."""
        run = await self._stacks.run(request.run_id, tenant_id=translate.tenant_from(request))
        return pb.GetRunResponse(run=translate.run_to(run))

    async def WatchRun(self, request: pb.WatchRunRequest, context: Context) -> AsyncIterator[pb.WatchRunResponse]:
        """Stream how a run goes on."""
        async for run in self._stacks.watch(request.run_id, tenant_id=translate.tenant_from(request)):
            yield pb.WatchRunResponse(run=translate.run_to(run))

    async def ApproveRun(self, request: pb.ApproveRunRequest, context: Context) -> pb.ApproveRunResponse:
        """Let a run do what it planned."""
        run = await self._stacks.approve(request.run_id, request.reason, tenant_id=translate.tenant_from(request))
        return pb.ApproveRunResponse(run=translate.run_to(run))

    async def CancelRun(self, request: pb.CancelRunRequest, context: Context) -> pb.CancelRunResponse:
        """Stop a run before it does more."""
        run = await self._stacks.cancel(request.run_id, request.reason, tenant_id=translate.tenant_from(request))
        return pb.CancelRunResponse(run=translate.run_to(run))
