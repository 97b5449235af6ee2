"""Finding things at Auth0, and removing what belongs to one organization."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any, Final, TypeVar

from auth0.management.client import AsyncAuth0
from auth0.management.core.api_error import ApiError

from faults import Conflict
from identity_service.model import ADMIN, Organization, Who, incapable
from identity_service.providers import refusals
from identity_service.providers.auth0 import records
from identity_service.providers.auth0.api import NAME, is_missing
from identity_service.providers.auth0.settings import Auth0Settings

PAGE: Final = 100
_SEARCHED: Final = 1000
"""As many as a search of Auth0 answers, whatever it finds."""

T = TypeVar("T")


class Lookups:
    """What a provider asks again and again."""

    def __init__(self, api: AsyncAuth0, settings: Auth0Settings) -> None:
        self._api = api
        self._settings = settings
        self._connection_id = ""
        self._role_ids: dict[str, str] = {}

    async def connection(self) -> str:
        """The id of the connection people are in."""
        if not self._connection_id:
            async for found in await self._api.connections.list(name=self._settings.connection, take=1):
                self._connection_id = found.id or ""
        if not self._connection_id:
            raise Conflict(
                "Auth0 has no such connection.",
                reason="CAPABILITY_MISSING",
                facts={"provider": NAME, "capability": f"connection {self._settings.connection}"},
            )
        return self._connection_id

    async def role(self, role: str) -> str:
        """The id of a role; ROLE_UNKNOWN where there is none of exactly that name."""
        name = self._settings.admin_role if role == ADMIN else role
        if name not in self._role_ids:
            async for found in await self._api.roles.list(name_filter=name, per_page=PAGE):
                self._role_ids[found.name or ""] = found.id or ""
        if name not in self._role_ids:
            raise refusals.role_unknown(role, NAME)
        return self._role_ids[name]

    async def roles(self, home: Organization, user_id: str) -> tuple[str, ...]:
        """The roles of a member, as the mesh calls them."""
        try:
            pages = await self._api.organizations.members.roles.list(home.provider_id, user_id, per_page=PAGE)
            names = [one.name or "" async for one in pages]
        except ApiError as error:
            if is_missing(error):  # somebody who is no member has no roles
                return ()
            raise
        return tuple(sorted(ADMIN if name == self._settings.admin_role else name for name in names))

    async def organization(self, home: Organization) -> Any:
        """The organization as it is now; None where it is gone."""
        return await found(self._api.organizations.get(home.provider_id))

    async def client(self, client_id: str) -> Any:
        """An application; None where there is none."""
        return await found(self._api.clients.get(client_id))

    async def user(self, who: Who) -> Any:
        """A user of the connection; None where there is none."""
        if who.user_id:
            return await found(self._api.users.get(who.user_id))
        for one in await self._api.users.list_users_by_email(email=who.email):
            if any(identity.connection == self._settings.connection for identity in one.identities or ()):
                return one
        return None

    async def members(self, home: Organization) -> AsyncIterator[Any]:
        """The members of an organization, those of them that are users."""
        async for member in await self._api.organizations.members.list(home.provider_id, take=PAGE):
            yield await self.user(Who(user_id=member.user_id or ""))

    async def search(self, query: str) -> AsyncIterator[Any]:
        """Users by what is written of them; refused past what Auth0 answers, as it would leave some out."""
        count = 0
        async for one in await self._api.users.list(q=query, search_engine="v3", per_page=PAGE, include_totals=True):
            count += 1
            if count > _SEARCHED:
                raise incapable(NAME, "listing more than 1000 users")
            yield one

    async def remove_leftovers(self, home: Organization, name: str) -> None:
        """Remove applications of that name that an interrupted call left behind."""
        leftovers = [
            one.client_id
            async for one in await self._api.clients.list(per_page=PAGE)
            if records.client_home(one)[0] == home.provider_id
            and (client := records.client_in(one, self._settings.callback_path))
            and client.name == name
        ]
        for client_id in leftovers:
            await found(self._api.clients.delete(client_id or ""))

    async def remove_clients(self, home: Organization, known: dict[str, str]) -> None:
        """Remove applications of an organization, half made ones too."""
        for name, client_id in known.items():
            if client_id == records.MAKING:
                await self.remove_leftovers(home, name)
            else:
                await found(self._api.clients.delete(client_id))

    async def remove_member(self, home: Organization, user: Any) -> None:
        """Remove a user the mesh made for this tenant, unless another organization has the user as well."""
        owner = records.user_in(user).owner
        if owner is None or home.owner is None or owner.tenant_id != home.owner.tenant_id:
            return
        others = [one.id async for one in await self._api.users.organizations.list(user.user_id, per_page=PAGE)]
        if set(others) <= {home.provider_id}:
            await self._api.users.delete(user.user_id)

    async def end_sessions(self, home: Organization) -> int:
        """End what the members are signed in to; answer of how many."""
        count = 0
        async for user in self.members(home):
            if user is not None:
                await self._api.users.sessions.delete(user.user_id)
                await self._api.users.refresh_token.delete(user.user_id)
                count += 1
        return count


async def found(call: Awaitable[T]) -> T | None:
    """What a call answers; None where there is no such thing."""
    try:
        return await call
    except ApiError as error:
        if is_missing(error):
            return None
        raise
