"""The RPCs of plans: translate, call, translate. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import grpc

from pagekit import PageTokens
from postgreskit import Column, Order, Pages, Transaction
from tenantmesh.tenants.v1 import catalog_service_pb2 as pb
from tenantmesh.tenants.v1 import catalog_service_pb2_grpc as rpc
from tenants_service.plans.service import Catalog
from tenants_service.plans.store import PlanStore, read_page
from tenants_service.plans.translate import changes_from, draft_from, plan_to
from tenants_service.store import Records
from tenants_service.tenants.translate import tier_from

Context = grpc.aio.ServicerContext[Any, Any]

_ORDER: Order = (Column("key"),)


class CatalogHandlers(rpc.CatalogServiceServicer):
    """CatalogService over the records."""

    def __init__(self, records: Records, tokens: PageTokens, *, clock: Callable[[], datetime]) -> None:
        self._records = records
        self._pages = Pages(tokens, "tenants.ListPlans", default=100, limit=500)
        self._clock = clock

    async def CreatePlan(self, request: pb.CreatePlanRequest, context: Context) -> pb.CreatePlanResponse:
        """Make a plan."""
        draft = draft_from(request)

        async def work(tx: Transaction) -> pb.CreatePlanResponse:
            plan_id = await tx.fetchval("SELECT uuidv7()")
            return pb.CreatePlanResponse(plan=plan_to(await self._catalog(tx).create(plan_id, draft)))

        return await self._records.write(request, pb.CreatePlanResponse, work)

    async def GetPlan(self, request: pb.GetPlanRequest, context: Context) -> pb.GetPlanResponse:
        """Read a plan."""
        async with self._records.of_mesh() as tx:
            return pb.GetPlanResponse(plan=plan_to(await PlanStore(tx).read(UUID(request.plan_id))))

    async def ListPlans(self, request: pb.ListPlansRequest, context: Context) -> pb.ListPlansResponse:
        """List plans."""
        page = self._pages.open(
            size=request.page_size,
            token=request.page_token,
            order=_ORDER,
            scope=[str(request.tier), str(request.show_archived)],
        )
        tier = tier_from(request.tier) if request.tier else None
        async with self._records.of_mesh() as tx:
            plans, token = await read_page(tx, page, tier, show_archived=request.show_archived)
        return pb.ListPlansResponse(plans=map(plan_to, plans), next_page_token=token)

    async def UpdatePlan(self, request: pb.UpdatePlanRequest, context: Context) -> pb.UpdatePlanResponse:
        """Change a plan."""
        changes = changes_from(request)

        async def work(tx: Transaction) -> pb.UpdatePlanResponse:
            plan = await self._catalog(tx).update(UUID(request.plan_id), changes, etag=request.etag)
            return pb.UpdatePlanResponse(plan=plan_to(plan))

        return await self._records.write(request, pb.UpdatePlanResponse, work)

    async def ArchivePlan(self, request: pb.ArchivePlanRequest, context: Context) -> pb.ArchivePlanResponse:
        """Take a plan off the catalogue."""

        async def work(tx: Transaction) -> pb.ArchivePlanResponse:
            plan = await self._catalog(tx).archive(UUID(request.plan_id), etag=request.etag)
            return pb.ArchivePlanResponse(plan=plan_to(plan))

        return await self._records.write(request, pb.ArchivePlanResponse, work)

    def _catalog(self, tx: Transaction) -> Catalog:
        return Catalog(PlanStore(tx), now=self._clock())
