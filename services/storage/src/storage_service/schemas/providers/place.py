"""One tenant's place in PostgreSQL, inside one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from postgreskit import Transaction
from postgreskit.identifiers import quote
from storage_service.blueprint.model import Migration, Template, constraint_broken, template_failed
from storage_service.schemas.model import Record, Standing, Tenant
from storage_service.schemas.providers import catalog, steps
from storage_service.schemas.providers.scram import verifier_of
from storage_service.schemas.providers.scripts import ScriptFailed, at_once, literal, run


class PostgresPlace:
    """One tenant's place, inside one transaction that holds its lock."""

    def __init__(self, tx: Transaction, tenant: Tenant, standing: Standing, *, pooled_role: str, patience: int) -> None:
        self.standing = standing
        self.dropped = False
        self._held = standing.record
        self._patience = patience
        self.tx = tx
        self._tenant = tenant
        self._schema = standing.location.schema
        self._role = pooled_role if tenant.pooled else standing.location.role

    async def build(self, record: Record, migrations: Sequence[Migration]) -> int:
        """Make the schema, the role and the grants, as far as they are missing, and apply what is lacking."""
        if self._tenant.pooled:
            await self._share()
            return await self.migrate(migrations)
        comment = literal(catalog.stamp_text(record.stamp))
        role, schema = quote(self._role), quote(self._schema)
        statements = []
        if not self.standing.role:
            statements += [
                *_limits(role, record, do="CREATE"),
                f"COMMENT ON ROLE {role} IS {comment}",
                f"ALTER ROLE {role} SET search_path = {schema}",
                # To act as the tenant, and only when it says so.
                f"GRANT {role} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE",
            ]
            self._held = record
        if not self.standing.schema:
            statements += [self._create(), f"COMMENT ON SCHEMA {schema} IS {comment}"]
        statements += [*self._entry(role), *_grants(schema, role, to_all=self.standing.schema)]
        return await self._apply(migrations, first=";".join(statements))

    async def migrate(self, migrations: Sequence[Migration]) -> int:
        """Apply what is lacking."""
        return await self._apply(migrations)

    async def _apply(self, migrations: Sequence[Migration], *, first: str = "") -> int:
        new = not (self.standing.schema or self._tenant.pooled)
        lacking = migrations if new else await steps.lacking(self.tx, self._schema, migrations)
        if lacking and self._tenant.pooled:
            await steps.hold(self.tx, self._schema, self._patience)
            lacking = await steps.lacking(self.tx, self._schema, migrations)
        if lacking:
            shared_by = self._role if self._tenant.pooled else ""
            await steps.apply(self.tx, self._schema, lacking, shared_by=shared_by, first=first)
        elif first:
            await self.tx.execute(first)
        return max([self.standing.version, *(one.version for one in migrations)])

    async def keep(self, record: Record) -> None:
        """Put it on record, and hold the role to it where that is new."""
        await catalog.keep(self.tx, record, self.standing.location)
        if self._tenant.pooled or _terms(record) == _terms(self._held):
            return
        await self.tx.execute(";".join(_limits(quote(self._role), record)))

    async def fill(self, template: Template, values: Mapping[str, str]) -> Mapping[str, int]:
        """Run a template as the tenant itself, who can reach nothing else."""
        settings = {"app.tenant_id": self._tenant.tenant_id} | {f"seed.{name}": text for name, text in values.items()}
        said = ", ".join(f"set_config({literal(name)}, {literal(text)}, true)" for name, text in settings.items())
        as_tenant = (
            f"SELECT {said}; SET LOCAL search_path = {quote(self._schema)}, public; SET LOCAL ROLE {quote(self._role)}"
        )
        try:
            await run(self.tx, template.scripts, first=as_tenant, last="RESET ROLE")
        except ScriptFailed as failed:
            where = (failed.script.file, failed.statement, failed.line)
            raise template_failed(template, *where, constraint_broken(failed.broken)) from failed
        return await self._count()

    async def set_password(self, password: str) -> None:
        """Give the role this password, of which the server sees the verifier only."""
        await self.tx.execute(f"ALTER ROLE {quote(self._role)} PASSWORD {literal(verifier_of(password))}")

    async def drop(self) -> None:
        """Remove the tenant's rows, or its schema with its role; and the record."""
        self.dropped = True
        if self._tenant.pooled:
            await self._remove_rows()
        else:
            await self._drop_own()
        await self.tx.execute(
            "DELETE FROM tenantmesh.places WHERE schema_name = $1 AND tenant_id = $2",
            self._schema,
            self._tenant.tenant_id,
        )

    def _create(self) -> str:
        """Make the schema, which has no migrations yet, whatever one of its name had that somebody dropped."""
        forget = f"DELETE FROM tenantmesh.applied_migrations WHERE schema_name = {literal(self._schema)}"  # noqa: S608 - quoted
        return f"CREATE SCHEMA {quote(self._schema)}; {forget}"

    async def _share(self) -> None:
        """Make the shared schema, unless somebody was faster."""
        await steps.hold(self.tx, self._schema, self._patience)
        schema = quote(self._schema)
        if not await self.tx.fetchval("SELECT 1 FROM pg_namespace WHERE nspname = $1", self._schema):
            await self.tx.execute(
                f"{self._create()}; COMMENT ON SCHEMA {schema} IS '{catalog.SHARED}';"
                + ";".join(_grants(schema, quote(self._role)))
            )

    def _entry(self, role: str) -> list[str]:
        """Into a database of its own nobody else is let."""
        location = self.standing.location
        return [f"GRANT CONNECT ON DATABASE {quote(location.database)} TO {role}"] if location.own_database else []

    async def _count(self) -> dict[str, int]:
        """How many rows of the tenant each table has."""
        whose = self._tenant.tenant_id if self._tenant.pooled else None
        rows = await self.tx.fetch("SELECT * FROM tenantmesh.row_counts($1, $2)", self._schema, whose)
        return {row["name"]: row["rows"] for row in rows}

    async def _remove_rows(self) -> None:
        """Remove every row of a pooled tenant, those first that point to others."""
        schema, whose = quote(self._schema), literal(self._tenant.tenant_id)
        for group in reversed(await catalog.tables(self.tx, self._schema)):
            await self.tx.execute(
                at_once(f"DELETE FROM {schema}.{quote(table)} WHERE tenant_id = {whose}" for table in group)  # noqa: S608 - quoted
            )

    async def _drop_own(self) -> None:
        role, schema = quote(self._role), quote(self._schema)
        if self.standing.role:
            await self.tx.execute(f"ALTER ROLE {role} NOLOGIN; GRANT {role} TO CURRENT_USER WITH INHERIT TRUE")
            await end_connections(self.tx, self._role)
        await self.tx.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        if self.standing.role:
            await self.tx.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
        await self.tx.execute("DELETE FROM tenantmesh.applied_migrations WHERE schema_name = $1", self._schema)


async def end_connections(tx: Transaction, role: str) -> int:
    """End what a role has open, whose rights we have; answer how many that were."""
    ended = await tx.fetchval(
        "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE usename = $1", role
    )
    return int(ended)


def _grants(schema: str, role: str, *, to_all: bool = False) -> list[str]:
    """What a role may do in its schema: use every table, and make none; `to_all` where there are tables already."""
    rights = {"TABLES": "SELECT, INSERT, UPDATE, DELETE", "SEQUENCES": "USAGE, SELECT, UPDATE"}
    grants = [f"GRANT USAGE ON SCHEMA {schema} TO {role}"]
    for things, what in rights.items():
        grants.append(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {what} ON {things} TO {role}")
        if to_all:
            grants.append(f"GRANT {what} ON ALL {things} IN SCHEMA {schema} TO {role}")
    return grants


def _limits(role: str, record: Record, *, do: str = "ALTER") -> list[str]:
    """What a role is held to, which is there or is created."""
    limits, login = record.limits, "LOGIN" if record.access_enabled else "NOLOGIN"
    idle = _milliseconds(limits.idle_in_transaction_timeout)
    return [
        f"{do} ROLE {role} {login} CONNECTION LIMIT {limits.max_connections}",
        f"ALTER ROLE {role} SET statement_timeout = '{_milliseconds(limits.statement_timeout)}ms'",
        f"ALTER ROLE {role} SET idle_in_transaction_session_timeout = '{idle}ms'",
    ]


def _terms(record: Record | None) -> object:
    """What of a record the role is held to."""
    return record and (record.limits, record.access_enabled)


def _milliseconds(span: timedelta | None) -> int:
    return int((span or timedelta(0)) / timedelta(milliseconds=1))
