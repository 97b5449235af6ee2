"""Where a tenant's people sign in."""

from __future__ import annotations

import grpc
from temporalio import activity

from tenantmesh.identity.v1 import client_pb2 as clients
from tenantmesh.identity.v1 import identity_service_pb2_grpc as rpc
from tenantmesh.identity.v1 import organization_pb2 as organizations
from tenantmesh.identity.v1 import user_pb2 as users


class Identity:
    """Calls of the identity service."""

    QUEUE = "identity"

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call over this channel."""
        self._identity = rpc.IdentityServiceStub(channel)

    @activity.defn
    async def ensure_organization(
        self, request: organizations.EnsureOrganizationRequest
    ) -> organizations.EnsureOrganizationResponse:
        """Make a tenant's organization."""
        return await self._identity.EnsureOrganization(request)

    @activity.defn
    async def get_organization(
        self, request: organizations.GetOrganizationRequest
    ) -> organizations.GetOrganizationResponse:
        """Read it."""
        return await self._identity.GetOrganization(request)

    @activity.defn
    async def enable_organization(
        self, request: organizations.SetOrganizationEnabledRequest
    ) -> organizations.SetOrganizationEnabledResponse:
        """Let its people in, or refuse them."""
        return await self._identity.SetOrganizationEnabled(request)

    @activity.defn
    async def delete_organization(
        self, request: organizations.DeleteOrganizationRequest
    ) -> organizations.DeleteOrganizationResponse:
        """Remove it."""
        return await self._identity.DeleteOrganization(request)

    @activity.defn
    async def ensure_client(self, request: clients.EnsureClientRequest) -> clients.EnsureClientResponse:
        """Make the client of a tenant's application."""
        return await self._identity.EnsureClient(request)

    @activity.defn
    async def get_client(self, request: clients.GetClientRequest) -> clients.GetClientResponse:
        """Read it."""
        return await self._identity.GetClient(request)

    @activity.defn
    async def delete_client(self, request: clients.DeleteClientRequest) -> clients.DeleteClientResponse:
        """Remove it."""
        return await self._identity.DeleteClient(request)

    @activity.defn
    async def ensure_user(self, request: users.EnsureUserRequest) -> users.EnsureUserResponse:
        """Make a user."""
        return await self._identity.EnsureUser(request)

    @activity.defn
    async def get_user(self, request: users.GetUserRequest) -> users.GetUserResponse:
        """Read the user."""
        return await self._identity.GetUser(request)

    @activity.defn
    async def delete_user(self, request: users.DeleteUserRequest) -> users.DeleteUserResponse:
        """Remove the user."""
        return await self._identity.DeleteUser(request)

    @activity.defn
    async def assign_role(self, request: users.AssignRoleRequest) -> users.AssignRoleResponse:
        """Give a user a role."""
        return await self._identity.AssignRole(request)
