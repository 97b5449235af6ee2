"""A directory in this process's memory: for mock mode, for tests and for a first look. Nobody can sign in there."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from types import TracebackType
from typing import Any, Final, Self

from identity_service.model import (
    ADMIN,
    Capability,
    Client,
    Organization,
    Shard,
    Tenant,
    User,
    Who,
    organization_not_found,
)
from identity_service.providers import refusals

NAME: Final = "memory"
ROLES: Final = frozenset({ADMIN, "member"})

_Key = tuple[bool, str]


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """The memory provider has no settings."""


@dataclass(slots=True)
class _Realm:
    """An organization and what is in it."""

    organization: Organization
    clients: dict[str, Client] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)


class MemoryProvider:
    """A provider whose organizations last as long as the process."""

    name = NAME
    capabilities = frozenset(Capability) - {Capability.PASSWORDS}
    Settings = MemorySettings

    def __init__(self, settings: MemorySettings) -> None:
        del settings
        self._realms: dict[_Key, _Realm] = {}
        self._numbers = count(1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._realms.clear()

    async def check(self) -> None:
        """Memory is always there."""

    async def find_organization(self, tenant: Tenant) -> Organization | None:
        """What stands under the tenant's name."""
        realm = self._realms.get((tenant.shared, tenant.name))
        return realm.organization if realm else None

    async def create_organization(self, wanted: Organization) -> Organization | None:
        """Make it."""
        if wanted.shard not in {"", NAME}:
            raise refusals.shard_unknown(wanted.shard)
        if _key(wanted) in self._realms:
            return None
        made = replace(wanted, provider=NAME, provider_id=self._number(), shard=NAME)
        self._realms[_key(wanted)] = _Realm(made)
        return made

    async def complete_organization(self, wanted: Organization, seen: Organization) -> Organization:
        """Make it as wanted."""
        realm = self._realm(seen)
        if not realm.organization.says(wanted):
            realm.organization = _kept(wanted, realm.organization, enabled=seen.enabled, shard=NAME)
        return realm.organization

    async def set_enabled(self, home: Organization, *, enabled: bool) -> int:
        """Note it. There are no sessions to end."""
        realm = self._realm(home)
        realm.organization = replace(realm.organization, enabled=enabled)
        return 0

    async def remove_organization(self, home: Organization) -> None:
        """Forget it with all that is in it."""
        self._realms.pop(_key(home), None)

    async def organizations(self) -> AsyncIterator[Organization]:
        """Everything that bears the mesh's stamp."""
        for realm in list(self._realms.values()):
            if realm.organization.owner:
                yield realm.organization

    async def find_client(self, home: Organization, name: str) -> Client | None:
        """The client of that name."""
        return self._inside(home).clients.get(name)

    async def create_client(self, home: Organization, wanted: Client, secret: str) -> Client | None:
        """Make it."""
        realm = self._realm(home)
        if wanted.name in realm.clients:
            return None
        realm.secrets[wanted.name] = _digest(secret)
        made = replace(wanted, provider=NAME, provider_id=self._number(), secret_create_time=_secret_time(wanted))
        return realm.clients.setdefault(wanted.name, made)

    async def complete_client(self, home: Organization, wanted: Client, seen: Client) -> Client:
        """Make it as wanted."""
        realm = self._realm(home)
        if not seen.says(wanted):
            times = {
                "secret_create_time": seen.secret_create_time,
                "previous_secret_expire_time": seen.previous_secret_expire_time,
            }
            realm.clients[seen.name] = _kept(wanted, seen, **times)
        return realm.clients[seen.name]

    async def rotate_secret(self, home: Organization, client: Client, secret: str, overlap: timedelta) -> Client:
        """Note the new secret, and until when the old one would work."""
        realm = self._realm(home)
        if realm.secrets.get(client.name) != _digest(secret):
            now = datetime.now(UTC)
            until = now + overlap if overlap else None
            realm.secrets[client.name] = _digest(secret)
            realm.clients[client.name] = replace(
                client, secret_create_time=now, previous_secret_expire_time=until, update_time=now
            )
        return realm.clients[client.name]

    async def remove_client(self, home: Organization, client: Client) -> None:
        """Forget it."""
        self._inside(home).clients.pop(client.name, None)

    async def clients(self, home: Organization | None) -> AsyncIterator[Client]:
        """What the mesh made in one organization, or in all pooled ones."""
        for realm in self._chosen(home):
            for client in list(realm.clients.values()):
                if client.owner:
                    yield client

    async def find_user(self, home: Organization, who: Who) -> User | None:
        """The user; pooled tenants share one directory."""
        realms = [self._inside(home)] if not _key(home)[0] else self._chosen(None)
        users = [user for realm in realms for user in realm.users.values()]
        return next((user for user in users if user.user_id == who.user_id or user.email == who.email), None)

    async def create_user(self, home: Organization, wanted: User, password: str) -> User | None:
        """Make the user."""
        del password  # nobody can sign in
        realm = self._realm(home)
        if await self.find_user(home, Who(email=wanted.email)):
            return None
        made = replace(wanted, provider=NAME, user_id=self._number())
        return realm.users.setdefault(wanted.email, made)

    async def complete_user(self, home: Organization, wanted: User, seen: User) -> User:
        """Make the names as wanted."""
        if seen.says(wanted):
            return seen
        kept = {name: getattr(seen, name) for name in ("user_id", "roles", "mail_pending", "password_change_required")}
        return self._write(home, replace(wanted, provider=NAME, **kept))

    async def mail_password_link(self, home: Organization, user: User, client: Client | None) -> User:
        """Note that the mail would be sent."""
        del client
        return self._write(home, replace(user, mail_pending=False))

    async def remove_user(self, home: Organization, user: User) -> None:
        """Forget the user."""
        self._inside(home).users.pop(user.email, None)

    async def users(self, home: Organization | None) -> AsyncIterator[User]:
        """All of one organization, or those the mesh made in the pooled ones."""
        for realm in self._chosen(home):
            for user in list(realm.users.values()):
                if home or user.owner:
                    yield user

    async def assign_role(self, home: Organization, user: User, role: str) -> bool:
        """Give the role."""
        if role not in ROLES:
            raise refusals.role_unknown(role, NAME)
        if role in user.roles:
            return False
        self._write(home, replace(user, roles=(*user.roles, role)))
        return True

    async def revoke_role(self, home: Organization, user: User, role: str) -> bool:
        """Take the role."""
        if role not in user.roles:
            return False
        self._write(home, replace(user, roles=tuple(one for one in user.roles if one != role)))
        return True

    async def shards(self) -> Sequence[Shard]:
        """The one there is."""
        shared = sum(key[0] for key in self._realms)
        return [
            Shard(
                NAME,
                NAME,
                detail="Kept in memory, gone when the process ends: nobody can sign in.",
                capabilities=self.capabilities,
                realm_count=len(self._realms) - shared,
                organization_count=shared,
            )
        ]

    def _realm(self, home: Organization) -> _Realm:
        if _key(home) not in self._realms:
            raise organization_not_found(home.name, NAME)
        return self._realms[_key(home)]

    def _inside(self, home: Organization) -> _Realm:
        """What is in an organization; nothing where it is gone."""
        return self._realms.get(_key(home), _Realm(home))

    def _chosen(self, home: Organization | None) -> list[_Realm]:
        if home:
            return [self._inside(home)]
        return [realm for (shared, _), realm in self._realms.items() if shared]

    def _write(self, home: Organization, user: User) -> User:
        self._realm(home).users[user.email] = user
        return user

    def _number(self) -> str:
        return f"{next(self._numbers)}"


def _key(organization: Organization) -> _Key:
    return Tenant("", organization.tenant_key, organization.tier).shared, organization.name


def _kept(wanted: Any, seen: Any, **values: Any) -> Any:
    """What is wanted, with what the provider gave to what was seen."""
    return replace(wanted, provider=NAME, provider_id=seen.provider_id, **values)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _secret_time(client: Client) -> datetime | None:
    return client.create_time if client.type.value == "confidential" else None
