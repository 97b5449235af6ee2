"""Tenants' places in PostgreSQL: a schema with a role of its own, or rows in the shared schema."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Self

from faults import Invalid
from postgreskit import Transaction
from postgreskit.catalog import tenancy_violations
from postgreskit.identifiers import quote
from settingskit import Secret, nested, setting
from storage_service.blueprint.model import Migration, Template, migration_failed, pending, template_failed
from storage_service.schemas.model import (
    Applied,
    Location,
    Position,
    Record,
    Schema,
    Standing,
    Tenant,
)
from storage_service.schemas.providers import catalog
from storage_service.schemas.providers.connections import (
    Address,
    Connections,
    ConnectionSettings,
)
from storage_service.schemas.providers.scram import verifier_of
from storage_service.schemas.providers.scripts import ScriptFailed, run

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('tenantmesh:{name}', 0))"
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

    @asynccontextmanager
    async def place(self, tenant: Tenant, *, server: str = "") -> AsyncIterator[PostgresPlace]:
        """Hold a tenant's place."""
        connections = self._connections(server)
        location = self._location(tenant, connections)
        async with connections.transaction(location.schema) as tx:
            await tx.execute(
                f"SET LOCAL lock_timeout = {connections.lock_timeout};"
                + _LOCK.format(name=tenant.tenant_id if tenant.pooled else location.schema)
            )
            found = await catalog.standing(tx, tenant, location)
            yield PostgresPlace(tx, tenant, found, pooled_role=self._settings.pooled_role)

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
            ended = await _end_connections(tx, tenant.own_name)
            await tx.execute(f"{grant} FALSE")
            return ended

    async def applied(self, standing: Standing) -> Sequence[Applied]:
        """The migrations a place has."""
        async with self._connections(standing.location.server).transaction(readonly=True) as tx:
            return await catalog.applied(tx, standing.location.schema)

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


class PostgresPlace:
    """One tenant's place, inside one transaction that holds its lock."""

    def __init__(self, tx: Transaction, tenant: Tenant, standing: Standing, *, pooled_role: str) -> None:
        self.standing = standing
        self._tx = tx
        self._tenant = tenant
        self._schema = standing.location.schema
        self._role = pooled_role if tenant.pooled else standing.location.role

    async def build(self, record: Record) -> None:
        """Make the schema, the role and the grants, as far as they are missing."""
        if self._tenant.pooled:
            await self._share()
            return
        comment = _literal(catalog.stamp_text(record.stamp))
        role, schema = quote(self._role), quote(self._schema)
        statements = []
        if not self.standing.role:
            statements += [
                f"CREATE ROLE {role} LOGIN",
                f"COMMENT ON ROLE {role} IS {comment}",
                f"ALTER ROLE {role} SET search_path = {schema}",
                # To act as the tenant, and only when it says so.
                f"GRANT {role} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE",
            ]
        if not self.standing.schema:
            statements += [f"CREATE SCHEMA {schema}", f"COMMENT ON SCHEMA {schema} IS {comment}"]
        await self._tx.execute(";".join([*statements, *_grants(schema, role)]))

    async def migrate(self, migrations: Sequence[Migration]) -> int:
        """Apply what is lacking."""
        lacking = pending(migrations, await self._applied(), self._schema)
        if lacking and self._tenant.pooled:
            await self._hold_shared()
            lacking = pending(migrations, await self._applied(), self._schema)
        if lacking:
            await self._apply(lacking)
        return max([self.standing.version, *(one.version for one in migrations)])

    async def keep(self, record: Record) -> None:
        """Put it on record, and hold the role to it."""
        await catalog.keep(self._tx, record, self.standing.location)
        if self._tenant.pooled:
            return
        role, limits = quote(self._role), record.limits
        login = "LOGIN" if record.access_enabled else "NOLOGIN"
        await self._tx.execute(
            f"ALTER ROLE {role} {login} CONNECTION LIMIT {limits.max_connections};"
            f"ALTER ROLE {role} SET statement_timeout = '{_milliseconds(limits.statement_timeout)}ms';"
            f"ALTER ROLE {role} SET idle_in_transaction_session_timeout"
            f" = '{_milliseconds(limits.idle_in_transaction_timeout)}ms'"
        )

    async def fill(self, template: Template, values: Mapping[str, str]) -> Mapping[str, int]:
        """Run a template as the tenant itself, who can reach nothing else."""
        settings = {"app.tenant_id": self._tenant.tenant_id} | {f"seed.{name}": text for name, text in values.items()}
        await self._tx.execute(f"SET LOCAL search_path = {quote(self._schema)}, public")
        await self._tx.fetch(
            "SELECT set_config(name, value, true) FROM unnest($1::text[], $2::text[]) AS s (name, value)",
            list(settings),
            list(settings.values()),
        )
        await self._tx.execute(f"SET LOCAL ROLE {quote(self._role)}")
        try:
            await run(self._tx, template.scripts)
        except ScriptFailed as failed:
            raise template_failed(template, failed.script.file, failed.statement, failed.line) from failed
        rows = await self._count()
        await self._tx.execute("RESET ROLE")
        return rows

    async def set_password(self, password: str) -> None:
        """Give the role this password, of which the server sees the verifier only."""
        await self._tx.execute(f"ALTER ROLE {quote(self._role)} PASSWORD {_literal(verifier_of(password))}")

    async def measure(self) -> int:
        """How many bytes the schema holds."""
        if self._tenant.pooled:
            return 0
        size = await self._tx.fetchval(f"{catalog.SIZE} quote_ident($1)::regnamespace", self._schema)
        return int(size)

    async def drop(self) -> None:
        """Remove the tenant's rows, or its schema with its role; and the record."""
        if self._tenant.pooled:
            await self._remove_rows()
        else:
            await self._drop_own()
        await self._tx.execute(
            "DELETE FROM tenantmesh.places WHERE schema_name = $1 AND tenant_id = $2",
            self._schema,
            self._tenant.tenant_id,
        )

    async def _applied(self) -> dict[int, str]:
        return {one.version: one.sha256 for one in await catalog.applied(self._tx, self._schema)}

    async def _apply(self, migrations: Sequence[Migration]) -> None:
        await self._tx.execute(f"SET LOCAL search_path = {quote(self._schema)}, public")
        try:
            await run(self._tx, [one.script for one in migrations])
        except ScriptFailed as failed:
            version = next(one.version for one in migrations if one.script == failed.script)
            raise migration_failed(self._schema, version, failed.statement) from failed
        if self._tenant.pooled:
            await self._fence(migrations[-1].version)
        await self._tx.executemany(
            "INSERT INTO tenantmesh.applied_migrations (schema_name, version, file, sha256) VALUES ($1, $2, $3, $4)",
            [(self._schema, one.version, one.script.file, one.script.sha256) for one in migrations],
        )

    async def _share(self) -> None:
        """Make the shared schema, unless somebody was faster."""
        await self._hold_shared()
        schema = quote(self._schema)
        if not await self._tx.fetchval("SELECT 1 FROM pg_namespace WHERE nspname = $1", self._schema):
            await self._tx.execute(
                f"CREATE SCHEMA {schema}; COMMENT ON SCHEMA {schema} IS '{catalog.SHARED}';"
                + ";".join(_grants(schema, quote(self._role)))
            )

    async def _hold_shared(self) -> None:
        await self._tx.execute(_LOCK.format(name=self._schema))

    async def _fence(self, version: int) -> None:
        """Let row-level security stand around every table of the shared schema, or refuse the migration."""
        await self._tx.execute("CALL tenantmesh.fence($1)", self._schema)
        broken = await tenancy_violations(self._tx, role=self._role, schema=self._schema)
        if broken:
            problem = f"The shared schema would not keep tenants apart: {broken[0]}."
            raise migration_failed(self._schema, version, 0, problem)

    async def _count(self) -> dict[str, int]:
        """How many rows of the tenant each table has that it can see."""
        tables = await self._tx.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = quote_ident($1)::regnamespace AND relkind IN ('r', 'p')"
            " AND NOT relispartition AND has_table_privilege(oid, 'SELECT') ORDER BY relname",
            self._schema,
        )
        if not tables:
            return {}
        counts = " UNION ALL ".join(
            f"SELECT {_literal(row[0])}, count(*) FROM {quote(self._schema)}.{quote(row[0])}"  # noqa: S608 - quoted
            for row in tables
        )
        return {row[0]: row[1] for row in await self._tx.fetch(counts)}

    async def _remove_rows(self) -> None:
        """Remove every row of a pooled tenant, those first that point to others."""
        for table in reversed(await catalog.tables(self._tx, self._schema)):
            await self._tx.execute(
                f"DELETE FROM {quote(self._schema)}.{quote(table)} WHERE tenant_id = $1",  # noqa: S608 - quoted
                self._tenant.tenant_id,
            )

    async def _drop_own(self) -> None:
        role, schema = quote(self._role), quote(self._schema)
        if self.standing.role:
            await self._tx.execute(f"ALTER ROLE {role} NOLOGIN; GRANT {role} TO CURRENT_USER WITH INHERIT TRUE")
            await _end_connections(self._tx, self._role)
        await self._tx.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        if self.standing.role:
            await self._tx.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
        await self._tx.execute("DELETE FROM tenantmesh.applied_migrations WHERE schema_name = $1", self._schema)


async def _end_connections(tx: Transaction, role: str) -> int:
    ended = await tx.fetchval(
        "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE usename = $1", role
    )
    return int(ended)


def _grants(schema: str, role: str) -> list[str]:
    """What a role may do in its schema: use every table, now and later, and make none."""
    tables, sequences = "SELECT, INSERT, UPDATE, DELETE ON {} TO", "USAGE, SELECT, UPDATE ON {} TO"
    return [
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        *(
            statement
            for rights, things in ((tables, "TABLES"), (sequences, "SEQUENCES"))
            for statement in (
                f"GRANT {rights.format(f'ALL {things} IN SCHEMA {schema}')} {role}",
                f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {rights.format(things)} {role}",
            )
        ),
    ]


def _literal(text: str) -> str:
    """A text as SQL text, whatever is in it."""
    return "'{}'".format(text.replace("'", "''"))


def _milliseconds(span: timedelta | None) -> int:
    return int((span or timedelta(0)) / timedelta(milliseconds=1))
