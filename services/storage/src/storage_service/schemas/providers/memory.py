"""Tenants' places in this process's memory: for mock mode, for tests and for a first look. Nobody can sign in there."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from faults import Invalid
from settingskit import setting
from storage_service.blueprint.model import Migration, Template, pending
from storage_service.rollouts.model import Target
from storage_service.schemas.model import Applied, Location, Position, Record, Schema, Standing, Tenant
from storage_service.servers.model import Share, State

MAIN = "main"


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """Settings of places in memory."""

    shared_schema: str = setting(
        "SCHEMA_SHARED_NAME", default="tenants_pooled", help="The schema that pooled tenants share."
    )


@dataclass(slots=True)
class _Shelf:
    """Everything there is."""

    records: dict[tuple[str, str], Record] = field(default_factory=dict)
    """By schema and tenant."""
    applied: dict[str, dict[int, Applied]] = field(default_factory=dict)
    """By schema and version."""
    foreign: frozenset[str] = frozenset()
    """Names that somebody else has."""


class MemoryDatabases:
    """Places that last as long as the process."""

    name = "schemas"
    provider = "memory"
    Settings = MemorySettings

    def __init__(self, settings: MemorySettings, foreign: Iterable[str] = ()) -> None:
        self._shared = settings.shared_schema
        self._shelf = _Shelf(foreign=frozenset(foreign))
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def reserved(self) -> frozenset[str]:
        """Names that no tenant's schema may have."""
        return frozenset({self._shared})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shelf = _Shelf()

    async def check(self) -> None:
        """Memory is always there."""

    @asynccontextmanager
    async def place(
        self,
        tenant: Tenant,
        *,
        server: str = "",
        operation_id: str = "",  # noqa: ARG002 - there is one server
    ) -> AsyncIterator[MemoryPlace]:
        """Hold a tenant's place; what was done to it counts when the block ends well."""
        async with self._locks[self._schema_of(tenant)]:
            place = MemoryPlace(await self.look(tenant, server=server), self._applied(tenant))
            yield place
            key = (place.standing.location.schema, tenant.tenant_id)
            if place.dropped:
                self._shelf.records.pop(key, None)
            elif place.record is not None:
                self._shelf.records[key] = place.record
            self._shelf.applied[key[0]] = place.applied

    async def look(self, tenant: Tenant, *, server: str = "") -> Standing:
        """What stands at a tenant's names now."""
        if server not in {"", MAIN}:
            raise Invalid(
                "There is no database server of that name.", reason="SERVER_UNKNOWN", facts={"server": server}
            )
        schema = self._schema_of(tenant)
        held = [record for (name, _), record in self._shelf.records.items() if name == schema]
        record = self._shelf.records.get((schema, tenant.tenant_id))
        taken = bool(held) and record is None and not tenant.pooled
        return Standing(
            self._location(tenant),
            record,
            record.stamp if record else None,
            foreign="unknown" if schema in self._shelf.foreign else "another_tenant" if taken else "",
            schema=bool(held),
            role=bool(held),
            version=max(self._applied(tenant), default=0),
        )

    async def end_connections(self, tenant: Tenant) -> int:  # noqa: ARG002 - nobody has any
        """There are none."""
        return 0

    async def applied(self, standing: Standing) -> Sequence[Applied]:
        """The migrations a place has."""
        return list(self._shelf.applied.get(standing.location.schema, {}).values())

    async def targets(self) -> Sequence[Target]:
        """Every schema there is."""
        owners = {
            schema: record.tenant for (schema, _), record in sorted(self._shelf.records.items(), key=lambda one: one[0])
        }
        return [
            Target(
                self._location(tenant),
                "" if tenant.pooled else tenant.tenant_id,
                list(self._shelf.applied.get(schema, {}).values()),
            )
            for schema, tenant in owners.items()
        ]

    async def migrate(self, target: Target, migration: Migration) -> None:
        """Remember it."""
        had = self._shelf.applied.setdefault(target.location.schema, {})
        had[migration.version] = _applied(migration)

    async def list(self, *, tenant_id: str, operation_id: str, after: Position | None, size: int) -> Sequence[Schema]:
        """What the mesh made, in order."""
        begin = (after.schema, after.tenant_id) if after else ("", "")
        chosen = [
            (schema, record)
            for (schema, tenant), record in sorted(self._shelf.records.items(), key=lambda one: one[0])
            if tenant_id in {"", tenant}
            and operation_id in {"", record.stamp.operation_id}
            and (schema, tenant) > begin
        ]
        return [
            Schema(self._location(record.tenant), record, max(self._shelf.applied[schema], default=0), 0, self.provider)
            for schema, record in chosen[:size]
        ]

    async def states(self) -> Sequence[State]:
        """There is one."""
        own = sum(not record.tenant.pooled for record in self._shelf.records.values())
        return [State(Share(MAIN), available=True, schemas=own)]

    async def placement(self, tenant: Tenant) -> tuple[str, bool]:
        """There is one."""
        return MAIN, not (await self.look(tenant)).empty

    def address(self, server: str) -> tuple[str, int]:  # noqa: ARG002 - there is one
        """Nowhere."""
        return "memory.invalid", 5432

    def _schema_of(self, tenant: Tenant) -> str:
        return self._shared if tenant.pooled else tenant.own_name

    def _location(self, tenant: Tenant) -> Location:
        schema = self._schema_of(tenant)
        return Location(schema, "" if tenant.pooled else schema, MAIN, "memory")

    def _applied(self, tenant: Tenant) -> dict[int, Applied]:
        return dict(self._shelf.applied.get(self._schema_of(tenant), {}))


class MemoryPlace:
    """One tenant's place, as it will be when the block ends."""

    def __init__(self, standing: Standing, applied: dict[int, Applied]) -> None:
        self.standing = standing
        self.record = standing.record
        self.applied = applied
        self.dropped = False

    async def build(self, record: Record, migrations: Sequence[Migration]) -> int:
        """Make it."""
        self.record = record
        return await self.migrate(migrations)

    async def migrate(self, migrations: Sequence[Migration]) -> int:
        """Remember which migrations it has."""
        known = {version: one.sha256 for version, one in self.applied.items()}
        for one in pending(migrations, known, self.standing.location.schema):
            self.applied[one.version] = _applied(one)
        return max(self.applied, default=0)

    async def keep(self, record: Record) -> None:
        """Put it on record."""
        self.record = replace(record)

    async def fill(self, template: Template, values: Mapping[str, str]) -> Mapping[str, int]:  # noqa: ARG002 - no rows
        """Memory has no rows."""
        return {}

    async def set_password(self, password: str) -> None:
        """Nobody signs in."""

    async def drop(self) -> None:
        """Remove it."""
        self.dropped = True
        if self.standing.location.role:
            self.applied = {}


def _applied(migration: Migration) -> Applied:
    return Applied(migration.version, migration.name, migration.script.sha256, datetime.now(UTC))
