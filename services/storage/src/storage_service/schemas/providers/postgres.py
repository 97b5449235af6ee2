"""Tenants' places in PostgreSQL: a schema with a role of its own, or rows in the shared schema."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from faults import Fault
from postgreskit.identifiers import quote
from settingskit import nested, setting
from storage_service.blueprint.model import Migration
from storage_service.rollouts.model import Target
from storage_service.schemas.model import (
    Applied,
    Location,
    Position,
    Schema,
    Standing,
    Tenant,
    Tier,
)
from storage_service.schemas.providers import catalog, steps
from storage_service.schemas.providers.connections import (
    Connections,
    ConnectionSettings,
)
from storage_service.schemas.providers.errors import busy
from storage_service.schemas.providers.own import OwnDatabases
from storage_service.schemas.providers.place import PostgresPlace, end_connections
from storage_service.servers.model import Share, State
from storage_service.servers.providers.registry import Registry
from storage_service.servers.providers.settings import ServersSettings

_STATE = """
SELECT current_setting('server_version') AS version,
       (SELECT sum(pg_database_size(oid)) FROM pg_database WHERE datname = current_database()
        OR datname IN (SELECT name FROM tenantmesh.own_databases))::bigint AS size,
       NOT (pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean) AS writable,
       (SELECT count(*) FROM tenantmesh.places WHERE tier <> 'pooled')
       + (SELECT count(*) FROM tenantmesh.own_databases) AS schemas"""


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """Settings of the database servers that hold tenants' places."""

    servers: ServersSettings = nested(ServersSettings)
    connections: ConnectionSettings = nested(ConnectionSettings)
    shared_schema: str = setting(
        "SCHEMA_SHARED_NAME", default="tenants_pooled", help="The schema that pooled tenants share."
    )
    pooled_role: str = setting(
        "SCHEMA_POOLED_ROLE",
        default="tenants_pooled",
        help="The role that may read and write the shared schema, one tenant at a time; grant it to the product's.",
    )
    own_databases: bool = setting(
        "SCHEMA_OWN_DATABASES", default=False, help="Whether a new silo tenant gets a database of its own."
    )


class PostgresDatabases:
    """The places of tenants on PostgreSQL servers."""

    name = "schemas"
    provider = "postgres"
    Settings = PostgresSettings

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._shares = {
            share: Connections(share.name, address, settings.connections, pooled_role=settings.pooled_role)
            for share, address in settings.servers.servers().items()
        }
        self._servers = {share.name: connections for share, connections in self._shares.items()}
        self._home = next(iter(self._servers.values()))
        self._registry = Registry(self._shares)

    @property
    def reserved(self) -> frozenset[str]:
        """Names that no tenant's schema may have."""
        return frozenset({self._settings.shared_schema, self._settings.pooled_role})

    async def __aenter__(self) -> Self:
        for connections in self._servers.values():
            await self._stack.enter_async_context(connections)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def check(self) -> None:
        """Raise a fault when the server that everything begins at does not answer."""
        async with self._home.transaction(readonly=True) as tx:
            await tx.execute("SELECT 1")

    @property
    def pooled_role(self) -> str:
        """The role that tenants share the shared schema through."""
        return self._settings.pooled_role

    async def server_of(self, tenant: Tenant) -> Connections:
        """The server that holds a tenant's place; the first one, where none does."""
        return self._servers[await self._registry.find(tenant) or self._home.server]

    @asynccontextmanager
    async def place(self, tenant: Tenant, *, server: str = "", operation_id: str = "") -> AsyncIterator[PostgresPlace]:
        """Hold a tenant's place."""
        new = bool(operation_id)
        if new:
            await self._registry.reserve(tenant, server)
        connections = await self.server_of(tenant)
        lone = new and self._settings.own_databases and tenant.tier is Tier.SILO
        holding = self._reserved(tenant, connections, operation_id) if lone else self._found(tenant, connections)
        async with holding as place:
            if new and not await self._still(tenant, place.standing.location):
                raise busy(connections.server, place.standing.location.schema)
            yield place
            gone = place.dropped or (place.standing.empty and not new)
        if gone:
            await self._forget(tenant, connections)

    @asynccontextmanager
    async def _reserved(
        self, tenant: Tenant, connections: Connections, operation_id: str
    ) -> AsyncIterator[PostgresPlace]:
        """Hold a place in a database of the tenant's own, which is made if it is not there."""
        own = OwnDatabases(connections)
        async with own.at(await own.reserve(tenant, operation_id)) as there, self._held(tenant, there) as place:
            yield place

    @asynccontextmanager
    async def _found(self, tenant: Tenant, connections: Connections) -> AsyncIterator[PostgresPlace]:
        """Hold a place where it is: in the common database, which knows of others."""
        async with self._held(tenant, connections) as place:
            if not place.standing.elsewhere:
                yield place
                return
        own = OwnDatabases(connections)
        async with own.at(await own.find(tenant)) as there, self._held(tenant, there) as place:
            yield place

    @asynccontextmanager
    async def _held(self, tenant: Tenant, connections: Connections) -> AsyncIterator[PostgresPlace]:
        location = self._location(tenant, connections)
        async with connections.transaction(location.schema) as tx:
            await steps.hold(tx, tenant.tenant_id if tenant.pooled else location.schema, connections.lock_timeout)
            found = await catalog.standing(tx, tenant, location)
            yield PostgresPlace(tx, tenant, found, pooled_role=self.pooled_role, patience=connections.lock_timeout)

    async def _still(self, tenant: Tenant, location: Location) -> bool:
        """Whether what was reserved for a place was not removed before we held it."""
        if location.own_database and not await OwnDatabases(self._servers[location.server]).stands(tenant):
            return False
        return self._registry.single or await self._registry.find(tenant) == location.server

    async def _forget(self, tenant: Tenant, connections: Connections) -> None:
        """Remove what is around a place, unless one is made again: who makes one holds it as we do here."""
        own = OwnDatabases(connections)
        if not tenant.pooled:
            database = await own.find(tenant)
            if database != connections.address.database:
                async with own.at(database) as there, self._held(tenant, there) as place:
                    if place.standing.empty:
                        await own.condemn(tenant)
            await own.sweep(tenant)
        if self._registry.single:
            return
        async with self._held(tenant, connections) as place:
            if place.standing.empty and not await own.stands(tenant):
                await self._registry.forget(tenant)

    async def look(self, tenant: Tenant, *, server: str = "") -> Standing:
        """What stands at a tenant's names now, or would stand on that server."""
        found = await self._registry.find(tenant)
        own = OwnDatabases(self._servers[found or await self._registry.choose(tenant, server)])
        async with own.at(await own.find(tenant)) as there:
            location = self._location(tenant, there)
            async with there.transaction(location.schema, readonly=True) as tx:
                return await catalog.standing(tx, tenant, location, measured=True)

    async def end_connections(self, tenant: Tenant) -> int:
        """End what the tenant's role has open."""
        if tenant.pooled:
            return 0
        connections = await self.server_of(tenant)
        async with connections.transaction(tenant.own_name) as tx:
            # Only who has the rights of a role may end its connections.
            grant = f"GRANT {quote(tenant.own_name)} TO CURRENT_USER WITH INHERIT"
            await tx.execute(f"{grant} TRUE")
            ended = await end_connections(tx, tenant.own_name)
            await tx.execute(f"{grant} FALSE")
            return ended

    async def applied(self, standing: Standing) -> Sequence[Applied]:
        """The migrations a place has."""
        async with self._at(standing.location) as there, there.transaction(readonly=True) as tx:
            return await catalog.applied(tx, standing.location.schema)

    async def targets(self) -> Sequence[Target]:
        """Every schema that is on record."""
        found: list[Target] = []
        async for there in self._everywhere():
            async with there.transaction(readonly=True) as tx:
                found += await catalog.targets(tx, self._somewhere(there))
        return found

    async def migrate(self, target: Target, migration: Migration) -> None:
        """Apply one migration in a transaction of its own, unless the schema has it by now."""
        schema = target.location.schema
        shared_by = self.pooled_role if schema == self._settings.shared_schema else ""
        async with self._at(target.location) as there, there.transaction(schema) as tx:
            await steps.hold(tx, schema, there.lock_timeout)
            if lacking := await steps.lacking(tx, schema, [migration]):
                await steps.apply(tx, schema, lacking, shared_by=shared_by)

    async def list(self, *, tenant_id: str, operation_id: str, after: Position | None, size: int) -> Sequence[Schema]:
        """What the mesh made, in order."""
        found: list[Schema] = []
        begin = (after.server, after.database) if after else ("", "")
        async with aclosing(self._everywhere(*begin)) as databases:
            async for there in databases:
                where = self._somewhere(there)
                async with there.transaction(readonly=True) as tx:
                    found += await catalog.listed(
                        tx,
                        tenant_id=tenant_id,
                        operation_id=operation_id,
                        after=after if (where.server, where.database) == begin else None,
                        size=size - len(found),
                        where=where,
                    )
                if len(found) == size:
                    break
        return found

    async def states(self) -> Sequence[State]:
        """Every server as it is now, ordered by name."""
        asked = [self._state(share, connections) for share, connections in self._shares.items()]
        return sorted(await asyncio.gather(*asked), key=lambda state: state.share.name)

    async def placement(self, tenant: Tenant) -> tuple[str, bool]:
        """The server of a tenant's place, or the one that would take it now."""
        standing = await self.look(tenant)
        return standing.location.server, not standing.empty

    async def _state(self, share: Share, connections: Connections) -> State:
        try:
            async with connections.transaction(readonly=True) as tx:
                (row,) = await tx.fetch(_STATE)
        except Fault as fault:
            return State(share, available=fault.reason == "SERVER_NOT_WRITABLE", writable=False, detail=fault.message)
        return State(share, available=True, **row)

    def address(self, server: str) -> tuple[str, int]:
        """Where tenants reach a server."""
        address = self._servers[server].address
        return address.host, address.port

    @asynccontextmanager
    async def _at(self, location: Location) -> AsyncIterator[Connections]:
        async with OwnDatabases(self._servers[location.server]).at(location.database) as there:
            yield there

    async def _everywhere(self, server: str = "", database: str = "") -> AsyncGenerator[Connections, None]:
        """Every database that holds places, in order, from that one on."""
        for name, connections in sorted(self._servers.items()):
            if name < server:
                continue
            own = OwnDatabases(connections)
            for one in await own.names():
                if (name, one) >= (server, database):
                    async with own.at(one) as there:
                        yield there

    def _location(self, tenant: Tenant, there: Connections) -> Location:
        schema = self._settings.shared_schema if tenant.pooled else tenant.own_name
        return replace(self._somewhere(there), schema=schema, role="" if tenant.pooled else tenant.own_name)

    def _somewhere(self, there: Connections) -> Location:
        """Where everything in a database is, whatever it is called."""
        database = there.address.database
        common = self._servers[there.server].address.database
        return Location("", "", there.server, database, own_database=database != common)
