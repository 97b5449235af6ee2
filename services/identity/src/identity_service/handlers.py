"""The RPCs of the contract: translate, call, translate. Nothing is decided here."""

from __future__ import annotations

from typing import Any, NoReturn

import grpc

from identity_service import translate
from identity_service.clients import translate as clients
from identity_service.clients.service import Clients
from identity_service.credentials import translate as credentials
from identity_service.credentials.model import Credential
from identity_service.credentials.service import Staging
from identity_service.model import Tenant
from identity_service.organizations import translate as organizations
from identity_service.organizations.service import Organizations
from identity_service.ports import IdentityProvider
from identity_service.service import Position
from identity_service.users import translate as users
from identity_service.users.service import Users
from pagekit import PageTokens
from tenantmesh.identity.v1 import client_pb2, credential_pb2, organization_pb2, shard_pb2, sso_pb2, user_pb2
from tenantmesh.identity.v1 import identity_service_pb2_grpc as rpc

Context = grpc.aio.ServicerContext[Any, Any]


class IdentityHandlers(rpc.IdentityServiceServicer):
    """IdentityService over whichever provider holds organizations and people."""

    def __init__(
        self,
        provider: IdentityProvider,
        *,
        organizations: Organizations,
        clients: Clients,
        users: Users,
        staging: Staging,
        pages: PageTokens,
    ) -> None:
        self._provider = provider
        self._organizations = organizations
        self._clients = clients
        self._users = users
        self._staging = staging
        self._pages = pages

    async def EnsureOrganization(
        self, request: organization_pb2.EnsureOrganizationRequest, context: Context
    ) -> organization_pb2.EnsureOrganizationResponse:
        """Make a tenant's organization, or confirm that it is so."""
        organization, created = await self._organizations.ensure(
            translate.tenant_from(request),
            organizations.wish_from(request),
            operation_id=request.operation_id,
            validate_only=request.validate_only,
        )
        return organization_pb2.EnsureOrganizationResponse(
            organization=organizations.organization_to(organization), created=created
        )

    async def GetOrganization(
        self, request: organization_pb2.GetOrganizationRequest, context: Context
    ) -> organization_pb2.GetOrganizationResponse:
        """Read an organization."""
        found = await self._organizations.get(translate.tenant_from(request))
        return organization_pb2.GetOrganizationResponse(organization=organizations.organization_to(found))

    async def ListOrganizations(
        self, request: organization_pb2.ListOrganizationsRequest, context: Context
    ) -> organization_pb2.ListOrganizationsResponse:
        """List what the mesh made."""
        tenant_id = request.tenant_id.lower()
        scope = f"identity.ListOrganizations|{tenant_id}|{request.operation_id}"
        wanted = translate.slice_from(request, request.operation_id, self._after(request.page_token, scope))
        page = await self._organizations.list(tenant_id, wanted)
        return organization_pb2.ListOrganizationsResponse(
            organizations=map(organizations.organization_to, page.items), next_page_token=self._next(page.last, scope)
        )

    async def SetOrganizationEnabled(
        self, request: organization_pb2.SetOrganizationEnabledRequest, context: Context
    ) -> organization_pb2.SetOrganizationEnabledResponse:
        """Let people sign in, or refuse them."""
        tenant = translate.tenant_from(request)
        organization, changed, ended = await self._organizations.set_enabled(tenant, enabled=request.enabled)
        return organization_pb2.SetOrganizationEnabledResponse(
            organization=organizations.organization_to(organization), changed=changed, ended_sessions=ended
        )

    async def DeleteOrganization(
        self, request: organization_pb2.DeleteOrganizationRequest, context: Context
    ) -> organization_pb2.DeleteOrganizationResponse:
        """Remove an organization with all that is in it, and what waits for it."""
        tenant = translate.tenant_from(request)
        existed = await self._organizations.delete(tenant, operation_id=request.operation_id)
        await self._staging.forget(tenant.tenant_id, tenant.place)
        return organization_pb2.DeleteOrganizationResponse(existed=existed)

    async def EnsureClient(
        self, request: client_pb2.EnsureClientRequest, context: Context
    ) -> client_pb2.EnsureClientResponse:
        """Make a client, or confirm that it is so."""
        client, created, credential_id = await self._clients.ensure(
            translate.tenant_from(request),
            clients.wish_from(request),
            operation_id=request.operation_id,
            validate_only=request.validate_only,
        )
        return client_pb2.EnsureClientResponse(
            client=clients.client_to(client), created=created, credential_id=credential_id
        )

    async def GetClient(self, request: client_pb2.GetClientRequest, context: Context) -> client_pb2.GetClientResponse:
        """Read a client."""
        found = await self._clients.get(translate.tenant_from(request), request.name)
        return client_pb2.GetClientResponse(client=clients.client_to(found))

    async def ListClients(
        self, request: client_pb2.ListClientsRequest, context: Context
    ) -> client_pb2.ListClientsResponse:
        """List the clients the mesh made."""
        tenant = translate.tenant_from(request) if request.tenant_id else None
        scope = f"identity.ListClients|{_scope(tenant)}|{request.operation_id}"
        wanted = translate.slice_from(request, request.operation_id, self._after(request.page_token, scope))
        page = await self._clients.list(tenant, wanted)
        return client_pb2.ListClientsResponse(
            clients=map(clients.client_to, page.items), next_page_token=self._next(page.last, scope)
        )

    async def RotateClientSecret(
        self, request: client_pb2.RotateClientSecretRequest, context: Context
    ) -> client_pb2.RotateClientSecretResponse:
        """Give a client a new secret."""
        client, credential_id = await self._clients.rotate(
            translate.tenant_from(request),
            request.name,
            request_id=request.request_id,
            overlap=request.overlap.ToTimedelta(),
        )
        return client_pb2.RotateClientSecretResponse(client=clients.client_to(client), credential_id=credential_id)

    async def DeleteClient(
        self, request: client_pb2.DeleteClientRequest, context: Context
    ) -> client_pb2.DeleteClientResponse:
        """Remove a client."""
        tenant = translate.tenant_from(request)
        existed = await self._clients.delete(tenant, request.name, operation_id=request.operation_id)
        return client_pb2.DeleteClientResponse(existed=existed)

    async def EnsureUser(self, request: user_pb2.EnsureUserRequest, context: Context) -> user_pb2.EnsureUserResponse:
        """Make a user, or confirm that there is one."""
        user, created, credential_id = await self._users.ensure(
            translate.tenant_from(request),
            users.wish_from(request),
            operation_id=request.operation_id,
            validate_only=request.validate_only,
        )
        return user_pb2.EnsureUserResponse(user=users.user_to(user), created=created, credential_id=credential_id)

    async def GetUser(self, request: user_pb2.GetUserRequest, context: Context) -> user_pb2.GetUserResponse:
        """Read a user."""
        found = await self._users.get(translate.tenant_from(request), users.who_from(request))
        return user_pb2.GetUserResponse(user=users.user_to(found))

    async def ListUsers(self, request: user_pb2.ListUsersRequest, context: Context) -> user_pb2.ListUsersResponse:
        """List users."""
        tenant = translate.tenant_from(request) if request.tenant_id else None
        scope = f"identity.ListUsers|{_scope(tenant)}|{request.operation_id}"
        wanted = translate.slice_from(request, request.operation_id, self._after(request.page_token, scope))
        page = await self._users.list(tenant, wanted)
        return user_pb2.ListUsersResponse(
            users=map(users.user_to, page.items), next_page_token=self._next(page.last, scope)
        )

    async def VerifyPassword(
        self, request: user_pb2.VerifyPasswordRequest, context: Context
    ) -> user_pb2.VerifyPasswordResponse:
        """Tell whether a password is right."""
        tenant, email = translate.tenant_from(request), users.email_from(request)
        user = await self._users.verify(tenant, email, request.password, request.new_password)
        return user_pb2.VerifyPasswordResponse(user=users.user_to(user))

    async def DeleteUser(self, request: user_pb2.DeleteUserRequest, context: Context) -> user_pb2.DeleteUserResponse:
        """Remove a user."""
        tenant, who = translate.tenant_from(request), users.who_from(request)
        existed = await self._users.delete(tenant, who, operation_id=request.operation_id)
        return user_pb2.DeleteUserResponse(existed=existed)

    async def AssignRole(self, request: user_pb2.AssignRoleRequest, context: Context) -> user_pb2.AssignRoleResponse:
        """Give a user a role."""
        tenant, who = translate.tenant_from(request), users.who_from(request)
        user, created = await self._users.assign(tenant, who, request.role)
        return user_pb2.AssignRoleResponse(user=users.user_to(user), created=created)

    async def RevokeRole(self, request: user_pb2.RevokeRoleRequest, context: Context) -> user_pb2.RevokeRoleResponse:
        """Take a role from a user."""
        tenant, who = translate.tenant_from(request), users.who_from(request)
        return user_pb2.RevokeRoleResponse(existed=await self._users.revoke(tenant, who, request.role))

    async def ConfigureSso(self, request: sso_pb2.ConfigureSsoRequest, context: Context) -> NoReturn:
        """Not built yet."""
        raise translate.not_implemented("Single sign-on")

    async def GetSso(self, request: sso_pb2.GetSsoRequest, context: Context) -> NoReturn:
        """Not built yet."""
        raise translate.not_implemented("Single sign-on")

    async def TestSso(self, request: sso_pb2.TestSsoRequest, context: Context) -> NoReturn:
        """Not built yet."""
        raise translate.not_implemented("Single sign-on")

    async def SetSsoEnabled(self, request: sso_pb2.SetSsoEnabledRequest, context: Context) -> NoReturn:
        """Not built yet."""
        raise translate.not_implemented("Single sign-on")

    async def DeleteSso(self, request: sso_pb2.DeleteSsoRequest, context: Context) -> NoReturn:
        """Not built yet."""
        raise translate.not_implemented("Single sign-on")

    async def StageCredential(
        self, request: credential_pb2.StageCredentialRequest, context: Context
    ) -> credential_pb2.StageCredentialResponse:
        """Keep a secret for one use."""
        kind = credentials.kind_from(request.kind)
        staged = await self._staging.stage(request.tenant_id, request.request_id, kind, request.secret)
        return credential_pb2.StageCredentialResponse(credential=self._credential_to(staged))

    async def GetCredential(
        self, request: credential_pb2.GetCredentialRequest, context: Context
    ) -> credential_pb2.GetCredentialResponse:
        """Tell how a credential stands."""
        found = await self._staging.get(request.tenant_id, request.credential_id)
        return credential_pb2.GetCredentialResponse(credential=self._credential_to(found))

    async def DeleteCredential(
        self, request: credential_pb2.DeleteCredentialRequest, context: Context
    ) -> credential_pb2.DeleteCredentialResponse:
        """Forget a credential."""
        existed = await self._staging.delete(request.tenant_id, request.credential_id)
        return credential_pb2.DeleteCredentialResponse(existed=existed)

    async def IssueCredentialClaim(
        self, request: credential_pb2.IssueCredentialClaimRequest, context: Context
    ) -> credential_pb2.IssueCredentialClaimResponse:
        """Make a claim token."""
        token, until = await self._staging.admit(request.tenant_id, request.credential_id)
        return credential_pb2.IssueCredentialClaimResponse(claim_token=token, expire_time=translate.time_to(until))

    async def ClaimCredential(
        self, request: credential_pb2.ClaimCredentialRequest, context: Context
    ) -> credential_pb2.ClaimCredentialResponse:
        """Hand a credential over, once."""
        return credentials.handover_to(await self._staging.claim(request.claim_token))

    async def ListShards(self, request: shard_pb2.ListShardsRequest, context: Context) -> shard_pb2.ListShardsResponse:
        """List the shards."""
        scope = "identity.ListShards"
        wanted = translate.slice_from(request, "", self._after(request.page_token, scope))
        shards = [one for one in await self._provider.shards() if wanted.after is None or (one.name,) > wanted.after]
        page = sorted(shards, key=lambda one: one.name)[: wanted.size]
        last = (page[-1].name,) if len(page) < len(shards) else None
        return shard_pb2.ListShardsResponse(
            shards=map(translate.shard_to, page), next_page_token=self._next(last, scope)
        )

    def _after(self, token: str, scope: str) -> tuple[object, ...] | None:
        return self._pages.open(token, scope=scope)

    def _next(self, last: Position | None, scope: str) -> str:
        return self._pages.sign(last, scope=scope) if last else ""

    def _credential_to(self, one: Credential) -> credential_pb2.Credential:
        return credentials.credential_to(one, self._staging.now())


def _scope(tenant: Tenant | None) -> str:
    return f"{tenant.tenant_id}|{tenant.place}" if tenant else ""
