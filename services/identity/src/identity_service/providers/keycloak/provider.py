"""Keycloak as an identity provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Self

from faults import Fault
from identity_service.model import Capability, Client, Organization, Shard, Tenant, Tier, User, Who
from identity_service.providers.keycloak import clients, users
from identity_service.providers.keycloak.clients import Clients
from identity_service.providers.keycloak.places import Place
from identity_service.providers.keycloak.pooled import Pooled
from identity_service.providers.keycloak.realms import Realms
from identity_service.providers.keycloak.server import NAME, Server, segment
from identity_service.providers.keycloak.settings import KeycloakSettings
from identity_service.providers.keycloak.shards import Shards
from identity_service.providers.keycloak.users import Users

_ALWAYS = frozenset({Capability.OWN_REALM, Capability.ORGANIZATIONS, Capability.SETTINGS})


class KeycloakProvider:
    """Organizations, clients and people in one or several Keycloaks."""

    name = NAME
    Settings = KeycloakSettings

    def __init__(self, settings: KeycloakSettings) -> None:
        overlap = {Capability.SECRET_OVERLAP} if settings.secret_overlap else set()
        mail = {Capability.MAIL} if settings.mail_host else set()
        self.capabilities: frozenset[Capability] = _ALWAYS | overlap | mail
        self._settings = settings
        self._shards = Shards(settings)
        self._clients = Clients(overlap=settings.secret_overlap)
        self._users = Users()
        self._realms = Realms(settings)
        self._pooled = Pooled(settings, self._clients)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._shards.close()

    async def check(self) -> None:
        """Raise unless every shard answers and knows the service account."""
        await asyncio.gather(*(server.check() for server in self._shards.servers.values()))

    async def find_organization(self, tenant: Tenant) -> Organization | None:
        """The tenant's realm, or its organization in the shared one."""
        return await self._shards.find(self._kind(tenant.tier), tenant)

    async def create_organization(self, wanted: Organization) -> Organization | None:
        """Make it, on `wanted.shard` where that is not empty."""
        kind, tenant = self._kind(wanted.tier), Tenant("", wanted.tenant_key, wanted.tier)
        server = await self._server_for(tenant, wanted.shard)
        if await self._shards.stands_elsewhere(kind, wanted.name, server):
            return None
        made = await kind.create(server, wanted)
        if made:
            self._shards.remember(tenant.place, made)
            self._shards.changed(made.shard, 0 if tenant.shared else 1)
        return made

    async def complete_organization(self, wanted: Organization, seen: Organization) -> Organization:
        """Make it as wanted."""
        return await self._kind(seen.tier).complete(self._shards.named(seen.shard), wanted, seen)

    async def set_enabled(self, home: Organization, *, enabled: bool) -> int:
        """Let its people sign in, or refuse them and end their sessions."""
        return await self._kind(home.tier).set_enabled(self._shards.named(home.shard), home, enabled=enabled)

    async def remove_organization(self, home: Organization) -> None:
        """Remove it with all that the mesh made for it."""
        await self._kind(home.tier).remove(self._shards.named(home.shard), home)
        tenant = Tenant("", home.tenant_key, home.tier)
        self._shards.remember(tenant.place, None)
        self._shards.changed(home.shard, 0 if tenant.shared else -1)

    async def organizations(self) -> AsyncIterator[Organization]:
        """Everything that bears the mesh's stamp."""
        for server in self._shards.servers.values():
            async for one in self._realms.all(server):
                yield one
            async for one in self._pooled.all(server):
                yield one

    async def find_client(self, home: Organization, name: str) -> Client | None:
        """The client of that name within the tenant."""
        return await self._clients.find(self._place(home), name)

    async def create_client(self, home: Organization, wanted: Client, secret: str) -> Client | None:
        """Make it with that secret."""
        return await self._clients.create(self._place(home), wanted, secret)

    async def complete_client(self, home: Organization, wanted: Client, seen: Client) -> Client:
        """Make it as wanted; its secret stays."""
        return await self._clients.complete(self._place(home), wanted, seen)

    async def rotate_secret(self, home: Organization, client: Client, secret: str, overlap: timedelta) -> Client:
        """Give it this secret; the one before works on for as long as `overlap`."""
        return await self._clients.rotate(self._place(home), client, secret, overlap)

    async def remove_client(self, home: Organization, client: Client) -> None:
        """Remove it."""
        await self._clients.remove(self._place(home), client)

    async def clients(self, home: Organization | None) -> AsyncIterator[Client]:
        """What the mesh made in one organization; without one, in the shared realms."""
        if home:
            async for one in self._clients.all(self._place(home)):
                yield one
            return
        for server in self._shards.servers.values():
            async for one in clients.stamped(server, f"/{segment(self._settings.realm)}"):
                yield one

    async def find_user(self, home: Organization, who: Who) -> User | None:
        """The user with the roles."""
        return await self._users.find(self._place(home), who)

    async def create_user(self, home: Organization, wanted: User, password: str) -> User | None:
        """Make the user a member with that password."""
        return await self._users.create(self._place(home), wanted, password)

    async def complete_user(self, home: Organization, wanted: User, seen: User) -> User:
        """Make the names as wanted, and the user a member."""
        return await self._users.complete(self._place(home), wanted, seen)

    async def mail_password_link(self, home: Organization, user: User, client: Client | None) -> User:
        """Have Keycloak mail a link by which to choose a password."""
        return await self._users.mail_password_link(self._place(home), user, client)

    async def remove_user(self, home: Organization, user: User) -> None:
        """Remove the user."""
        await self._users.remove(self._place(home), user)

    async def users(self, home: Organization | None) -> AsyncIterator[User]:
        """All of one organization; without one, those the mesh made in the shared realms."""
        if home:
            async for one in self._users.all(self._place(home)):
                yield one
            return
        for server in self._shards.servers.values():
            async for one in users.stamped(server, self._settings.realm):
                yield one

    async def assign_role(self, home: Organization, user: User, role: str) -> bool:
        """Give the role."""
        return await self._users.assign(self._place(home), user, role)

    async def revoke_role(self, home: Organization, user: User, role: str) -> bool:
        """Take the role."""
        return await self._users.revoke(self._place(home), user, role)

    async def shards(self) -> Sequence[Shard]:
        """Every Keycloak of the settings, as it answers now."""
        return await asyncio.gather(*(self._look(server) for server in self._shards.servers.values()))

    async def _look(self, server: Server) -> Shard:
        seen = Shard(server.name, NAME, capabilities=self.capabilities, realm_limit=self._settings.realm_limit)
        try:
            realms, organizations = await asyncio.gather(self._realms.count(server), self._pooled.count(server))
        except Fault as fault:
            return replace(seen, available=False, detail=fault.message)
        return replace(seen, realm_count=realms, organization_count=organizations)

    async def _server_for(self, tenant: Tenant, wanted: str) -> Server:
        if tenant.shared:
            return self._shards.for_pooled(wanted)
        return await self._shards.for_realm(wanted, self._realms.count)

    def _kind(self, tier: Tier) -> Realms | Pooled:
        return self._pooled if tier is Tier.POOLED else self._realms

    def _place(self, home: Organization) -> Place:
        realm = self._settings.realm if home.tier is Tier.POOLED else home.name
        return Place(self._shards.named(home.shard), realm, home)
