"""Databases of a silo tenant's own: made, found and removed. Neither can be part of a transaction."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from postgreskit.identifiers import quote
from storage_service.schemas.model import Location, Tenant, not_owned
from storage_service.schemas.providers import steps
from storage_service.schemas.providers.connections import Connections
from storage_service.schemas.providers.errors import translated

_ROW = "SELECT tenant_id::text, removing FROM tenantmesh.own_databases WHERE name = $1"
_EXISTS = "SELECT true FROM pg_database WHERE datname = $1"
_STANDS = """
SELECT true FROM tenantmesh.own_databases AS o JOIN pg_database AS d ON d.datname = o.name
WHERE o.name = $1 AND NOT o.removing"""
_ALL = """
SELECT o.name FROM tenantmesh.own_databases AS o JOIN pg_database AS d ON d.datname = o.name WHERE NOT o.removing"""
_STAMPED = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1"
_TAKEN = "SELECT to_regnamespace(quote_ident($1)) IS NOT NULL"
_RESERVE = """
INSERT INTO tenantmesh.own_databases (name, tenant_id, operation_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"""


_PATIENCE = 5.0


class OwnDatabases:
    """The databases of one server that belong to one tenant each."""

    def __init__(self, server: Connections) -> None:
        self._server = server

    async def names(self) -> list[str]:
        """Every database that holds places on this server, the common one included, in order."""
        async with self._server.transaction(readonly=True) as tx:
            rows = await tx.fetch(_ALL)
        return sorted([self._server.address.database, *(row[0] for row in rows)])

    @asynccontextmanager
    async def at(self, database: str) -> AsyncIterator[Connections]:
        """Connections to one of them, for as long as the block lasts."""
        if database == self._server.address.database:
            yield self._server
            return
        async with self._server.to(database) as connections:
            yield connections

    async def find(self, tenant: Tenant) -> str:
        """The database that a tenant's place is in, if it is there."""
        common = self._server.address.database
        if tenant.pooled:
            return common
        return tenant.own_name if await self.stands(tenant) else common

    async def stands(self, tenant: Tenant) -> bool:
        """Whether there is a database of the tenant's own that is to stay."""
        return bool(await self._server.value(_STANDS, tenant.own_name))

    async def reserve(self, tenant: Tenant, operation_id: str) -> str:
        """The database of a new place: the tenant's own, made if it is not there; where it has a place, that one's."""
        name = tenant.own_name
        async with self._alone(name) as session:
            row = await session.fetchrow(_ROW, name)
            if row and row["tenant_id"] != tenant.tenant_id:
                raise not_owned(self._location(name), "another_tenant")
            if row and row["removing"]:
                await self._drop(session, name)
                row = None
            if row is None and await session.fetchval(_TAKEN, name):
                return self._server.address.database
            if row is None and await session.fetchval(_EXISTS, name):
                raise not_owned(self._location(name), "unknown")
            await session.execute(_RESERVE, name, tenant.tenant_id, operation_id)
            await self._make(session, tenant, operation_id)
        return name

    async def condemn(self, tenant: Tenant) -> None:
        """Nothing is in the tenant's database, and from now on nothing may be; said while its place is held."""
        async with self._server.transaction() as tx:
            await tx.execute("UPDATE tenantmesh.own_databases SET removing = true WHERE name = $1", tenant.own_name)

    async def sweep(self, tenant: Tenant) -> None:
        """Remove the tenant's database if it is condemned, or the row of one that was never made."""
        async with self._alone(tenant.own_name) as session:
            row = await session.fetchrow(_ROW, tenant.own_name)
            if row is None or row["tenant_id"] != tenant.tenant_id:
                return
            if row["removing"] or not await session.fetchval(_EXISTS, tenant.own_name):
                await self._drop(session, tenant.own_name)

    async def _make(self, session: Any, tenant: Tenant, operation_id: str) -> None:
        name = quote(tenant.own_name)
        stamp = json.dumps({"tenant_id": tenant.tenant_id, "operation_id": operation_id}).replace("'", "''")
        if not await session.fetchval(_EXISTS, tenant.own_name):
            await session.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        if not await session.fetchval(_STAMPED, tenant.own_name):
            await session.execute(
                f"REVOKE ALL ON DATABASE {name} FROM public; COMMENT ON DATABASE {name} IS 'tenantmesh {stamp}'"
            )

    async def _drop(self, session: Any, name: str) -> None:
        await session.execute(f"DROP DATABASE IF EXISTS {quote(name)} WITH (FORCE)")
        await session.execute("DELETE FROM tenantmesh.own_databases WHERE name = $1", name)

    def _location(self, name: str) -> Location:
        return Location(name, name, self._server.server, name, own_database=True)

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[Any]:
        """A session that holds the lock of that name: no transaction can make or remove a database."""
        await self._server.value("SELECT 1")  # so that the mesh's own tables are there
        with translated(self._server.server, name):
            session: Any = await asyncpg.connect(self._server.address.url.reveal(), timeout=_PATIENCE)
            try:
                await steps.hold(session, name, self._server.lock_timeout, whole_session=True)
                yield session
            finally:
                await session.close(timeout=_PATIENCE)
