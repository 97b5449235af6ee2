"""People, and the roles they hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import httpx

from identity_service.model import ADMIN, Client, User, Who, email_invalid, organization_not_found, user_not_found
from identity_service.providers import refusals
from identity_service.providers.keycloak import stamps
from identity_service.providers.keycloak.places import Place
from identity_service.providers.keycloak.representations import TENANT_ADMIN
from identity_service.providers.keycloak.server import NAME, Server, decoded, made_id, said, segment

_CHOOSE: Final = "UPDATE_PASSWORD"
_MAIL_PENDING: Final = "tenantmesh.mail_pending"
_LANGUAGE: Final = "locale"
_DEFAULT_ROLES: Final = "default-roles-"


class Users:
    """The users of tenants."""

    async def find(self, place: Place, who: Who) -> User | None:
        """The user with the roles; in a shared realm also one of another tenant."""
        found = await self._by_id(place, who.user_id) if who.user_id else await self._by_email(place, who.email)
        if found is None:
            return None
        return replace(_user(found), roles=await self._roles(place, found["id"]))

    async def create(self, place: Place, wanted: User, password: str) -> User | None:
        """Make the user a member with that password; None where there is one of that address."""
        body = {**_said(wanted), "enabled": True, "requiredActions": [_CHOOSE]}
        if password:
            body["credentials"] = [{"type": "password", "value": password, "temporary": True}]
        accept = {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST}
        answer = await place.server.admin("POST", place.path("users"), body, accept=accept)
        if answer.status_code == HTTPStatus.CONFLICT:
            return None
        _check_made(place, answer)
        made = replace(wanted, provider=NAME, user_id=made_id(answer), enabled=True)
        await self._join(place, made.user_id)
        return made

    async def complete(self, place: Place, wanted: User, seen: User) -> User:
        """Make the names as wanted, and the user a member. Password and roles stay."""
        if place.shared and await self._is_missing(place, seen.user_id):
            await self._join(place, seen.user_id)
        if seen.says(wanted):
            return seen
        after = replace(
            seen,
            given_name=wanted.given_name,
            family_name=wanted.family_name,
            language=wanted.language,
            email_verified=wanted.email_verified,
            update_time=wanted.update_time,
        )
        await self._write(place, after)
        return after

    async def mail_password_link(self, place: Place, user: User, client: Client | None) -> User:
        """Have Keycloak mail a link by which to choose a password, and note that it was sent."""
        back = {"client_id": client.client_id} if client else {}
        path = place.path("users", user.user_id, "execute-actions-email")
        answer = await place.server.admin("PUT", path, [_CHOOSE], params=back, accept={HTTPStatus.NOT_FOUND})
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise user_not_found(NAME)
        after = replace(user, mail_pending=False, update_time=datetime.now(UTC))
        await self._write(place, after)
        return after

    async def remove(self, place: Place, user: User) -> None:
        """Remove the user."""
        await place.server.remove(place.path("users", user.user_id))

    async def all(self, place: Place) -> AsyncIterator[User]:
        """Everybody of the tenant's organization, without their roles."""
        inside = ("organizations", place.home.provider_id, "members") if place.shared else ("users",)
        async for found in place.server.pages(place.path(*inside), {"briefRepresentation": "false"}):
            yield _user(found)

    async def assign(self, place: Place, user: User, role: str) -> bool:
        """Give the role; answer whether it was missing."""
        if role in user.roles:
            return False
        path, described = await self._role(place, user, role)
        if described is None:
            raise refusals.role_unknown(role, NAME)
        answer = await place.server.admin("POST", path, [described], accept={HTTPStatus.NOT_FOUND})
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise user_not_found(NAME)
        return True

    async def revoke(self, place: Place, user: User, role: str) -> bool:
        """Take the role; answer whether it was there."""
        if role not in user.roles:
            return False
        path, described = await self._role(place, user, role)
        if described is not None:
            await place.server.admin("DELETE", path, [described], accept={HTTPStatus.NOT_FOUND})
        return True

    async def _by_id(self, place: Place, user_id: str) -> Any:
        return await place.server.read(place.path("users", user_id))

    async def _by_email(self, place: Place, email: str) -> Any:
        found = await place.server.read(place.path("users"), params={"email": email, "exact": "true"}) or []
        return next((one for one in found if one.get("email", "").casefold() == email.casefold()), None)

    async def _roles(self, place: Place, user_id: str) -> tuple[str, ...]:
        """The roles given to the user, without those that everybody has."""
        given = await place.server.read(place.path("users", user_id, "role-mappings")) or {}
        names = {role["name"] for role in given.get("realmMappings", ())}
        kept = {ADMIN if name == TENANT_ADMIN else name for name in names if not name.startswith(_DEFAULT_ROLES)}
        return tuple(sorted(kept))

    async def _role(self, place: Place, user: User, role: str) -> tuple[str, Any]:
        """Where a role is given to the user, and what Keycloak calls it; None where it knows none of that name."""
        path = place.path("users", user.user_id, "role-mappings", "realm")
        return path, await place.server.read(place.path("roles", TENANT_ADMIN if role == ADMIN else role))

    async def _join(self, place: Place, user_id: str) -> None:
        """Make the user a member of the tenant's organization in a shared realm; in a realm of its own everybody is.

        Where the organization is gone by now, so is the user.
        """
        if not place.shared:
            return
        path = place.path("organizations", place.home.provider_id, "members")
        accept = {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND}
        answer = await place.server.admin("POST", path, user_id, accept=accept)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            await place.server.remove(place.path("users", user_id))
            raise organization_not_found(place.home.name, NAME)

    async def _is_missing(self, place: Place, user_id: str) -> bool:
        path = place.path("organizations", place.home.provider_id, "members", user_id)
        return await place.server.read(path) is None

    async def _write(self, place: Place, after: User) -> None:
        there = await self._by_id(place, after.user_id)
        if there is None:
            raise user_not_found(NAME)
        said_now = _said(after)
        kept = {name: value for name, value in (there.get("attributes") or {}).items() if name not in _OURS}
        body = {**there, **said_now, "attributes": {**kept, **said_now["attributes"]}}
        await place.server.admin("PUT", place.path("users", after.user_id), body)


_OURS: Final = frozenset({_MAIL_PENDING, _LANGUAGE})
"""Attributes that are gone where they are not said."""


async def stamped(server: Server, realm: str) -> AsyncIterator[User]:
    """Every user of a shared realm whom the mesh made, without the roles."""
    async for found in server.pages(f"/{segment(realm)}/users", {"briefRepresentation": "false"}):
        one = _user(found)
        if one.owner:
            yield one


def _said(wanted: User) -> dict[str, Any]:
    attributes = stamps.stamp(wanted.owner, wanted.update_time)
    if wanted.language:
        attributes[_LANGUAGE] = wanted.language
    if wanted.mail_pending:
        attributes[_MAIL_PENDING] = "true"
    return {
        "username": wanted.email,
        "email": wanted.email,
        "emailVerified": wanted.email_verified,
        "firstName": wanted.given_name,
        "lastName": wanted.family_name,
        "attributes": stamps.listed(attributes),
    }


def _user(found: Mapping[str, Any]) -> User:
    attributes = stamps.flat(found)
    owner = stamps.owner_of(attributes)
    return User(
        email=found.get("email") or found["username"],
        given_name=found.get("firstName") or "",
        family_name=found.get("lastName") or "",
        language=attributes.get(_LANGUAGE, ""),
        email_verified=found.get("emailVerified", False),
        enabled=found.get("enabled", True),
        password_change_required=_CHOOSE in found.get("requiredActions", ()),
        mail_pending=_MAIL_PENDING in attributes,
        user_id=found["id"],
        owner=owner,
        provider=NAME,
        create_time=owner.create_time if owner else None,
        update_time=stamps.updated(attributes),
    )


def _check_made(place: Place, answer: httpx.Response) -> None:
    """Raise what Keycloak has against a new user."""
    if answer.status_code == HTTPStatus.NOT_FOUND:
        raise organization_not_found(place.home.name, NAME)
    if answer.status_code == HTTPStatus.BAD_REQUEST:
        told = decoded(answer)
        if isinstance(told, dict) and told.get("field") in {"email", "username"}:
            raise email_invalid("is none that Keycloak takes")
        raise refusals.not_understood(NAME, said(answer)[:80] and answer.status_code)
