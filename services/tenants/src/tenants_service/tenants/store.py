"""The SQL of tenants."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from faults import AlreadyExists, Fault
from postgreskit import OpenPage, Transaction, constraint_faults
from tenants_service.events.model import Event, change_of
from tenants_service.events.store import append
from tenants_service.names.model import name_of
from tenants_service.revisions.model import fields_of
from tenants_service.store import Records, close_fitting, seen_by
from tenants_service.tenants.model import Address, Branding, Contact, Failure, State, Tenant, Tier, not_found

# In this order they are the columns, and the arguments of every statement that writes them.
_COLUMNS = (
    "tenant_id", "key", "display_name", "state", "tier", "parent_tenant_id", "lead_id", "contacts", "domains",
    "address", "branding", "metadata", "tags", "protected", "suspension_reason", "failure", "operation_id",
    "transitions", "revision", "quarantine_expire_time", "create_time", "update_time", "activate_time", "delete_time",
)  # fmt: skip
_NUMBERED = {name: f"${number}" for number, name in enumerate(_COLUMNS, 1)}
_INSERT = f"INSERT INTO tenants ({', '.join(_COLUMNS)}) VALUES ({', '.join(_NUMBERED.values())})"  # noqa: S608 - ours
_UPDATE = (
    "UPDATE tenants SET "  # noqa: S608 - our own names
    + ", ".join(f"{name} = {number}" for name, number in _NUMBERED.items() if name != "tenant_id")
    + " WHERE tenant_id = $1"
)
SELECT = """
SELECT
    tenants.*,
    ARRAY(
        SELECT domain FROM tenant_domains AS d
        WHERE d.tenant_id = tenants.tenant_id AND verify_time IS NOT NULL ORDER BY domain
    ) AS verified_domains
FROM tenants"""
_ONE = f"{SELECT} WHERE tenant_id = $1"
_BY_KEY = (
    f"{SELECT} WHERE delete_time IS NULL"  # noqa: S608 - our own text
    " AND tenant_id = (SELECT tenant_id FROM tenant_keys WHERE name = $1 AND key = $2)"
)
_BY_DOMAIN = (
    f"{SELECT} WHERE delete_time IS NULL"  # noqa: S608 - our own text
    " AND tenant_id = (SELECT tenant_id FROM tenant_domains WHERE domain = $1)"
)
_SUBSCRIBED = (
    "SELECT plan_id, tier FROM subscriptions WHERE tenant_id = $1 AND state IN ('PENDING', 'ACTIVE', 'INACTIVE')"
)
_CHILDREN = "SELECT count(*) FROM tenants WHERE parent_tenant_id = $1 AND delete_time IS NULL"


class TenantStore:
    """The records of tenants, in one transaction."""

    def __init__(self, tx: Transaction, records: Records) -> None:
        self._tx = tx
        self._records = records

    async def find(self, tenant_id: UUID) -> Tenant | None:
        """The tenant, kept from changing until the transaction ends."""
        row = await self._tx.fetchrow(f"{_ONE} FOR UPDATE OF tenants", tenant_id)
        return tenant_in(row) if row else None

    async def find_shared(self, tenant_id: UUID) -> Tenant | None:
        """Any other tenant, kept from changing, to read."""
        async with seen_by(self._tx, tenant_id):
            row = await self._tx.fetchrow(f"{_ONE} FOR SHARE OF tenants", tenant_id)
        return tenant_in(row) if row else None

    async def children(self, tenant_id: UUID) -> int:
        """How many tenants that are not deleted belong to it."""
        async with self._records.everybodys(self._tx):
            return int(await self._tx.fetchval(_CHILDREN, tenant_id))

    async def subscribed(self, tenant_id: UUID) -> tuple[UUID, Tier] | None:
        """The plan of its subscription that is not over, and the tier of that plan."""
        row = await self._tx.fetchrow(_SUBSCRIBED, tenant_id)
        return (row["plan_id"], Tier[row["tier"]]) if row else None

    async def add(self, tenant: Tenant, event_type: str, data: Mapping[str, object]) -> Tenant:
        """Write a new tenant and its event."""
        async with seen_by(self._tx, tenant.tenant_id):
            with constraint_faults({"tenants_pkey": lambda: _id_taken(tenant.tenant_id)}):
                await self._tx.execute(_INSERT, *_values(tenant))
            await append(self._tx, [_event(tenant, event_type, data)])
        return tenant

    async def replace(self, tenant: Tenant, event_type: str, data: Mapping[str, object]) -> Tenant:
        """Write a tenant that was found, under its next revision, and its event."""
        after = replace(tenant, revision=tenant.revision + 1)
        await self._tx.execute(_UPDATE, *_values(after))
        await append(self._tx, [_event(after, event_type, data)])
        return after


async def read(tx: Transaction, tenant_id: UUID) -> Tenant:
    """A tenant, a deleted one as well."""
    return _found(await tx.fetchrow(_ONE, tenant_id), tenant_id=tenant_id)


async def read_by_key(tx: Transaction, key: str) -> Tenant:
    """The tenant that has the key; the transaction sees everybody's."""
    return _found(await tx.fetchrow(_BY_KEY, name_of(key), key), key=key)


async def read_by_domain(tx: Transaction, domain: str) -> Tenant:
    """The tenant that has the domain; the transaction sees everybody's."""
    return _found(await tx.fetchrow(_BY_DOMAIN, domain), domain=domain)


async def read_page(
    tx: Transaction, page: OpenPage, condition: str, arguments: list[object], *, show_deleted: bool
) -> tuple[list[Tenant], str]:
    """Some tenants, and the token of those that follow."""
    shown = "true" if show_deleted else "delete_time IS NULL"
    sql, values = page.select(f"{SELECT} WHERE {shown} AND {condition}", *arguments)
    found = close_fitting(page, await tx.fetch(sql, *values), _size)
    return [tenant_in(row) for row in found.rows], found.next_token


def _size(row: asyncpg.Record) -> int:
    texts = (row["metadata"], row["contacts"], row["failure"] or "", *row["domains"], *row["tags"])
    return sum(map(len, texts))


def tenant_in(row: asyncpg.Record) -> Tenant:
    """The tenant a row holds."""
    values: dict[str, Any] = {name: row[name] for name in _COLUMNS}
    failure = json.loads(row["failure"]) if row["failure"] else None
    values |= {
        "state": State[row["state"]],
        "tier": Tier[row["tier"]],
        "contacts": tuple(Contact(**contact) for contact in json.loads(row["contacts"])),
        "address": Address(**json.loads(row["address"])),
        "branding": Branding(**json.loads(row["branding"])),
        "metadata": json.loads(row["metadata"]),
        "tags": tuple(row["tags"]),
        "failure": failure_in(failure) if failure else None,
        "domains": tuple(row["domains"]),
        "verified_domains": tuple(row["verified_domains"]),
    }
    return Tenant(**values)


def failure_in(failure: Mapping[str, str]) -> Failure:
    """A failure as JSON keeps it."""
    return Failure(**{**failure, "create_time": datetime.fromisoformat(failure["create_time"])})  # type: ignore[arg-type] # its one field that is no text


def _values(tenant: Tenant) -> list[object]:
    failure = tenant.failure
    as_json: dict[str, object] = {
        "contacts": [fields_of(contact) for contact in tenant.contacts],
        "address": fields_of(tenant.address),
        "branding": fields_of(tenant.branding),
        "metadata": dict(tenant.metadata),
    }
    if failure:
        as_json["failure"] = fields_of(failure) | {"create_time": failure.create_time.isoformat()}
    plain = {
        "state": tenant.state.value,
        "tier": tenant.tier.value,
        "domains": list(tenant.domains),
        "tags": list(tenant.tags),
    }
    texts = {name: json.dumps(value) for name, value in as_json.items()}
    return [texts.get(name, plain.get(name, getattr(tenant, name))) for name in _COLUMNS]


def _event(tenant: Tenant, event_type: str, data: Mapping[str, object]) -> Event:
    return change_of(
        "tenant", tenant.tenant_id, event_type, revision=tenant.revision, tenant_id=tenant.tenant_id, data=data
    )


def _found(row: asyncpg.Record | None, **name: object) -> Tenant:
    if row is None:
        raise not_found(**name)
    return tenant_in(row)


def _id_taken(tenant_id: UUID) -> Fault:
    return AlreadyExists("The tenant_id is taken.", reason="TENANT_ID_TAKEN", facts={"tenant_id": tenant_id})
