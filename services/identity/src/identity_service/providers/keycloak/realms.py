"""Silo and bridge tenants: each has a realm of its own, and all of it is the tenant's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from http import HTTPStatus
from typing import Final
from uuid import uuid4

from identity_service.model import Organization, SecondFactor, organization_not_found
from identity_service.providers.keycloak.representations import (
    PREFIX,
    new_realm,
    organization_of_realm,
    own_realm,
)
from identity_service.providers.keycloak.server import NAME, Server, decoded, segment
from identity_service.providers.keycloak.settings import KeycloakSettings

_SECOND_FACTOR: Final = "CONFIGURE_TOTP"
_SLOW: Final = 3
"""A new realm comes with keys, roles and clients of its own."""


class Realms:
    """The realms of tenants."""

    def __init__(self, settings: KeycloakSettings) -> None:
        self._settings = settings

    async def find(self, server: Server, name: str) -> Organization | None:
        """The realm of that name."""
        found = await server.read(f"/{segment(name)}")
        return organization_of_realm(found, server) if found else None

    async def create(self, server: Server, wanted: Organization) -> Organization | None:
        """Make it, whole, in one request; None where there is one of that name."""
        number = str(uuid4())
        # What takes a second request is said after it exists, so that a repeat sees that it is missing.
        first = _without_second_factor(wanted)
        realm = {**new_realm(wanted.name, self._settings), **own_realm(first), "id": number}
        answer = await server.admin("POST", "", realm, accept={HTTPStatus.CONFLICT}, patience=_SLOW)
        if answer.status_code == HTTPStatus.CONFLICT:
            return None
        made = replace(
            first, provider=NAME, provider_id=number, shard=server.name, issuer=server.issuer(wanted.name), enabled=True
        )
        return made if made.says(wanted) else await self.complete(server, wanted, made)

    async def complete(self, server: Server, wanted: Organization, seen: Organization) -> Organization:
        """Make it as wanted; whether it is enabled stays."""
        if seen.says(wanted):
            return seen
        path = f"/{segment(seen.name)}"
        there = await server.read(path)
        if there is None:
            raise organization_not_found(seen.name, NAME)
        if wanted.settings and seen.settings and wanted.settings.second_factor is not seen.settings.second_factor:
            await self._demand_second_factor(server, path, wanted.settings.second_factor)
        said = own_realm(wanted)
        # Attributes that are not sent are removed, and Keycloak keeps some of its own there.
        attributes = {**(there.get("attributes") or {}), **said["attributes"]}
        await server.admin("PUT", path, {**said, "realm": seen.name, "attributes": attributes})
        return replace(
            seen,
            tier=wanted.tier,
            display_name=wanted.display_name,
            domains=wanted.domains,
            settings=wanted.settings,
            update_time=wanted.update_time,
        )

    async def set_enabled(self, server: Server, home: Organization, *, enabled: bool) -> int:
        """Let its people sign in, or refuse them and end their sessions."""
        path = f"/{segment(home.name)}"
        answer = await server.admin(
            "PUT", path, {"realm": home.name, "enabled": enabled}, accept={HTTPStatus.NOT_FOUND}
        )
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise organization_not_found(home.name, NAME)
        if enabled:
            return 0
        active = await server.read(f"{path}/client-session-stats") or []
        await server.admin("POST", f"{path}/logout-all")
        return sum(int(one["active"]) for one in active)

    async def remove(self, server: Server, home: Organization) -> None:
        """Remove it with everything in it."""
        await server.remove(f"/{segment(home.name)}", patience=_SLOW)

    async def all(self, server: Server) -> AsyncIterator[Organization]:
        """Those that bear the mesh's stamp."""
        # An account that sees no realm at all is refused; so is one without the right to see them, which `check` tells.
        answer = await server.admin(
            "GET", "", params={"briefRepresentation": "false"}, accept={HTTPStatus.FORBIDDEN}, patience=_SLOW
        )
        for realm in decoded(answer) if answer.is_success else ():
            one = organization_of_realm(realm, server)
            if one.owner and one.name.startswith(PREFIX):
                yield one

    async def count(self, server: Server) -> int:
        """How many realms there are that the service account sees."""
        params = {"briefRepresentation": "true"}
        answer = await server.admin("GET", "", params=params, accept={HTTPStatus.FORBIDDEN}, patience=_SLOW)
        return len(decoded(answer)) if answer.is_success else 0

    async def _demand_second_factor(self, server: Server, path: str, wanted: SecondFactor) -> None:
        """Have everyone who joins from now on set up a second factor, or nobody."""
        action = f"{path}/authentication/required-actions/{_SECOND_FACTOR}"
        there = await server.read(action)
        await server.admin("PUT", action, {**there, "defaultAction": wanted is SecondFactor.REQUIRED})


def _without_second_factor(wanted: Organization) -> Organization:
    if wanted.settings is None:
        return wanted
    return replace(wanted, settings=replace(wanted.settings, second_factor=SecondFactor.OPTIONAL))
