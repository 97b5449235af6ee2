"""Auth0: an organization for each tenant, with applications that only its members can sign in to.

Every tenant of the mesh is an organization of one Auth0 tenant, whatever its tier; people are in one database
connection. An application's id is Auth0's own, so the organization's metadata remembers it: `making` stands there
first, so that one which was left half made is found and made anew.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self
from weakref import WeakValueDictionary

from auth0.management.client import AsyncAuth0
from auth0.management.core.api_error import ApiError

from faults import Fault
from identity_service.model import (
    Capability,
    Client,
    ClientType,
    Organization,
    Shard,
    Tenant,
    Tier,
    User,
    Who,
    incapable,
    organization_not_found,
)
from identity_service.providers import refusals
from identity_service.providers.auth0 import records
from identity_service.providers.auth0.api import NAME, connected, is_missing, is_taken, translated
from identity_service.providers.auth0.lookups import PAGE, Lookups
from identity_service.providers.auth0.settings import Auth0Settings

_INVITATION: Final = int(timedelta(days=7).total_seconds())


class Auth0Provider:
    """A provider on Auth0's Management API."""

    name = NAME
    capabilities = frozenset({Capability.ORGANIZATIONS, Capability.MAIL})
    Settings = Auth0Settings

    def __init__(self, settings: Auth0Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._opened: AsyncAuth0 | None = None
        # Metadata is written whole, so whoever changes an organization's waits for who does so already.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        self._opened = await self._stack.enter_async_context(connected(self._settings))
        self._look = Lookups(self._opened, self._settings)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened = None
        await self._stack.aclose()

    async def check(self) -> None:
        """Raise a fault unless it answers, and knows us."""
        with translated():
            await self._api.organizations.list(take=1)

    async def find_organization(self, tenant: Tenant) -> Organization | None:
        """The organization of the tenant's name."""
        with translated():
            try:
                found = await self._api.organizations.get_by_name(records.organization_name(tenant))
            except ApiError as error:
                if is_missing(error):
                    return None
                raise
        return records.organization_in(found, tenant, self._issuer)

    async def create_organization(self, wanted: Organization) -> Organization | None:
        """Make it, with the connection its people are in."""
        if wanted.shard not in {"", NAME}:
            raise refusals.shard_unknown(wanted.shard)
        tenant = Tenant("", wanted.tenant_key, wanted.tier)
        with translated():
            connection: Any = {"connection_id": await self._look.connection(), "assign_membership_on_login": False}
            try:
                made = await self._api.organizations.create(
                    name=records.organization_name(tenant),
                    display_name=wanted.display_name,
                    metadata=records.organization_metadata(wanted, {}),
                    enabled_connections=[connection],
                )
            except ApiError as error:
                if is_taken(error):
                    return None
                raise
        return records.organization_in(made, tenant, self._issuer)

    async def complete_organization(self, wanted: Organization, seen: Organization) -> Organization:
        """Make it as wanted; it is made in one call, so nothing of it can be missing."""
        if seen.says(wanted):
            return seen
        return await self._written(replace(wanted, enabled=seen.enabled, provider_id=seen.provider_id))

    async def set_enabled(self, home: Organization, *, enabled: bool) -> int:
        """Give or take the connection by which its people sign in; end their sessions."""
        await self._written(replace(home, enabled=enabled, update_time=datetime.now(UTC)))
        with translated():
            connections = self._api.organizations.enabled_connections
            connection_id = await self._look.connection()
            try:
                if not enabled:
                    await connections.delete(home.provider_id, connection_id)
                    return await self._look.end_sessions(home)
                await connections.add(home.provider_id, connection_id=connection_id, assign_membership_on_login=False)
            except ApiError as error:
                if not is_taken(error):
                    raise
        return 0

    async def remove_organization(self, home: Organization) -> None:
        """Remove its applications and the people the mesh made for it, and then itself."""
        with translated():
            found = await self._look.organization(home)
            if found is None:
                return
            await self._look.remove_clients(home, records.clients_of(found.metadata or {}))
            async for member in self._look.members(home):
                if member is not None:
                    await self._look.remove_member(home, member)
            await self._api.organizations.delete(home.provider_id)

    async def organizations(self) -> AsyncIterator[Organization]:
        """Everything that bears the mesh's stamp."""
        with translated():
            async for found in await self._api.organizations.list(take=PAGE):
                one = records.organization_in(found, None, self._issuer)
                if one is not None:
                    yield one

    async def find_client(self, home: Organization, name: str) -> Client | None:
        """The application the organization knows under that name, if it is whole."""
        with translated():
            found = await self._look.organization(home)
            client_id = records.clients_of(found.metadata or {}).get(name) if found else None
            if client_id in {None, records.MAKING}:
                return None
            client = await self._look.client(client_id or "")
        return records.client_in(client, self._settings.callback_path) if client else None

    async def create_client(self, home: Organization, wanted: Client, secret: str) -> Client | None:
        """Make it, with the secret; what an interrupted call left half made goes first: nobody has its secret."""
        with translated():
            async with self._turn(home):
                found = await self._look.organization(home)
                if found is None:
                    raise organization_not_found(home.name, NAME)
                known = records.clients_of(found.metadata or {}).get(wanted.name)
                if known not in {None, records.MAKING} and await self._look.client(known or ""):
                    return None
                if known == records.MAKING:
                    await self._look.remove_leftovers(home, wanted.name)
                await self._note_client(found, wanted.name, records.MAKING)
                made = await self._made_client(home, wanted, secret)
                await self._note_client(found, wanted.name, made.client_id)
        return made

    async def complete_client(self, home: Organization, wanted: Client, seen: Client) -> Client:
        """Make it as wanted."""
        if seen.says(wanted):
            return seen
        with translated():
            body = records.client_body(wanted, home, self._settings.callback_path)
            changed = await self._api.clients.update(seen.provider_id, **body)
        return records.client_in(changed, self._settings.callback_path) or seen

    async def rotate_secret(self, home: Organization, client: Client, secret: str, overlap: timedelta) -> Client:
        """Give it the secret. The one before ends at once: Auth0 keeps one."""
        del overlap
        with translated():
            found = await self._look.client(client.provider_id)
            if found is not None and found.client_secret == secret:
                return client
            now = datetime.now(UTC)
            rotated = replace(client, secret_create_time=now, update_time=now)
            body = records.client_body(rotated, home, self._settings.callback_path)
            metadata = body["client_metadata"]
            await self._api.clients.update(client.provider_id, client_secret=secret, client_metadata=metadata)
        return rotated

    async def remove_client(self, home: Organization, client: Client) -> None:
        """Remove it, and what the organization knows of it."""
        with translated():
            async with self._turn(home):
                found = await self._look.organization(home)
                if found is not None:
                    await self._look.remove_clients(home, {client.name: client.provider_id})
                    await self._note_client(found, client.name, "")

    async def clients(self, home: Organization | None) -> AsyncIterator[Client]:
        """What the mesh made for one organization, or for all pooled ones."""
        with translated():
            async for found in await self._api.clients.list(per_page=PAGE):
                one = records.client_in(found, self._settings.callback_path)
                place, tier = records.client_home(found)
                if one and (place == home.provider_id if home else tier == Tier.POOLED.value):
                    yield one

    async def find_user(self, home: Organization, who: Who) -> User | None:
        """The user with the roles in this organization; also one of another tenant."""
        with translated():
            found = await self._look.user(who)
            if found is None:
                return None
            return records.user_in(found, await self._look.roles(home, found.user_id))

    async def create_user(self, home: Organization, wanted: User, password: str) -> User | None:
        """Make the user in the connection, and a member."""
        with translated(home):
            await self._api.organizations.get(home.provider_id)  # else somebody would be made who can be no member
            try:
                made = await self._api.users.create(
                    connection=self._settings.connection,
                    email=wanted.email,
                    # Auth0 wants a password of everybody; nobody knows this one, and the mail leads to another.
                    password=password or f"Aa1-{secrets.token_urlsafe(32)}",
                    verify_email=False,
                    app_metadata=records.user_metadata(wanted, home.tier),
                    **_person(wanted),
                )
            except ApiError as error:
                if is_taken(error):
                    return None
                raise
            await self._api.organizations.members.create(home.provider_id, members=[made.user_id or ""])
        return records.user_in(made)

    async def complete_user(self, home: Organization, wanted: User, seen: User) -> User:
        """Make the names as wanted, and the user a member: who is one already stays one."""
        with translated(home):
            await self._api.organizations.members.create(home.provider_id, members=[seen.user_id])
            if seen.says(wanted):
                return seen
            metadata = records.user_metadata(wanted, home.tier)
            changed = await self._api.users.update(seen.user_id, app_metadata=metadata, **_person(wanted))
        return records.user_in(changed, seen.roles)

    async def mail_password_link(self, home: Organization, user: User, client: Client | None) -> User:
        """Have Auth0 invite the person to the organization by mail, and note it sent."""
        if client is None:
            raise incapable(NAME, "mail_without_client")
        inviter: Any = {"name": home.display_name}
        invitee: Any = {"email": user.email}
        with translated(home):
            await self._api.organizations.invitations.create(
                home.provider_id,
                inviter=inviter,
                invitee=invitee,
                client_id=client.client_id,
                connection_id=await self._look.connection(),
                ttl_sec=_INVITATION,
                send_invitation_email=True,
            )
            told = replace(user, mail_pending=False)
            await self._api.users.update(user.user_id, app_metadata=records.user_metadata(told, home.tier))
        return told

    async def remove_user(self, home: Organization, user: User) -> None:
        """Remove the user."""
        del home
        with translated():
            await self._api.users.delete(user.user_id)

    async def users(self, home: Organization | None) -> AsyncIterator[User]:
        """All members of one organization; without one, those the mesh made in the pooled ones, by search."""
        with translated():
            if home is None:
                async for found in self._look.search(f'app_metadata.tenantmesh_tier:"{Tier.POOLED.value}"'):
                    yield records.user_in(found)
                return
            async for member in self._look.members(home):
                if member is not None:
                    yield records.user_in(member)

    async def assign_role(self, home: Organization, user: User, role: str) -> bool:
        """Give the role within the organization."""
        with translated(home):
            role_id = await self._look.role(role)
            if role in user.roles:
                return False
            await self._api.organizations.members.roles.assign(home.provider_id, user.user_id, roles=[role_id])
        return True

    async def revoke_role(self, home: Organization, user: User, role: str) -> bool:
        """Take the role within the organization."""
        if role not in user.roles:
            return False
        with translated():
            role_id = await self._look.role(role)
            await self._api.organizations.members.roles.delete(home.provider_id, user.user_id, roles=[role_id])
        return True

    async def shards(self) -> Sequence[Shard]:
        """The one Auth0 tenant."""
        shard = Shard(NAME, NAME, capabilities=self.capabilities)
        try:
            count = len([one async for one in self.organizations()])
        except Fault as fault:
            return [replace(shard, available=False, detail=fault.message)]
        return [replace(shard, organization_count=count)]

    @property
    def _api(self) -> AsyncAuth0:
        if self._opened is None:
            msg = "auth0 is not open: enter it with `async with`"
            raise RuntimeError(msg)
        return self._opened

    @property
    def _issuer(self) -> str:
        return f"https://{self._settings.domain}/"

    def _turn(self, home: Organization) -> asyncio.Lock:
        return self._turns.setdefault(home.provider_id, asyncio.Lock())

    async def _written(self, wanted: Organization) -> Organization:
        """The organization with what is wanted of it written, and its clients kept."""
        with translated():
            async with self._turn(wanted):
                found = await self._look.organization(wanted)
                if found is None:
                    raise organization_not_found(wanted.name, NAME)
                metadata = records.organization_metadata(wanted, found.metadata or {})
                changed = await self._api.organizations.update(
                    wanted.provider_id, display_name=wanted.display_name, metadata=metadata
                )
        return records.organization_in(changed, None, self._issuer) or wanted

    async def _note_client(self, found: Any, name: str, client_id: str) -> None:
        """Have the organization remember the id of a client, or that it is being made; empty forgets it."""
        metadata = {**(found.metadata or {}), records.client_key(name): client_id}
        await self._api.organizations.update(found.id, metadata=metadata)

    async def _made_client(self, home: Organization, wanted: Client, secret: str) -> Client:
        """The application, with its secret, and let into the connection."""
        timed = wanted.type is ClientType.CONFIDENTIAL
        wanted = replace(wanted, secret_create_time=wanted.create_time if timed else None)
        body = records.client_body(wanted, home, self._settings.callback_path)
        made: Any = await self._api.clients.create(**body)
        if secret:
            made = await self._api.clients.update(made.client_id, client_secret=secret)
        connection_id = await self._look.connection()
        let_in: Any = [{"client_id": made.client_id, "status": True}]
        await self._api.connections.clients.update(connection_id, request=let_in)
        client = records.client_in(made, self._settings.callback_path)
        if client is None:
            raise refusals.not_understood(NAME, "an application without its metadata")
        return client


def _person(user: User) -> dict[str, Any]:
    """What is said of a person. Auth0 takes no empty names."""
    names = {"given_name": user.given_name, "family_name": user.family_name}
    said = {name: value for name, value in names.items() if value}
    return {**said, "email_verified": user.email_verified, "user_metadata": {"language": user.language}}
