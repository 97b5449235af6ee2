"""A directory in the service's own tables, for development: organizations, clients and people, without a sign-in page.

Passwords are hashed with argon2id. An application that signs people in itself asks `verify_password`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Self

from identity_service.model import (
    ADMIN,
    Capability,
    Client,
    Organization,
    Owner,
    Shard,
    Tenant,
    User,
    Who,
    organization_not_found,
)
from identity_service.providers import refusals
from identity_service.providers.local import rows
from identity_service.providers.local.passwords import Hasher, digest_of
from identity_service.providers.local.settings import LocalSettings
from identity_service.providers.local.signin import SignIn
from postgreskit import Transaction

NAME: Final = "local"
ROLES: Final = frozenset({ADMIN, "member"})
_DETAIL: Final = "Kept in the service's own tables, without a sign-in page: meant for development."


class LocalProvider:
    """A provider on tables of its own."""

    name = NAME
    capabilities = frozenset(
        {
            Capability.OWN_REALM,
            Capability.ORGANIZATIONS,
            Capability.SETTINGS,
            Capability.SECRET_OVERLAP,
            Capability.PASSWORDS,
        }
    )
    Settings = LocalSettings

    def __init__(
        self,
        settings: LocalSettings,
        records: rows.Records,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Describe it.

        Args:
            settings: how passwords are hashed.
            records: the database of the service.
            clock: the time.
        """
        self._hasher = Hasher(settings)
        self._sign_in = SignIn(records, self._hasher, clock)
        self._records = records
        self._clock = clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The database is opened and closed by itself."""

    async def check(self) -> None:
        """The database itself says whether it is there."""

    async def find_organization(self, tenant: Tenant) -> Organization | None:
        """What stands under the tenant's name."""
        async with self._records.of(tenant.tenant_id) as tx:
            row = await tx.fetchrow(rows.NAMED, tenant.name, tenant.shared)
            if row is None:
                return None
            if str(row["tenant_id"]) == tenant.tenant_id:
                found = await tx.fetchrow(rows.ORGANIZATION, row["tenant_id"], tenant.shared)
                return rows.organization_in(rows.there(found, tenant.name))
        stranger = Owner(str(row["tenant_id"]), "", datetime.min.replace(tzinfo=UTC))
        return Organization(tenant.name, tenant.key, tenant.tier, "", owner=stranger, provider=NAME)

    async def create_organization(self, wanted: Organization) -> Organization | None:
        """Make it."""
        if wanted.shard not in {"", NAME}:
            raise refusals.shard_unknown(wanted.shard)
        place = rows.place_of(wanted)
        async with self._records.of(place.tenant_id) as tx:
            if not await tx.fetchrow(rows.TAKE_NAME, wanted.name, place.shared, place.tenant_id):
                return None
            row = await tx.fetchrow(rows.ADD_ORGANIZATION, *rows.organization_values(wanted))
        return rows.organization_in(rows.there(row, wanted.name))

    async def complete_organization(self, wanted: Organization, seen: Organization) -> Organization:
        """Make it as wanted."""
        if seen.says(wanted):
            return seen
        async with self._inside(seen) as (tx, place):
            said = rows.organization_said(wanted)
            row = await tx.fetchrow(rows.CHANGE_ORGANIZATION, *place, *said, wanted.update_time)
        return rows.organization_in(rows.there(row, wanted.name))

    async def set_enabled(self, home: Organization, *, enabled: bool) -> int:
        """Note it: `verify_password` asks. There are no sessions to end."""
        async with self._inside(home) as (tx, place):
            await tx.execute(rows.SET_ENABLED, *place, enabled, self._clock())
        return 0

    async def remove_organization(self, home: Organization) -> None:
        """Remove it with all that is in it."""
        place = rows.place_of(home)
        async with self._records.of(place.tenant_id) as tx:
            await tx.execute(rows.REMOVE_ORGANIZATION, *place)
            await tx.execute(rows.LEAVE_NAME, home.name, place.shared, place.tenant_id)

    async def organizations(self) -> AsyncIterator[Organization]:
        """Everything there is: the mesh made it all."""
        async with self._records.of_all() as tx:
            found = await tx.fetch(rows.ORGANIZATIONS)
        for row in found:
            yield rows.organization_in(row)

    async def find_client(self, home: Organization, name: str) -> Client | None:
        """The client of that name."""
        place = rows.place_of(home)
        async with self._records.of(place.tenant_id) as tx:
            row = await tx.fetchrow(rows.CLIENT, *place, name)
        return rows.client_in(row) if row else None

    async def create_client(self, home: Organization, wanted: Client, secret: str) -> Client | None:
        """Make it."""
        async with self._inside(home) as (tx, place):
            row = await tx.fetchrow(rows.ADD_CLIENT, *place, *rows.client_values(wanted), digest_of(secret))
        return rows.client_in(row) if row else None

    async def complete_client(self, home: Organization, wanted: Client, seen: Client) -> Client:
        """Make it as wanted."""
        if seen.says(wanted):
            return seen
        async with self._inside(home) as (tx, place):
            said = rows.client_said(wanted)
            row = await tx.fetchrow(rows.CHANGE_CLIENT, *place, seen.name, *said, wanted.update_time)
        return rows.client_in(rows.there(row, seen.name))

    async def rotate_secret(self, home: Organization, client: Client, secret: str, overlap: timedelta) -> Client:
        """Give it the secret, and let the one before work on."""
        now = self._clock()
        until = now + overlap if overlap else None
        async with self._inside(home) as (tx, place):
            await tx.execute(rows.ROTATE, *place, client.name, digest_of(secret), now, until)
            row = await tx.fetchrow(rows.CLIENT, *place, client.name)
        return rows.client_in(rows.there(row, client.name))

    async def remove_client(self, home: Organization, client: Client) -> None:
        """Remove it."""
        place = rows.place_of(home)
        async with self._records.of(place.tenant_id) as tx:
            await tx.execute(rows.REMOVE_CLIENT, *place, client.name)

    async def clients(self, home: Organization | None) -> AsyncIterator[Client]:
        """Those of one organization, or of all pooled ones."""
        for row in await self._listed(rows.CLIENTS, rows.ALL_CLIENTS, home):
            yield rows.client_in(row)

    async def find_user(self, home: Organization, who: Who) -> User | None:
        """The user."""
        place = rows.place_of(home)
        async with self._records.of(place.tenant_id) as tx:
            row = await tx.fetchrow(rows.USER, *place, who.email, who.user_id)
        return rows.user_in(row) if row else None

    async def create_user(self, home: Organization, wanted: User, password: str) -> User | None:
        """Make the user."""
        hashed = await self._hasher.hash(password)
        async with self._inside(home) as (tx, place):
            row = await tx.fetchrow(rows.ADD_USER, *place, *rows.user_values(wanted), hashed)
        return rows.user_in(row) if row else None

    async def complete_user(self, home: Organization, wanted: User, seen: User) -> User:
        """Make the names as wanted."""
        if seen.says(wanted):
            return seen
        async with self._inside(home) as (tx, place):
            said = rows.user_said(wanted)
            row = await tx.fetchrow(rows.CHANGE_USER, *place, seen.email, *said, wanted.update_time)
        return rows.user_in(rows.there(row, "the user"))

    async def mail_password_link(self, home: Organization, user: User, client: Client | None) -> User:
        """It has no mails of its own."""
        del home, client
        return replace(user, mail_pending=False)

    async def verify_password(self, home: Organization, email: str, password: str, new_password: str) -> User:
        """The user whose password it is, with a new one from now on where that is given."""
        return await self._sign_in.verify(home, email, password, new_password)

    async def remove_user(self, home: Organization, user: User) -> None:
        """Remove the user."""
        place = rows.place_of(home)
        async with self._records.of(place.tenant_id) as tx:
            await tx.execute(rows.REMOVE_USER, *place, user.email)

    async def users(self, home: Organization | None) -> AsyncIterator[User]:
        """Those of one organization, or of all pooled ones."""
        for row in await self._listed(rows.USERS, rows.ALL_USERS, home):
            yield rows.user_in(row)

    async def assign_role(self, home: Organization, user: User, role: str) -> bool:
        """Give the role."""
        if role not in ROLES:
            raise refusals.role_unknown(role, NAME)
        async with self._inside(home) as (tx, place):
            return bool(await tx.fetchrow(rows.ASSIGN, *place, user.email, role, self._clock()))

    async def revoke_role(self, home: Organization, user: User, role: str) -> bool:
        """Take the role."""
        place = rows.place_of(home)
        async with self._records.of(place.tenant_id) as tx:
            return bool(await tx.fetchrow(rows.REVOKE, *place, user.email, role, self._clock()))

    async def shards(self) -> Sequence[Shard]:
        """The one there is."""
        async with self._records.of_all() as tx:
            row = rows.there(await tx.fetchrow(rows.COUNTS), NAME)
        return [
            Shard(
                NAME,
                NAME,
                detail=_DETAIL,
                capabilities=self.capabilities,
                realm_count=row["realms"],
                organization_count=row["organizations"],
            )
        ]

    @asynccontextmanager
    async def _inside(self, home: Organization) -> AsyncIterator[tuple[Transaction, rows.Place]]:
        """A transaction in which the organization stays; ORGANIZATION_NOT_FOUND where it is gone."""
        place = rows.place_of(home)
        async with self._records.of(place.tenant_id) as tx:
            if not await tx.fetchrow(rows.HOLD_ORGANIZATION, *place):
                raise organization_not_found(home.name, NAME)
            yield tx, place

    async def _listed(self, of_one: str, of_all: str, home: Organization | None) -> Sequence[rows.Row]:
        if home is None:
            async with self._records.of_all() as tx:
                return await tx.fetch(of_all)
        place = rows.place_of(home)
        async with self._records.of(place.tenant_id) as tx:
            return await tx.fetch(of_one, *place)
