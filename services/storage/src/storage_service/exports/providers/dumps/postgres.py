"""Dumps of places in PostgreSQL, by its own programs."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg

from postgreskit.identifiers import quote
from storage_service.blueprint.model import Migration, pending
from storage_service.exports.model import Contents, Export, Step, corrupt, not_empty
from storage_service.exports.providers.programs import Programs, Server
from storage_service.exports.providers.rows import SETTINGS, Rows, settle
from storage_service.schemas.model import Location, Tenant
from storage_service.schemas.providers import catalog, steps
from storage_service.schemas.providers.connections import prepare
from storage_service.schemas.providers.errors import translated
from storage_service.schemas.providers.place import PostgresPlace
from storage_service.schemas.providers.postgres import PostgresDatabases

_DUMP = ("--format=custom", "--no-owner", "--no-privileges", "--no-policies")
_RESTORE = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")


class PostgresDumps:
    """Takes dumps with pg_dump and loads them with pg_restore."""

    def __init__(self, databases: PostgresDatabases, programs: Programs) -> None:
        self._databases = databases
        self._programs = programs

    async def take(self, tenant: Tenant, file: Path) -> AsyncGenerator[Step, None]:
        """Dump the tenant's rows at one moment, and tell them table by table, of that same moment."""
        standing = await self._databases.look(tenant)
        location = standing.location
        async with (
            self._session(tenant, location.database) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            rows = Rows(connection, location.schema, tenant.tenant_id if tenant.pooled else "")
            names = await rows.names()
            contents = Contents(
                location.schema,
                applied=tuple(await catalog.applied(connection, location.schema)),
                seed=standing.record.seed if standing.record else None,
            )
            yield Step(len(names))
            server = await self._server(tenant, location.database, connection)
            dumping = asyncio.create_task(self._dump(tenant, server, location, snapshot, file))
            try:
                for name in names:
                    contents = replace(contents, tables=(*contents.tables, await rows.table(name)))
                    yield Step(len(names), len(contents.tables), _size(file))
                await dumping
            finally:
                dumping.cancel()
                await asyncio.gather(dumping, return_exceptions=True)
        yield Step(len(names), len(names), _size(file), contents)

    async def load(
        self, tenant: Tenant, file: Path, export: Export, migrations: Sequence[Migration]
    ) -> AsyncGenerator[Step, None]:
        """Load a dump into a database beside, compare it, bring it up to date there, and only then copy its rows."""
        told = {table.name for table in export.contents.tables}
        yield Step(len(told))
        async with self._databases.place(tenant) as place:
            await settle(place.tx)
            target = Rows(place.tx, place.standing.location.schema, tenant.tenant_id if tenant.pooled else "")
            if taken := await target.any_row():
                raise not_empty(place.standing.location, taken)
            async with self._beside(tenant, place.standing.location, file) as connection:
                source = Rows(connection, export.contents.schema)
                await _compare(source, export)
                await _update(connection, export.contents, migrations)
                done = 0
                async for name in self._copy(source, target, tenant, export):
                    done += name in told
                    yield Step(len(told), done, _size(file))
                await source.continue_sequences(target)
            await _keep_seed(place, export.contents)

    async def _dump(self, tenant: Tenant, server: Server, location: Location, snapshot: str, file: Path) -> None:
        arguments = [*_DUMP, f"--file={file}", f"--snapshot={snapshot}", f"--schema={quote(location.schema)}"]
        options = ""
        if tenant.pooled:
            # As the role that sees one tenant at a time.
            arguments += ["--enable-row-security", f"--role={self._databases.pooled_role}"]
            options = f"-c app.tenant_id={tenant.tenant_id}"
        await self._programs.run("pg_dump", server, arguments, options)

    @asynccontextmanager
    async def _beside(self, tenant: Tenant, location: Location, file: Path) -> AsyncIterator[Any]:
        """A session in a database that lasts as long as the block, with the dump in it."""
        # A call that was killed left one; its repeat has the same name for it.
        name = f"tenantmesh_restore_{hashlib.sha256(tenant.tenant_id.encode()).hexdigest()[:16]}"
        drop = f"DROP DATABASE IF EXISTS {quote(name)} WITH (FORCE)"
        async with self._session(tenant, location.database) as keeper:
            await keeper.execute(drop)
            await keeper.execute(f"CREATE DATABASE {quote(name)} TEMPLATE template0")
            try:
                await keeper.execute(f"REVOKE ALL ON DATABASE {quote(name)} FROM public")
                async with self._session(tenant, name) as connection:
                    await prepare(connection, self._databases.pooled_role)
                    await _copy_extensions(keeper, connection)
                    server = await self._server(tenant, name, connection)
                    await self._programs.run("pg_restore", server, [*_RESTORE, str(file)])
                    yield connection
            finally:
                await asyncio.shield(keeper.execute(drop))

    async def _copy(self, source: Rows, target: Rows, tenant: Tenant, export: Export) -> AsyncIterator[str]:
        """Copy table by table, each behind those it points to, and compare what arrived with what was sent."""
        here, there = await source.names(), await target.groups()
        for name in set(here).difference(*there):
            if (await source.table(name)).rows:
                raise corrupt(export.export_id, table=name)
        for group in there:
            names = [name for name in group if name in here]
            if names:
                await source.copy_to(target, names, tenant.tenant_id)
            for name in names:
                if await target.table(name) != await source.table(name):
                    raise corrupt(export.export_id, table=name)
                yield name

    @asynccontextmanager
    async def _session(self, tenant: Tenant, database: str) -> AsyncIterator[Any]:
        """A connection of its own, since what is done with it takes long."""
        home = await self._databases.server_of(tenant)
        with translated(home.server):
            connection = await asyncpg.connect(home.address.url.reveal(), database=database, server_settings=SETTINGS)
            try:
                yield connection
            finally:
                await connection.close(timeout=5)

    async def _server(self, tenant: Tenant, database: str, connection: Any) -> Server:
        """What a session is connected to, as the programs need to know it."""
        return Server(
            (await self._databases.server_of(tenant)).address, database, connection.get_server_version().major
        )


async def _compare(rows: Rows, export: Export) -> None:
    """Hold every table to what the manifest says of it."""
    for told in export.contents.tables:
        if await rows.table(told.name) != told:
            raise corrupt(export.export_id, table=told.name)


async def _update(connection: Any, contents: Contents, migrations: Sequence[Migration]) -> None:
    """Bring the database beside to the newest migration."""
    lacking = pending(migrations, {one.version: one.sha256 for one in contents.applied}, contents.schema)
    if lacking:
        async with connection.transaction():
            await steps.apply(connection, contents.schema, lacking)


async def _keep_seed(place: PostgresPlace, contents: Contents) -> None:
    """What was seeded there needs no seeding here."""
    if place.standing.record and contents.seed:
        await place.keep(replace(place.standing.record, seed=contents.seed))


async def _copy_extensions(here: Any, there: Any) -> None:
    """The dump of a schema has the types it uses, and not the extensions they come from."""
    for (name,) in await here.fetch("SELECT extname FROM pg_extension"):
        await there.execute(f"CREATE EXTENSION IF NOT EXISTS {quote(name)}")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
