"""Clients: authorization code flow with PKCE (S256), and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from identity_service.model import Client, ClientType, client_not_found, organization_not_found
from identity_service.providers.keycloak import stamps
from identity_service.providers.keycloak.places import Place
from identity_service.providers.keycloak.server import NAME, Server, made_id

CLAIM: Final = "tenant_id"
"""The claim that says whose a token's user is."""

_NAME: Final = "tenantmesh.client_name"
_SECRET_MADE: Final = "tenantmesh.secret_create_time"  # noqa: S105 - the name of an attribute
# Under the policy of the realm, Keycloak accepts the rotated secret until its time is over; and a client's own only as
# long as it has not expired. This one's never does, as far as Keycloak can count.
_ROTATED: Final = "client.secret.rotated"
_ROTATED_MADE: Final = "client.secret.rotated.creation.time"
_ROTATED_UNTIL: Final = "client.secret.rotated.expiration.time"
_SECRET_UNTIL: Final = "client.secret.expiration.time"  # noqa: S105 - the name of an attribute
_LAST_SECOND: Final = str(2**31 - 1)


class Clients:
    """The clients of tenants."""

    def __init__(self, *, overlap: bool) -> None:
        self._overlap = overlap

    async def find(self, place: Place, name: str) -> Client | None:
        """The client of that name within the tenant."""
        found = await self._raw(place, _client_id(place, name))
        return _client(found) if found else None

    async def create(self, place: Place, wanted: Client, secret: str) -> Client | None:
        """Make it with that secret; None where there is one of that id."""
        made_at = wanted.create_time if wanted.type is ClientType.CONFIDENTIAL else None
        body = {
            **_said(wanted),
            "attributes": self._attributes(wanted, made_at),
            "protocolMappers": _mappers(place, wanted),
        }
        if made_at:
            body["secret"] = secret
        accept = {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND}
        making = place.server.admin("POST", place.path("clients"), body, accept=accept)
        answer, stands = await asyncio.gather(making, place.stands())
        if answer.status_code == HTTPStatus.NOT_FOUND or not stands:
            if answer.is_success:
                await place.server.remove(place.path("clients", made_id(answer)))
            raise organization_not_found(place.home.name, NAME)
        if answer.status_code == HTTPStatus.CONFLICT:
            return None
        return replace(
            wanted,
            redirect_uris=_ordered(wanted.redirect_uris),
            web_origins=_ordered(wanted.web_origins),
            provider=NAME,
            provider_id=made_id(answer),
            secret_create_time=made_at,
        )

    async def complete(self, place: Place, wanted: Client, seen: Client) -> Client:
        """Make it as wanted; its secret stays."""
        if seen.says(wanted):
            return seen
        there = await self._there(place, seen)
        attributes = {**there.get("attributes", {}), **stamps.stamp(seen.owner, wanted.update_time)}
        await self._write(place, seen, {**there, **_said(wanted), "attributes": attributes})
        return replace(
            seen,
            display_name=wanted.display_name,
            type=wanted.type,
            redirect_uris=_ordered(wanted.redirect_uris),
            web_origins=_ordered(wanted.web_origins),
            update_time=wanted.update_time,
        )

    async def rotate(self, place: Place, client: Client, secret: str, overlap: timedelta) -> Client:
        """Give it this secret; the one before works on for as long as `overlap`. One request, so never half done."""
        there = await self._there(place, client)
        if there.get("secret") == secret:
            return _client(there)
        now = datetime.now(UTC)
        kept = {name: value for name, value in there.get("attributes", {}).items() if not name.startswith(_ROTATED)}
        attributes = {**kept, **stamps.stamp(client.owner, now), _SECRET_MADE: now.isoformat()}
        if overlap:
            attributes |= {
                _ROTATED: there["secret"],
                _ROTATED_MADE: str(int(now.timestamp())),
                _ROTATED_UNTIL: str(int((now + overlap).timestamp())),
            }
        after = {**there, "secret": secret, "attributes": attributes}
        await self._write(place, client, after)
        return _client(after)

    async def remove(self, place: Place, client: Client) -> None:
        """Remove it."""
        await place.server.remove(place.path("clients", client.provider_id))

    async def all(self, place: Place) -> AsyncIterator[Client]:
        """What the mesh made for the tenant."""
        owner = place.home.owner
        # In a shared realm those of a longer key begin alike, so each is asked whose it is.
        params = {"clientId": _client_id(place, ""), "search": "true"}
        async for found in place.server.pages(place.path("clients"), params):
            one = _client(found)
            if owner and one.owner and one.owner.tenant_id == owner.tenant_id:
                yield one

    def _attributes(self, wanted: Client, secret_made: datetime | None) -> dict[str, str]:
        attributes = {"pkce.code.challenge.method": "S256", _NAME: wanted.name} | stamps.stamp(
            wanted.owner, wanted.update_time
        )
        if secret_made:
            attributes[_SECRET_MADE] = secret_made.isoformat()
            attributes |= {_SECRET_UNTIL: _LAST_SECOND} if self._overlap else {}
        return attributes

    async def _there(self, place: Place, client: Client) -> Any:
        there = await self._raw(place, client.client_id)
        if there is None:
            raise client_not_found(client.name, NAME)
        return there

    async def _raw(self, place: Place, client_id: str) -> Any:
        found = await place.server.read(place.path("clients"), params={"clientId": client_id}) or []
        return found[0] if found else None

    async def _write(self, place: Place, client: Client, body: Mapping[str, Any]) -> None:
        path = place.path("clients", client.provider_id)
        answer = await place.server.admin("PUT", path, body, accept={HTTPStatus.NOT_FOUND})
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise client_not_found(client.name, NAME)


async def stamped(server: Server, realm_path: str) -> AsyncIterator[Client]:
    """Every client of a shared realm that the mesh made."""
    async for found in server.pages(f"{realm_path}/clients"):
        if stamps.owner_of(found.get("attributes", {})):
            yield _client(found)


def _ordered(uris: Iterable[str]) -> tuple[str, ...]:
    """As Keycloak has them in no order, in one that is always the same."""
    return tuple(sorted(uris))


def _client_id(place: Place, name: str) -> str:
    return f"{place.home.tenant_key}-{name}"


def _said(wanted: Client) -> dict[str, Any]:
    return {
        "clientId": wanted.client_id,
        "name": wanted.display_name,
        "enabled": wanted.enabled,
        "publicClient": wanted.type is ClientType.PUBLIC,
        "standardFlowEnabled": True,
        "implicitFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "serviceAccountsEnabled": False,
        "redirectUris": list(wanted.redirect_uris),
        "webOrigins": list(wanted.web_origins),
    }


def _mappers(place: Place, wanted: Client) -> list[dict[str, Any]]:
    """What stands in its tokens: whose user it is, and that they are for this client."""
    tokens = {"access.token.claim": "true", "id.token.claim": "true", "introspection.token.claim": "true"}
    claim = {"claim.name": CLAIM, "jsonType.label": "String", **tokens}
    # In a shared realm anybody may come by this client, so the user says whose; in a realm of its own all are the
    # tenant's, also those who came without the mesh.
    if place.shared:
        kind, tenant = "oidc-usermodel-attribute-mapper", {"user.attribute": stamps.TENANT, **claim}
    else:
        owner = wanted.owner.tenant_id if wanted.owner else ""
        kind, tenant = "oidc-hardcoded-claim-mapper", {"claim.value": owner, **claim}
    audience = {"included.client.audience": wanted.client_id, "access.token.claim": "true"}
    return [
        {"name": "tenant", "protocol": "openid-connect", "protocolMapper": kind, "config": tenant},
        {
            "name": "audience",
            "protocol": "openid-connect",
            "protocolMapper": "oidc-audience-mapper",
            "config": audience,
        },
    ]


def _client(found: Mapping[str, Any]) -> Client:
    attributes: Mapping[str, str] = found.get("attributes", {})
    owner = stamps.owner_of(attributes)
    until = int(attributes.get(_ROTATED_UNTIL, "0"))
    return Client(
        name=attributes.get(_NAME, found["clientId"]),
        client_id=found["clientId"],
        display_name=found.get("name") or "",
        type=ClientType.PUBLIC if found.get("publicClient") else ClientType.CONFIDENTIAL,
        redirect_uris=_ordered(found.get("redirectUris", ())),
        web_origins=_ordered(found.get("webOrigins", ())),
        enabled=found.get("enabled", True),
        secret_create_time=stamps.time_of(attributes, _SECRET_MADE),
        previous_secret_expire_time=datetime.fromtimestamp(until, UTC) if until else None,
        owner=owner,
        provider=NAME,
        provider_id=found["id"],
        create_time=owner.create_time if owner else None,
        update_time=stamps.updated(attributes),
    )
