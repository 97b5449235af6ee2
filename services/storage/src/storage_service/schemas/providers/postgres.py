"""Tenants' places in PostgreSQL: a schema with a role of its own, or rows in the shared schema."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from faults import Invalid
from postgreskit.identifiers import quote
from settingskit import Secret, nested, setting
from storage_service.blueprint.model import Migration
from storage_service.rollouts.model import Target
from storage_service.schemas.model import (
    Applied,
    Location,
    Position,
    Schema,
    Standing,
    Tenant,
)
from storage_service.schemas.providers import catalog, steps
from storage_service.schemas.providers.connections import (
    Address,
    Connections,
    ConnectionSettings,
)
from storage_service.schemas.providers.place import PostgresPlace, end_connections

MAIN = "main"


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """Settings of the database servers that hold tenants' places."""

    url: Secret = setting(
        "TENANT_DATABASE_URL",
        help="Address of the database that holds tenants' schemas, for a role that may create schemas and roles.",
    )
    connections: ConnectionSettings = nested(ConnectionSettings)
    shared_schema: str = setting(
        "SCHEMA_SHARED_NAME", default="tenants_pooled", help="The schema that pooled tenants share."
    )
    pooled_role: str = setting(
        "SCHEMA_POOLED_ROLE",
        default="tenants_pooled",
        help="The role that may read and write the shared schema, one tenant at a time; grant it to the product's.",
    )

    def __post_init__(self) -> None:
        """Refuse addresses that are none."""
        Address(self.url)


class PostgresDatabases:
    """The places of tenants on PostgreSQL servers."""

    name = "schemas"
    provider = "postgres"
    Settings = PostgresSettings

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._servers = {
            MAIN: Connections(MAIN, Address(settings.url), settings.connections, pooled_role=settings.pooled_role)
        }

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
        """Raise a fault when the database does not answer."""
        async with self._servers[MAIN].transaction(readonly=True) as tx:
            await tx.execute("SELECT 1")

    @property
    def pooled_role(self) -> str:
        """The role that tenants share the shared schema through."""
        return self._settings.pooled_role

    def home(self, tenant: Tenant) -> Connections:  # noqa: ARG002 - there is one server
        """The server that holds a tenant's place."""
        return self._servers[MAIN]

    @asynccontextmanager
    async def place(self, tenant: Tenant, *, server: str = "") -> AsyncIterator[PostgresPlace]:
        """Hold a tenant's place."""
        connections = self._connections(server)
        location = self._location(tenant, connections)
        async with connections.transaction(location.schema) as tx:
            await steps.hold(tx, tenant.tenant_id if tenant.pooled else location.schema, connections.lock_timeout)
            found = await catalog.standing(tx, tenant, location)
            yield PostgresPlace(
                tx, tenant, found, pooled_role=self._settings.pooled_role, patience=connections.lock_timeout
            )

    async def look(self, tenant: Tenant, *, server: str = "") -> Standing:
        """What stands at a tenant's names now."""
        connections = self._connections(server)
        location = self._location(tenant, connections)
        async with connections.transaction(location.schema, readonly=True) as tx:
            return await catalog.standing(tx, tenant, location)

    async def end_connections(self, tenant: Tenant) -> int:
        """End what the tenant's role has open."""
        if tenant.pooled:
            return 0
        connections = self._connections("")
        async with connections.transaction(tenant.own_name) as tx:
            # Only who has the rights of a role may end its connections.
            grant = f"GRANT {quote(tenant.own_name)} TO CURRENT_USER WITH INHERIT"
            await tx.execute(f"{grant} TRUE")
            ended = await end_connections(tx, tenant.own_name)
            await tx.execute(f"{grant} FALSE")
            return ended

    async def applied(self, standing: Standing) -> Sequence[Applied]:
        """The migrations a place has."""
        async with self._connections(standing.location.server).transaction(readonly=True) as tx:
            return await catalog.applied(tx, standing.location.schema)

    async def targets(self) -> Sequence[Target]:
        """Every schema that is on record."""
        connections = self._servers[MAIN]
        async with connections.transaction(readonly=True) as tx:
            return await catalog.targets(tx, Location("", "", MAIN, connections.address.database))

    async def migrate(self, target: Target, migration: Migration) -> None:
        """Apply one migration in a transaction of its own, unless the schema has it by now."""
        schema, connections = target.location.schema, self._connections(target.location.server)
        shared_by = self._settings.pooled_role if schema == self._settings.shared_schema else ""
        async with connections.transaction(schema) as tx:
            await steps.hold(tx, schema, connections.lock_timeout)
            if lacking := await steps.lacking(tx, schema, [migration]):
                await steps.apply(tx, schema, lacking, shared_by=shared_by)

    async def list(self, *, tenant_id: str, operation_id: str, after: Position | None, size: int) -> Sequence[Schema]:
        """What the mesh made, in order."""
        connections = self._servers[MAIN]
        where = Location("", "", MAIN, connections.address.database)
        async with connections.transaction(readonly=True) as tx:
            return await catalog.listed(
                tx, tenant_id=tenant_id, operation_id=operation_id, after=after, size=size, where=where
            )

    def address(self, server: str) -> tuple[str, int]:
        """Where tenants reach a server."""
        address = self._connections(server).address
        return address.host, address.port

    def _connections(self, server: str) -> Connections:
        if server not in {"", *self._servers}:
            raise Invalid(
                "There is no database server of that name.", reason="SERVER_UNKNOWN", facts={"server": server}
            )
        return self._servers[server or MAIN]

    def _location(self, tenant: Tenant, connections: Connections) -> Location:
        schema = self._settings.shared_schema if tenant.pooled else tenant.own_name
        role = "" if tenant.pooled else tenant.own_name
        return Location(schema, role, connections.server, connections.address.database)
