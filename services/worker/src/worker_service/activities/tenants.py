"""The records of tenants."""

from __future__ import annotations

import grpc
from temporalio import activity

from tenantmesh.tenants.v1 import resource_service_pb2 as resources
from tenantmesh.tenants.v1 import resource_service_pb2_grpc as resources_rpc
from tenantmesh.tenants.v1 import tenant_service_pb2 as pb
from tenantmesh.tenants.v1 import tenant_service_pb2_grpc as rpc


class Tenants:
    """Calls of the tenants service."""

    QUEUE = "tenants"

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call over this channel."""
        self._tenants = rpc.TenantServiceStub(channel)
        self._resources = resources_rpc.ResourceServiceStub(channel)

    @activity.defn
    async def get_tenant(self, request: pb.GetTenantRequest) -> pb.GetTenantResponse:
        """Read a tenant."""
        return await self._tenants.GetTenant(request)

    @activity.defn
    async def transition_tenant(self, request: pb.TransitionTenantRequest) -> pb.TransitionTenantResponse:
        """Take a tenant to another state."""
        return await self._tenants.TransitionTenant(request)

    @activity.defn
    async def record_resources(self, request: resources.RecordResourcesRequest) -> resources.RecordResourcesResponse:
        """Note what was made."""
        return await self._resources.RecordResources(request)

    @activity.defn
    async def list_resources(self, request: resources.ListResourcesRequest) -> resources.ListResourcesResponse:
        """Read what is on record."""
        return await self._resources.ListResources(request)

    @activity.defn
    async def remove_resources(self, request: resources.RemoveResourcesRequest) -> resources.RemoveResourcesResponse:
        """Forget what was noted."""
        return await self._resources.RemoveResources(request)
