"""Bringing a schema up to date: forward only, one migration after the other, whoever starts at the same time."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic, perf_counter
from typing import Final, TypeAlias

import asyncpg

from faults import Fault, Internal, Kind, NotFound, Timeout
from postgreskit.errors import fault_of, translated
from postgreskit.identifiers import quote
from postgreskit.migration_files import DOMAIN, Applied, Migration, Newer, pending
from postgreskit.pool import CONNECTION_ERRORS
from settingskit import Secret

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

TABLE: Final = "schema_migrations"
DEPENDENCY: Final = "postgres"
CONNECT_PATIENCE: Final = timedelta(seconds=10)
LOCK_PAUSE: Final = timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True)
class Target:
    """The schema to bring up to date, and how.

    `schema` must exist: unqualified names in the files mean it, and it holds its own record of migrations.
    `identifiers` is what `:"name"` in the files stands for. `patience` bounds the wait for another process that
    migrates the same schema, `lock_timeout` the wait of one statement for a lock, behind which others queue up.
    """

    schema: str = "public"
    identifiers: Mapping[str, str] = field(default_factory=dict)
    newer: Newer = Newer.TOLERATE
    patience: timedelta = timedelta(minutes=1)
    lock_timeout: timedelta = timedelta(seconds=10)

    @property
    def table(self) -> str:
        """The schema's record of migrations, as SQL text."""
        return f"{quote(self.schema)}.{TABLE}"


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What one run did: the files it ran, and those the schema has that this release does not know."""

    schema: str
    applied: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


async def migrate(address: Secret, migrations: Sequence[Migration], target: Target | None = None) -> MigrationReport:
    """Bring a schema up to date over a connection of its own.

    The address is that of the role that owns the tables, and leads straight to the server: the lock that keeps several
    replicas from migrating at once belongs to the session.

    Raises:
        Invalid, Conflict: the files, or the files and the schema, do not fit together; the fact `file` says which.
        NotFound: there is no such schema.
        Internal: `MIGRATION_FAILED`: one of them failed, the log says why. Those before it stay.
        Timeout: another process or another transaction kept its lock too long.
        Unavailable: the database is away.
    """
    try:
        patience = CONNECT_PATIENCE.total_seconds()
        connection = await asyncpg.connect(address.reveal(), statement_cache_size=0, timeout=patience)
    except CONNECTION_ERRORS as error:
        raise fault_of(error, DEPENDENCY).with_traceback(error.__traceback__) from None
    try:
        return await migrate_on(connection, migrations, target)
    finally:
        with suppress(*CONNECTION_ERRORS):
            await connection.close(timeout=1)


async def migrate_on(
    connection: Connection, migrations: Sequence[Migration], target: Target | None = None
) -> MigrationReport:
    """The same on an open connection, for who migrates many schemas, a few side by side."""
    target = target or Target()
    with translated(DEPENDENCY, lost=connection.is_closed):
        todo, unknown = pending(migrations, await _applied(connection, target), target.newer)
        if not todo:
            return MigrationReport(target.schema, unknown=unknown)
        async with _locked(connection, target):
            await connection.execute(_table_ddl(target))
            # Read again: whoever held the lock before may have done it all.
            todo, unknown = pending(migrations, await _applied(connection, target), target.newer)
            for migration in todo:
                await _apply(connection, migration, target)
        return MigrationReport(target.schema, tuple(one.file for one in todo), unknown)


async def _applied(connection: Connection, target: Target) -> list[Applied]:
    if await connection.fetchval("SELECT to_regnamespace($1)", quote(target.schema)) is None:
        message, facts = f"There is no schema {target.schema}.", {"schema": target.schema}
        raise NotFound(message, reason="MIGRATION_SCHEMA_MISSING", facts=facts, domain=DOMAIN)
    if await connection.fetchval("SELECT to_regclass($1)", target.table) is None:
        return []
    rows = await connection.fetch(f"SELECT version, file, checksum FROM {target.table}")  # noqa: S608 - quoted
    return [Applied(row["version"], row["file"], row["checksum"]) for row in rows]


@asynccontextmanager
async def _locked(connection: Connection, target: Target) -> AsyncIterator[None]:
    """Hold the lock of the schema's migrations."""
    key = int.from_bytes(hashlib.sha256(f"postgreskit.migrations:{target.schema}".encode()).digest()[:8], signed=True)
    give_up = monotonic() + target.patience.total_seconds()
    # Asked for again and again rather than waited for: a session that waits keeps a snapshot, and CREATE INDEX
    # CONCURRENTLY of the one that holds the lock would wait for that snapshot to go.
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
        if monotonic() > give_up:
            message, facts = "Another process is migrating this schema.", {"schema": target.schema}
            raise Timeout(message, reason="MIGRATION_LOCKED", facts=facts, domain=DOMAIN)
        await asyncio.sleep(LOCK_PAUSE.total_seconds())
    try:
        yield
    finally:
        if not connection.is_closed():  # the lock of a closed one is gone already
            await connection.execute(f"SELECT pg_advisory_unlock({key}); RESET search_path; RESET lock_timeout")


async def _apply(connection: Connection, migration: Migration, target: Target) -> None:
    """Run one migration and record it."""
    try:
        await _settle(connection, migration, target)
        begun = perf_counter()
        if migration.transactional:
            async with connection.transaction():
                await connection.execute(migration.statement(target.identifiers))
                await _record(connection, migration, target, begun)
        else:
            await _drop_unusable(connection, migration, target)
            await connection.execute(migration.statement(target.identifiers))
            await _record(connection, migration, target, begun)
    except asyncpg.PostgresError as error:
        raise _failed(migration, fault_of(error, migration.file)).with_traceback(error.__traceback__) from None


async def _settle(connection: Connection, migration: Migration, target: Target) -> None:
    """Put the session in order; before each migration, since the one before may have left settings of its own."""
    # Nobody queues behind a statement without transaction: what it waits for are other transactions' snapshots.
    wait = target.lock_timeout if migration.transactional else target.patience
    milliseconds = int(wait / timedelta(milliseconds=1))
    await connection.execute(f"SET search_path = {quote(target.schema)}; SET lock_timeout = {milliseconds}")


async def _drop_unusable(connection: Connection, migration: Migration, target: Target) -> None:
    """Remove what an interrupted build of the migration's index left: IF NOT EXISTS would take it for the index."""
    unusable = await connection.fetchval(
        "SELECT 1 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE relnamespace = to_regnamespace($1) AND relname = $2 AND NOT indisvalid",
        quote(target.schema),
        migration.concurrent_index,
    )
    if unusable and migration.concurrent_index:
        await connection.execute(f"DROP INDEX CONCURRENTLY {quote(target.schema)}.{quote(migration.concurrent_index)}")


async def _record(connection: Connection, migration: Migration, target: Target, begun: float) -> None:
    await connection.execute(
        f"INSERT INTO {target.table} (version, file, checksum, took) VALUES ($1, $2, $3, $4)",  # noqa: S608 - quoted
        migration.version,
        migration.file,
        migration.checksum,
        timedelta(seconds=perf_counter() - begun),
    )


def _failed(migration: Migration, fault: Fault) -> Fault:
    """The fault with the file in it; a mistake in the file has a reason of its own."""
    facts = {**fault.facts, "file": migration.file}
    if fault.kind is not Kind.INTERNAL:
        return type(fault)(f"{migration.file}: {fault.message}", reason=fault.reason, facts=facts, domain=fault.domain)
    return Internal(f"{migration.file} failed.", reason="MIGRATION_FAILED", facts=facts, domain=DOMAIN)


def _table_ddl(target: Target) -> str:
    return f"""
        CREATE TABLE IF NOT EXISTS {target.table} (
            version    integer     PRIMARY KEY,
            file       text        NOT NULL,
            checksum   bytea       NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now(),
            took       interval    NOT NULL
        )"""
