"""Pooled tenants: each has an Organization in a realm they share, which the mesh makes once and never removes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, TypeVar

import httpx

from identity_service.model import Organization, Tier, organization_not_found, organization_not_owned
from identity_service.providers import refusals
from identity_service.providers.keycloak import stamps
from identity_service.providers.keycloak.clients import Clients
from identity_service.providers.keycloak.places import Place
from identity_service.providers.keycloak.representations import PREFIX, SHARED, shared_realm
from identity_service.providers.keycloak.server import NAME, Server, made_id, said, segment
from identity_service.providers.keycloak.settings import KeycloakSettings

_SUSPENDED: Final = "tenantmesh.suspended"
"""The attribute of users who were switched off with their organization, and are switched on with it."""
_AT_ONCE: Final = 8

_Thing = TypeVar("_Thing")
_Result = TypeVar("_Result")


class Pooled:
    """The organizations of the shared realm."""

    def __init__(self, settings: KeycloakSettings, clients: Clients) -> None:
        self._settings = settings
        self._clients = clients
        self._path = f"/{segment(settings.realm)}"
        self._known: set[str] = set()

    async def find(self, server: Server, name: str) -> Organization | None:
        """The organization of that name."""
        params = {"search": name, "exact": "true", "briefRepresentation": "false"}
        found = await server.read(f"{self._path}/organizations", params=params) or []
        return next((self._organization(server, one) for one in found if one["name"] == name), None)

    async def create(self, server: Server, wanted: Organization) -> Organization | None:
        """Make it, in one request; None where there is one of that name."""
        await self._share(server)
        answer = await server.admin(
            "POST", f"{self._path}/organizations", {**_said(wanted), "enabled": True},
            accept={HTTPStatus.CONFLICT, HTTPStatus.BAD_REQUEST},
        )  # fmt: skip
        if answer.status_code == HTTPStatus.CONFLICT:
            return None
        self._check_domains(wanted, answer)
        return self._placed(server, replace(wanted, provider_id=made_id(answer), enabled=True))

    async def complete(self, server: Server, wanted: Organization, seen: Organization) -> Organization:
        """Make it as wanted; whether it is enabled stays."""
        if seen.says(wanted):
            return seen
        after = replace(seen, display_name=wanted.display_name, domains=wanted.domains, update_time=wanted.update_time)
        await self._write(server, after)
        return after

    async def set_enabled(self, server: Server, home: Organization, *, enabled: bool) -> int:
        """Let its people sign in, or refuse them and end their sessions.

        Keycloak goes on to sign in the members of an organization that is disabled, so each of them is.
        """
        await self._write(server, replace(home, enabled=enabled))
        work = self._resume if enabled else self._suspend
        return sum(await _each(self._people(server, home), lambda one: work(server, one)))

    async def remove(self, server: Server, home: Organization) -> None:
        """Remove what the mesh made for it, and it last."""
        path = f"{self._path}/users"
        await _each(self._people(server, home), lambda one: server.remove(f"{path}/{one['id']}"))
        place = Place(server, self._settings.realm, home)
        await _each(self._clients.all(place), lambda one: self._clients.remove(place, one))
        await server.remove(f"{self._path}/organizations/{segment(home.provider_id)}")

    async def all(self, server: Server) -> AsyncIterator[Organization]:
        """Those that bear the mesh's stamp."""
        params = {"briefRepresentation": "false"}
        async for found in server.pages(f"{self._path}/organizations", params):
            one = self._organization(server, found)
            if one.owner:
                yield one

    async def count(self, server: Server) -> int:
        """How many there are."""
        return int(await server.read(f"{self._path}/organizations/count") or 0)

    async def _share(self, server: Server) -> None:
        """Make the shared realm, unless it is there. Somebody else's realm of that name is refused."""
        if server.name in self._known:
            return
        there = await server.read(self._path)
        if there is None:
            # If somebody is quicker, it is there all the same.
            await server.admin("POST", "", shared_realm(self._settings), accept={HTTPStatus.CONFLICT}, patience=3)
            there = await server.read(self._path)
        if not there or (there.get("attributes") or {}).get(SHARED) != "true":
            raise organization_not_owned(self._settings.realm, NAME, "unknown")
        self._known.add(server.name)

    async def _write(self, server: Server, after: Organization) -> None:
        path = f"{self._path}/organizations/{segment(after.provider_id)}"
        body = {**_said(after), "id": after.provider_id, "enabled": after.enabled}
        answer = await server.admin("PUT", path, body, accept={HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST})
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise organization_not_found(after.name, NAME)
        self._check_domains(after, answer)

    def _check_domains(self, wanted: Organization, answer: httpx.Response) -> None:
        """Raise DOMAIN_TAKEN where Keycloak says that another organization has one of the domains."""
        if answer.status_code != HTTPStatus.BAD_REQUEST:
            return
        words = said(answer).split()
        taken = next((domain for domain in wanted.domains if domain in words), None)
        raise refusals.domain_taken(taken, NAME) if taken else refusals.not_understood(NAME, answer.status_code)

    def _people(self, server: Server, home: Organization) -> AsyncIterator[Any]:
        """The users the mesh made for it, also those who did not become members."""
        return self._stamped(server, home.owner.tenant_id if home.owner else "")

    async def _stamped(self, server: Server, tenant_id: str) -> AsyncIterator[Any]:
        params = {"q": f"{stamps.TENANT}:{tenant_id}", "briefRepresentation": "false"}
        async for one in server.pages(f"{self._path}/users", params):
            if stamps.flat(one).get(stamps.TENANT) == tenant_id:
                yield one

    async def _suspend(self, server: Server, user: Mapping[str, Any]) -> int:
        """Switch one user off and end the sessions."""
        path = f"{self._path}/users/{user['id']}"
        if user["enabled"]:
            attributes = {**user.get("attributes", {}), _SUSPENDED: ["true"]}
            await _changed(server, path, {**user, "enabled": False, "attributes": attributes})
        sessions = await server.read(f"{path}/sessions") or []
        if sessions:
            await server.admin("POST", f"{path}/logout", accept={HTTPStatus.NOT_FOUND})
        return len(sessions)

    async def _resume(self, server: Server, user: Mapping[str, Any]) -> int:
        """Switch on one user who was switched off with the organization."""
        attributes = dict(user.get("attributes", {}))
        if attributes.pop(_SUSPENDED, None):
            path = f"{self._path}/users/{user['id']}"
            await _changed(server, path, {**user, "enabled": True, "attributes": attributes})
        return 0

    def _organization(self, server: Server, found: Mapping[str, Any]) -> Organization:
        attributes = stamps.flat(found)
        owner = stamps.owner_of(attributes)
        one = Organization(
            name=found["name"],
            tenant_key=found["name"].removeprefix(PREFIX),
            tier=Tier.POOLED,
            display_name=found.get("description") or "",
            domains=tuple(domain["name"] for domain in found.get("domains") or ()),
            enabled=found.get("enabled", True),
            owner=owner,
            provider_id=found["id"],
            create_time=owner.create_time if owner else None,
            update_time=stamps.updated(attributes),
        )
        return self._placed(server, one)

    def _placed(self, server: Server, one: Organization) -> Organization:
        issuer = server.issuer(self._settings.realm)
        return replace(one, provider=NAME, shard=server.name, issuer=issuer, domains=tuple(sorted(one.domains)))


def _said(wanted: Organization) -> dict[str, Any]:
    return {
        "name": wanted.name,
        "alias": wanted.name,
        "description": wanted.display_name,
        "domains": [{"name": domain} for domain in wanted.domains],
        "attributes": stamps.listed(stamps.stamp(wanted.owner, wanted.update_time)),
    }


async def _changed(server: Server, path: str, user: Mapping[str, Any]) -> None:
    await server.admin("PUT", path, user, accept={HTTPStatus.NOT_FOUND})


async def _each(things: AsyncIterator[_Thing], work: Callable[[_Thing], Awaitable[_Result]]) -> list[_Result]:
    """Do it to each, some at once. All are read first: what is removed meanwhile would shift the pages."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(thing: _Thing) -> _Result:
        async with places:
            return await work(thing)

    found = [thing async for thing in things]
    return await asyncio.gather(*(one(thing) for thing in found))
