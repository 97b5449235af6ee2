"""Applying migrations to a schema inside a transaction, and fencing what they leave in the shared one."""

from __future__ import annotations

from collections.abc import Sequence

from postgreskit import Transaction
from postgreskit.catalog import tenancy_violations
from postgreskit.identifiers import quote
from storage_service.blueprint.model import Migration, constraint_broken, migration_failed, pending
from storage_service.schemas.providers import catalog
from storage_service.schemas.providers.scripts import ScriptFailed, literal, run


async def hold(tx: Transaction, name: str, patience: int, *, whole_session: bool = False) -> None:
    """Hold the lock of that name until the transaction ends, and wait so many milliseconds for it at most."""
    local, scope = ("", "") if whole_session else ("LOCAL ", "xact_")
    await tx.execute(
        f"SET {local}lock_timeout = {patience};"
        f" SELECT pg_advisory_{scope}lock(hashtextextended('tenantmesh:{name}', 0))"
    )


async def lacking(tx: Transaction, schema: str, migrations: Sequence[Migration]) -> tuple[Migration, ...]:
    """Those that the schema has not."""
    return pending(migrations, {one.version: one.sha256 for one in await catalog.applied(tx, schema)}, schema)


async def apply(
    tx: Transaction, schema: str, migrations: Sequence[Migration], *, shared_by: str = "", first: str = ""
) -> None:
    """Apply migrations, all or none.

    Args:
        tx: a transaction that holds the schema's lock.
        schema: the schema that unqualified names mean.
        migrations: those it has not.
        shared_by: the role that tenants share the schema through; empty where it is one tenant's own.
        first: statements that go before, in the same round trip.
    """
    first = f"{first}; SET LOCAL search_path = {quote(schema)}, public"
    try:
        await run(tx, [one.script for one in migrations], first=first, last=_applied(schema, migrations))
    except ScriptFailed as failed:
        version = next(one.version for one in migrations if one.script == failed.script)
        raise migration_failed(schema, version, failed.statement, constraint_broken(failed.broken)) from failed
    if shared_by:
        await _fence(tx, schema, migrations[-1].version, shared_by)


def _applied(schema: str, migrations: Sequence[Migration]) -> str:
    """Put on record that a schema has them."""
    rows = ",".join(
        f"({literal(schema)}, {one.version}, {literal(one.script.file)}, '{one.script.sha256}')" for one in migrations
    )
    return f"INSERT INTO tenantmesh.applied_migrations (schema_name, version, file, sha256) VALUES {rows}"  # noqa: S608 - quoted


async def _fence(tx: Transaction, schema: str, version: int, role: str) -> None:
    """Let row-level security stand around every table of the shared schema, or refuse the migration."""
    await tx.execute("CALL tenantmesh.fence($1)", schema)
    broken = await tenancy_violations(tx, role=role, schema=schema)
    if broken:
        problem = f"The shared schema would not keep tenants apart: {broken[0]}."
        raise migration_failed(schema, version, 0, problem)
