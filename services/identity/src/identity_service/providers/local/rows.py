"""The SQL of the local directory, and its rows as the domain knows them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import fields
from datetime import timedelta
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

import asyncpg

from identity_service.model import (
    BruteForceProtection,
    Client,
    ClientType,
    Organization,
    OrganizationSettings,
    Owner,
    SecondFactor,
    Tier,
    User,
    changed,
)
from postgreskit import Transaction

Row = asyncpg.Record
_NAME: Final = "local"

NAMED: Final = "SELECT * FROM local_names WHERE name = $1 AND shared = $2"
TAKE_NAME: Final = """
INSERT INTO local_names (name, shared, tenant_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true"""
LEAVE_NAME: Final = "DELETE FROM local_names WHERE name = $1 AND shared = $2 AND tenant_id = $3"
ORGANIZATION: Final = "SELECT * FROM local_organizations WHERE tenant_id = $1 AND shared = $2"
HOLD_ORGANIZATION: Final = f"{ORGANIZATION} FOR SHARE"
ORGANIZATIONS: Final = "SELECT * FROM local_organizations"
ADD_ORGANIZATION: Final = """
INSERT INTO local_organizations (
    tenant_id, shared, name, tenant_key, tier, display_name, domains, settings, enabled, operation_id, stamp_time,
    create_time, update_time
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING *"""
CHANGE_ORGANIZATION: Final = """
UPDATE local_organizations SET tier = $3, display_name = $4, domains = $5, settings = $6, update_time = $7
WHERE tenant_id = $1 AND shared = $2 RETURNING *"""
SET_ENABLED: Final = """
UPDATE local_organizations SET enabled = $3, update_time = $4
WHERE tenant_id = $1 AND shared = $2 AND enabled <> $3"""
REMOVE_ORGANIZATION: Final = "DELETE FROM local_organizations WHERE tenant_id = $1 AND shared = $2"
COUNTS: Final = """
SELECT count(*) FILTER (WHERE NOT shared) AS realms, count(*) FILTER (WHERE shared) AS organizations
FROM local_organizations"""

CLIENTS: Final = "SELECT * FROM local_clients WHERE tenant_id = $1 AND shared = $2"
ALL_CLIENTS: Final = "SELECT * FROM local_clients WHERE shared"
CLIENT: Final = f"{CLIENTS} AND name = $3"
ADD_CLIENT: Final = """
INSERT INTO local_clients (
    tenant_id, shared, name, client_id, display_name, type, redirect_uris, web_origins, enabled, secret_create_time,
    operation_id, stamp_time, create_time, update_time, secret_digest
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING RETURNING *"""
CHANGE_CLIENT: Final = """
UPDATE local_clients SET display_name = $4, type = $5, redirect_uris = $6, web_origins = $7, update_time = $8
WHERE tenant_id = $1 AND shared = $2 AND name = $3 RETURNING *"""
ROTATE: Final = """
UPDATE local_clients SET
    previous_secret_digest = CASE WHEN $6::timestamptz IS NULL THEN NULL ELSE secret_digest END,
    previous_secret_expire_time = $6, secret_digest = $4, secret_create_time = $5, update_time = $5
WHERE tenant_id = $1 AND shared = $2 AND name = $3 AND secret_digest IS DISTINCT FROM $4"""
REMOVE_CLIENT: Final = "DELETE FROM local_clients WHERE tenant_id = $1 AND shared = $2 AND name = $3"

USERS: Final = "SELECT * FROM local_users WHERE tenant_id = $1 AND shared = $2"
ALL_USERS: Final = "SELECT * FROM local_users WHERE shared"
USER: Final = f"{USERS} AND (email = $3 OR user_id::text = $4)"
ADD_USER: Final = """
INSERT INTO local_users (
    tenant_id, shared, email, given_name, family_name, language, email_verified, enabled, password_change_required,
    operation_id, stamp_time, create_time, update_time, password_hash
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING RETURNING *"""
CHANGE_USER: Final = """
UPDATE local_users SET given_name = $4, family_name = $5, language = $6, email_verified = $7, update_time = $8
WHERE tenant_id = $1 AND shared = $2 AND email = $3 RETURNING *"""
REMOVE_USER: Final = "DELETE FROM local_users WHERE tenant_id = $1 AND shared = $2 AND email = $3"
ASSIGN: Final = """
UPDATE local_users SET roles = array_append(roles, $4), update_time = $5
WHERE tenant_id = $1 AND shared = $2 AND email = $3 AND NOT $4 = ANY (roles) RETURNING true"""
REVOKE: Final = """
UPDATE local_users SET roles = array_remove(roles, $4), update_time = $5
WHERE tenant_id = $1 AND shared = $2 AND email = $3 AND $4 = ANY (roles) RETURNING true"""


class Records(Protocol):
    """The database, as the directory uses it."""

    def of(self, tenant_id: str | UUID) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that sees one tenant's rows."""
        ...

    def of_all(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that sees everybody's rows."""
        ...


class Place(NamedTuple):
    """Where the rows of an organization are: the first two arguments of nearly every statement."""

    tenant_id: UUID
    shared: bool


def place_of(organization: Organization) -> Place:
    """Where its rows are."""
    if organization.owner is None:
        msg = "every organization of the local directory is somebody's"
        raise ValueError(msg)
    return Place(UUID(organization.owner.tenant_id), organization.tier is Tier.POOLED)


def there(row: Row | None, name: str) -> Row:
    """The row; CONCURRENT_CHANGE where somebody removed it meanwhile."""
    if row is None:
        raise changed(name)
    return row


def organization_values(one: Organization) -> Sequence[object]:
    """The arguments of ADD_ORGANIZATION."""
    tier, *rest = organization_said(one)
    return [*place_of(one), one.name, one.tenant_key, tier, *rest, one.enabled, *_stamp(one)]


def organization_said(one: Organization) -> Sequence[object]:
    """What a caller can change."""
    return [one.tier.value, one.display_name, list(one.domains), _written(one.settings)]


def organization_in(row: Row) -> Organization:
    """The organization of a row."""
    return Organization(
        name=row["name"],
        tenant_key=row["tenant_key"],
        tier=Tier(row["tier"]),
        domains=tuple(row["domains"]),
        settings=_read(row["settings"]),
        shard=_NAME,
        provider_id=str(row["provider_id"]),
        **_common(row, "display_name", "enabled"),
    )


def client_values(one: Client) -> Sequence[object]:
    """The arguments of ADD_CLIENT, but for the place and the secret."""
    made = one.create_time if one.type is ClientType.CONFIDENTIAL else None
    return [one.name, one.client_id, *client_said(one), one.enabled, made, *_stamp(one)]


def client_said(one: Client) -> Sequence[object]:
    """What a caller can change."""
    return [one.display_name, one.type.value, list(one.redirect_uris), list(one.web_origins)]


def client_in(row: Row) -> Client:
    """The client of a row."""
    return Client(
        name=row["name"],
        client_id=row["client_id"],
        type=ClientType(row["type"]),
        redirect_uris=tuple(row["redirect_uris"]),
        web_origins=tuple(row["web_origins"]),
        provider_id=str(row["provider_id"]),
        **_common(row, "display_name", "enabled", "secret_create_time", "previous_secret_expire_time"),
    )


def user_values(one: User) -> Sequence[object]:
    """The arguments of ADD_USER, but for the place and the password."""
    return [one.email, *user_said(one), one.enabled, one.password_change_required, *_stamp(one)]


def user_said(one: User) -> Sequence[object]:
    """What a caller can change."""
    return [one.given_name, one.family_name, one.language, one.email_verified]


def user_in(row: Row) -> User:
    """The user of a row."""
    names = ("email", "given_name", "family_name", "language", "email_verified", "enabled", "password_change_required")
    return User(user_id=str(row["user_id"]), roles=tuple(row["roles"]), **_common(row, *names))


def _stamp(one: Organization | Client | User) -> Sequence[object]:
    if one.owner is None:
        msg = "nothing in the local directory is without an owner"
        raise ValueError(msg)
    return [one.owner.operation_id, one.owner.create_time, one.create_time, one.update_time]


def _common(row: Row, *names: str) -> dict[str, Any]:
    owner = Owner(str(row["tenant_id"]), row["operation_id"], row["stamp_time"])
    values = {name: row[name] for name in (*names, "create_time", "update_time")}
    return {**values, "owner": owner, "provider": _NAME}


def _written(settings: OrganizationSettings | None) -> str | None:
    if settings is None:
        return None
    protection = settings.brute_force_protection
    values = {one.name: _plain(getattr(settings, one.name)) for one in fields(settings)}
    limits = {one.name: _plain(getattr(protection, one.name)) for one in fields(protection)}
    return json.dumps({**values, "brute_force_protection": limits})


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.value if isinstance(value, SecondFactor) else value if isinstance(value, str | int) else None


def _read(text: str | None) -> OrganizationSettings | None:
    if text is None:
        return None
    values = json.loads(text)
    limits = values.pop("brute_force_protection")
    spans = ("access_token_lifetime", "session_idle_timeout", "session_lifetime")
    protection = BruteForceProtection(
        limits["max_failures"], *(timedelta(seconds=limits[name]) for name in ("min_wait", "max_wait", "reset_time"))
    )
    return OrganizationSettings(
        **{
            **values,
            **{name: timedelta(seconds=values[name]) for name in spans},
            "second_factor": SecondFactor(values["second_factor"]),
            "brute_force_protection": protection,
        }
    )
