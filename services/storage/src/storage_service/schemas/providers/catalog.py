"""Reading from a database what stands there: its own catalogue, the mesh's stamps on it, and the mesh's records."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from graphlib import CycleError, TopologicalSorter
from typing import Any

import asyncpg

from postgreskit import Transaction
from storage_service.rollouts.model import Target
from storage_service.schemas.model import (
    Applied,
    HandOver,
    Limits,
    Location,
    Position,
    Record,
    Schema,
    Seed,
    Stamp,
    Standing,
    Tenant,
    Tier,
)

SHARED = "tenantmesh shared"
"""The comment on the shared schema."""
_STAMP = "tenantmesh "

_RECORD = """
    p.tenant_id, p.tenant_key, p.tier, p.operation_id, p.seed, p.hand_over, p.create_time, p.update_time,
    p.access_enabled, p.max_connections, p.statement_timeout, p.idle_timeout,
    (SELECT max(version) FROM tenantmesh.applied_migrations AS m WHERE m.schema_name = p.schema_name) AS version"""
# What the role itself says counts more than what is on record.
_ROLE = "r.rolcanlogin, r.rolconnlimit, r.rolconfig"
# Through pg_depend, which is indexed by schema as pg_class is not: a database with thousands of schemas is large.
WITHIN = """pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_namespace'::regclass AND d.refobjid ="""
SIZE = f"SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM {WITHIN}"  # noqa: S608 - constants
_SIZE_OF = f"{SIZE} to_regnamespace(quote_ident($1::text))::oid"

# Whatever makes a schema lets every plan be made again, so this one is kept easy to plan.
_STANDING = f"""
SELECT here.schema IS NOT NULL AS schema, obj_description(here.schema, 'pg_namespace') AS schema_comment,
       r.oid IS NOT NULL AS role, shobj_description(r.oid, 'pg_authid') AS role_comment, {_ROLE}, {_RECORD},
       EXISTS (SELECT FROM tenantmesh.own_databases AS o WHERE $3 AND o.name = $1) AS own_database
FROM (SELECT to_regnamespace(quote_ident($1::text))::oid AS schema) AS here
LEFT JOIN pg_roles AS r ON $3 AND r.rolname = $1
LEFT JOIN tenantmesh.places AS p ON p.schema_name = $1 AND p.tenant_id = $2"""  # noqa: S608 - constants

_LIST = f"""
SELECT n.nspname AS name, obj_description(n.oid, 'pg_namespace') AS schema_comment, ({SIZE} n.oid) AS size,
       {_ROLE}, {_RECORD}
FROM tenantmesh.places AS p
JOIN pg_namespace AS n ON n.nspname = p.schema_name
LEFT JOIN pg_roles AS r ON r.rolname = p.schema_name AND p.tier <> 'pooled'
WHERE ($1 = '' OR p.tenant_id = nullif($1, '')::uuid) AND ($2 = '' OR p.operation_id = $2)
AND (p.schema_name, p.tenant_id) > ($3, $4)
ORDER BY p.schema_name, p.tenant_id LIMIT $5"""  # noqa: S608 - constants


def stamp_text(stamp: Stamp) -> str:
    """A stamp as it is written on a schema, a role or a database."""
    return _STAMP + _to_json(stamp)


def stamp_from(comment: str | None) -> Stamp | None:
    """The stamp in a comment; None where it is no stamp."""
    try:
        values = json.loads((comment or "").removeprefix(_STAMP) if (comment or "").startswith(_STAMP) else "")
        return Stamp(values["tenant_id"], values["operation_id"], datetime.fromisoformat(values["time"]))
    except (ValueError, KeyError, TypeError):
        return None


async def standing(tx: Transaction, tenant: Tenant, location: Location, *, measured: bool = False) -> Standing:
    """What stands at the names of a tenant's place; `measured` counts its bytes, which costs more than all the rest."""
    (row,) = await tx.fetch(_STANDING, location.schema, tenant.tenant_id, not tenant.pooled)
    record = _record(row) if row["tier"] else None
    found = Standing(
        location=location,
        record=record,
        schema=row["schema"],
        role=row["role"] or tenant.pooled,
        version=row["version"] or 0,
        size=await tx.fetchval(_SIZE_OF, location.schema) if measured and not tenant.pooled else 0,
        elsewhere=row["own_database"],
    )
    if tenant.pooled:
        foreign = row["schema"] and row["schema_comment"] != SHARED
        return replace(found, foreign="unknown" if foreign else "")
    comments = [row[f"{thing}_comment"] for thing in ("schema", "role") if row[thing]]
    stamps = [stamp_from(comment) for comment in comments]
    owners = {stamp.tenant_id if stamp else "" for stamp in stamps}
    foreign = "unknown" if "" in owners else "another_tenant" if owners - {tenant.tenant_id} else ""
    return replace(found, foreign=foreign, stamp=next(iter(stamps), None))


async def listed(
    tx: Transaction, *, tenant_id: str, operation_id: str, after: Position | None, size: int, where: Location
) -> list[Schema]:
    """The places on record in this database, behind a position."""
    begin = (after.schema, after.tenant_id) if after else ("", "00000000-0000-0000-0000-000000000000")
    rows = await tx.fetch(_LIST, tenant_id, operation_id, *begin, size)
    return [_listed(row, where) for row in rows]


async def keep(tx: Transaction, record: Record, location: Location) -> None:
    """Put a record in its row."""
    await tx.execute(
        """
        INSERT INTO tenantmesh.places AS p (
            schema_name, tenant_id, tenant_key, tier, operation_id, max_connections, statement_timeout, idle_timeout,
            access_enabled, seed, hand_over, create_time, update_time)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        ON CONFLICT (schema_name, tenant_id) DO UPDATE SET
            tenant_key = excluded.tenant_key, tier = excluded.tier, operation_id = excluded.operation_id,
            max_connections = excluded.max_connections, statement_timeout = excluded.statement_timeout,
            idle_timeout = excluded.idle_timeout, access_enabled = excluded.access_enabled, seed = excluded.seed,
            hand_over = excluded.hand_over, create_time = excluded.create_time, update_time = excluded.update_time""",
        location.schema,
        record.tenant.tenant_id,
        record.tenant.key,
        record.tenant.tier.value,
        record.stamp.operation_id,
        record.limits.max_connections,
        record.limits.statement_timeout,
        record.limits.idle_in_transaction_timeout,
        record.access_enabled,
        _json(record.seed),
        _json(record.hand_over),
        record.stamp.time,
        record.update_time,
    )


async def tables(tx: Transaction, schema: str) -> list[tuple[str, ...]]:
    """The tables of a schema, each behind those it points to; those that point at each other stand together."""
    names = await tx.fetch(
        f"SELECT c.relname FROM {WITHIN} quote_ident($1)::regnamespace"  # noqa: S608 - constants
        " AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname",
        schema,
    )
    pointing = await tx.fetch(
        f"SELECT c.relname, f.relname FROM {WITHIN} quote_ident($1)::regnamespace".replace(  # noqa: S608 - constants
            "WHERE",
            "JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'f'"
            " JOIN pg_class AS f ON f.oid = k.confrelid AND f.oid <> c.oid WHERE",
        ),
        schema,
    )
    targets: dict[str, set[str]] = {row[0]: set() for row in names}
    for here, there in pointing:
        if here in targets and there in targets:
            targets[here].add(there)
    return in_order(targets)


def in_order(targets: Mapping[str, Collection[str]]) -> list[tuple[str, ...]]:
    """Names, each behind those it points to; those that point at each other, over however many, stand together."""
    groups = {name: (name,) for name in targets}
    while True:
        order: TopologicalSorter[tuple[str, ...]] = TopologicalSorter()
        for name, there in targets.items():
            order.add(groups[name], *sorted({groups[one] for one in there} - {groups[name]}))
        try:
            return list(order.static_order())
        except CycleError as error:
            together = tuple(sorted({name for group in error.args[1] for name in group}))
            groups |= dict.fromkeys(together, together)


async def applied(tx: Transaction, schema: str) -> list[Applied]:
    """The migrations a schema has."""
    rows = await tx.fetch(
        "SELECT version, file, sha256, apply_time FROM tenantmesh.applied_migrations"
        " WHERE schema_name = $1 ORDER BY version",
        schema,
    )
    return [_applied(row) for row in rows]


async def targets(tx: Transaction, where: Location) -> list[Target]:
    """Every schema of this database that is on record, in order, each with its migrations."""
    rows = await tx.fetch(
        "SELECT DISTINCT schema_name, CASE WHEN tier = 'pooled' THEN NULL ELSE tenant_id END AS tenant_id"
        " FROM tenantmesh.places WHERE to_regnamespace(quote_ident(schema_name)) IS NOT NULL ORDER BY schema_name"
    )
    had: defaultdict[str, list[Applied]] = defaultdict(list)
    for row in await tx.fetch("SELECT * FROM tenantmesh.applied_migrations ORDER BY schema_name, version"):
        had[row["schema_name"]].append(_applied(row))
    return [
        Target(
            replace(where, schema=row["schema_name"], role=row["schema_name"] if row["tenant_id"] else ""),
            str(row["tenant_id"] or ""),
            had[row["schema_name"]],
        )
        for row in rows
    ]


def _applied(row: asyncpg.Record) -> Applied:
    return Applied(row["version"], row["file"].removesuffix(".sql"), row["sha256"], row["apply_time"])


def _listed(row: asyncpg.Record, where: Location) -> Schema:
    own = row["tier"] != Tier.POOLED.value
    location = replace(where, schema=row["name"], role=row["name"] if own else "")
    return Schema(location, _record(row), row["version"] or 0, row["size"] if own else 0, "postgres")


def _record(row: asyncpg.Record) -> Record:
    connections, settings = row["rolconnlimit"], dict(one.split("=", 1) for one in row["rolconfig"] or ())
    tenant = Tenant(str(row["tenant_id"]), row["tenant_key"], Tier(row["tier"]))
    return Record(
        tenant=tenant,
        stamp=Stamp(tenant.tenant_id, row["operation_id"], row["create_time"]),
        limits=Limits(
            row["max_connections"] if connections in {None, -1} else connections,
            _span(settings.get("statement_timeout")) or row["statement_timeout"],
            _span(settings.get("idle_in_transaction_session_timeout")) or row["idle_timeout"],
        ),
        update_time=row["update_time"],
        access_enabled=row["access_enabled"] if row["rolcanlogin"] is None else row["rolcanlogin"],
        seed=_seed(row["seed"]),
        hand_over=_hand_over(json.loads(row["hand_over"])),
    )


def _span(text: str | None) -> timedelta | None:
    """A span as the service writes it; what somebody else wrote in another unit is on record at least."""
    number = (text or "").removesuffix("ms")
    return timedelta(milliseconds=int(number)) if number.isdecimal() else None


def _seed(text: str | None) -> Seed | None:
    if text is None:
        return None
    values: Mapping[str, Any] = json.loads(text)
    return Seed(**{**values, "time": datetime.fromisoformat(values["time"])})


def _hand_over(values: Mapping[str, Any]) -> HandOver:
    times = {name: _time(values[name]) for name in ("expire_time", "claim_time")}
    return HandOver(**{**values, **times})


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _json(value: Seed | HandOver | None) -> str | None:
    return None if value is None else _to_json(value)


def _to_json(value: Seed | HandOver | Stamp) -> str:
    return json.dumps({one.name: getattr(value, one.name) for one in fields(value)}, default=datetime.isoformat)
