"""The RPCs of resources: translate, call, translate. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import grpc

from pagekit import PageTokens
from postgreskit import Column, Order, Pages, Transaction
from tenantmesh.tenants.v1 import resource_service_pb2 as pb
from tenantmesh.tenants.v1 import resource_service_pb2_grpc as rpc
from tenants_service.resources.service import ResourceRecords
from tenants_service.resources.store import ResourceStore, read_page
from tenants_service.resources.translate import made_from, resource_to
from tenants_service.store import Records
from tenants_service.tenants.store import TenantStore

Context = grpc.aio.ServicerContext[Any, Any]

_ORDER: Order = (Column("tenant_id"), Column("type"), Column("resource_id"))
_ORDER_OF_TYPE: Order = (Column("tenant_id"), Column("resource_id"))


class ResourceHandlers(rpc.ResourceServiceServicer):
    """ResourceService over the records."""

    def __init__(self, records: Records, tokens: PageTokens, *, clock: Callable[[], datetime]) -> None:
        self._records = records
        self._pages = Pages(tokens, "tenants.ListResources", default=100, limit=500)
        self._clock = clock

    async def RecordResources(self, request: pb.RecordResourcesRequest, context: Context) -> pb.RecordResourcesResponse:
        """Record what an operation has made."""
        made = made_from(request)

        async def work(tx: Transaction) -> pb.RecordResourcesResponse:
            resources, created = await self._resources(tx, request.tenant_id).record(made, request.operation_id)
            return pb.RecordResourcesResponse(resources=map(resource_to, resources), created_count=created)

        return await self._records.write(request, pb.RecordResourcesResponse, work, tenant_id=request.tenant_id)

    async def ListResources(self, request: pb.ListResourcesRequest, context: Context) -> pb.ListResourcesResponse:
        """List what is on record."""
        page = self._pages.open(
            size=request.page_size,
            token=request.page_token,
            order=_ORDER_OF_TYPE if request.type else _ORDER,
            scope=[request.tenant_id, request.type, request.provider, request.operation_id],
        )
        async with self._records.of_one_or_all(request.tenant_id) as tx:
            resources, token = await read_page(
                tx, page, kind=request.type, provider=request.provider, operation_id=request.operation_id
            )
        return pb.ListResourcesResponse(resources=map(resource_to, resources), next_page_token=token)

    async def RemoveResources(self, request: pb.RemoveResourcesRequest, context: Context) -> pb.RemoveResourcesResponse:
        """Remove records of what is gone."""
        identifiers = [UUID(one) for one in request.resource_ids]

        async def work(tx: Transaction) -> pb.RemoveResourcesResponse:
            removed = await self._resources(tx, request.tenant_id).remove(identifiers, request.operation_id)
            return pb.RemoveResourcesResponse(removed_count=removed)

        return await self._records.write(request, pb.RemoveResourcesResponse, work, tenant_id=request.tenant_id)

    def _resources(self, tx: Transaction, tenant_id: str) -> ResourceRecords:
        tenant = UUID(tenant_id)
        return ResourceRecords(tenant, ResourceStore(tx, tenant), TenantStore(tx, self._records), now=self._clock())
