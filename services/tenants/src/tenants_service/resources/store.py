"""The SQL of resources."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import asyncpg

from postgreskit import OpenPage, Transaction
from tenants_service.events.model import Event, change_of
from tenants_service.events.store import append
from tenants_service.resources.model import Made, Name, Resource
from tenants_service.store import close_fitting

_FIND = """
SELECT resources.* FROM resources
JOIN unnest($2::text[], $3::text[], $4::text[]) AS wanted (type, provider, identifier)
    USING (type, provider, identifier)
WHERE tenant_id = $1"""
_INSERT = """
INSERT INTO resources (
    tenant_id, resource_id, type, provider, identifier, uri, metadata, operation_id, revision, create_time, update_time
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"""
_UPDATE = """
UPDATE resources SET uri = $3, metadata = $4, revision = $5, update_time = $6
WHERE tenant_id = $1 AND resource_id = $2"""
_REMOVE = """
DELETE FROM resources
WHERE tenant_id = $1 AND (resource_id = ANY ($2) OR cardinality($2::uuid[]) = 0) AND (operation_id = $3 OR $3 = '')
RETURNING *"""


class ResourceStore:
    """The records of one tenant's resources, in one transaction that sees that tenant's rows."""

    def __init__(self, tx: Transaction, tenant_id: UUID) -> None:
        self._tx = tx
        self._tenant_id = tenant_id

    async def find(self, names: Iterable[Name]) -> Mapping[Name, Resource]:
        """Those of the names that are on record."""
        rows = await self._tx.fetch(_FIND, self._tenant_id, *map(list, zip(*names, strict=True)))
        found = map(_resource_in, rows)
        return {one.made.name: one for one in found}

    async def identifiers(self, count: int) -> Sequence[UUID]:
        """Identifiers for new records, in the order of time."""
        rows = await self._tx.fetch("SELECT uuidv7() FROM generate_series(1, $1)", count)
        return sorted(row[0] for row in rows)

    async def write(self, added: Sequence[Resource], changed: Sequence[Resource]) -> None:
        """Write records that are new and records that have changed, and their events."""
        await self._tx.executemany(_INSERT, map(_values, added))
        await self._tx.executemany(
            _UPDATE,
            [
                (
                    one.tenant_id,
                    one.resource_id,
                    one.made.uri,
                    json.dumps(one.made.metadata),
                    one.revision,
                    one.update_time,
                )
                for one in changed
            ],
        )
        await append(self._tx, [_event(one, "resource.recorded") for one in added])
        await append(self._tx, [_event(one, "resource.updated") for one in changed])

    async def remove(self, resource_ids: Sequence[UUID], operation_id: str) -> int:
        """Remove records, and append their events; answer how many there were."""
        rows = await self._tx.fetch(_REMOVE, self._tenant_id, resource_ids, operation_id)
        gone = [_resource_in(row) for row in rows]
        await append(self._tx, [_event(one, "resource.removed", revision=one.revision + 1) for one in gone])
        return len(gone)


async def read_page(
    tx: Transaction, page: OpenPage, *, kind: str, provider: str, operation_id: str
) -> tuple[list[Resource], str]:
    """Some of the records the transaction sees, and the token of those that follow."""
    wanted = {"type": kind, "provider": provider, "operation_id": operation_id}
    given = {column: value for column, value in wanted.items() if value}
    conditions = ["true", *(f"{column} = ${number}" for number, column in enumerate(given, 1))]
    sql, values = page.select(f"SELECT * FROM resources WHERE {' AND '.join(conditions)}", *given.values())  # noqa: S608 - our own names
    found = close_fitting(page, await tx.fetch(sql, *values), lambda row: len(row["uri"]) + len(row["metadata"]))
    return [_resource_in(row) for row in found.rows], found.next_token


def _resource_in(row: asyncpg.Record) -> Resource:
    name = Name(row["type"], row["provider"], row["identifier"])
    return Resource(
        resource_id=row["resource_id"],
        tenant_id=row["tenant_id"],
        made=Made(name, row["uri"], json.loads(row["metadata"])),
        operation_id=row["operation_id"],
        create_time=row["create_time"],
        update_time=row["update_time"],
        revision=row["revision"],
    )


def _values(one: Resource) -> tuple[object, ...]:
    return (
        one.tenant_id, one.resource_id, *one.made.name, one.made.uri, json.dumps(one.made.metadata), one.operation_id,
        one.revision, one.create_time, one.update_time,
    )  # fmt: skip


def _event(one: Resource, event_type: str, *, revision: int = 0) -> Event:
    return change_of(
        "resource",
        one.resource_id,
        event_type,
        revision=revision or one.revision,
        tenant_id=one.tenant_id,
        data={**one.made.name._asdict(), "operation_id": one.operation_id},
    )
