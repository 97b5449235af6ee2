"""Who lies on which server, as the first server keeps it. With one server there is nothing to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from faults import Fault, Unavailable
from postgreskit import Transaction
from storage_service.schemas.model import Tenant
from storage_service.schemas.providers.connections import Connections
from storage_service.servers.model import Load, Share, full, named, preferred

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('tenantmesh placements', 0))"
_LOADS = """
SELECT server, count(*) FILTER (WHERE NOT pooled) AS schemas, count(*) FILTER (WHERE pooled) AS pooled
FROM tenantmesh.placements GROUP BY server"""
# The name of a place is that of its schema, or the id of its tenant in a shared one.
_PLACES = """
SELECT CASE WHEN tier = 'pooled' THEN tenant_id::text ELSE schema_name END AS name, tenant_id, tier = 'pooled' AS pooled
FROM tenantmesh.places
UNION ALL SELECT name, tenant_id, false FROM tenantmesh.own_databases"""

_KNOW = "INSERT INTO tenantmesh.known_servers (server) VALUES ($1) ON CONFLICT DO NOTHING"


class Registry:
    """The placements of tenants on several servers."""

    def __init__(self, servers: Mapping[Share, Connections]) -> None:
        self._servers = {share.name: connections for share, connections in servers.items()}
        self._shares = tuple(servers)
        self._home = self._servers[self._shares[0].name]
        self._known = False

    @property
    def single(self) -> bool:
        """Whether there is one server only."""
        return len(self._shares) == 1

    async def find(self, tenant: Tenant) -> str | None:
        """The server of a tenant's place; None where it has none."""
        if self.single:
            return self._shares[0].name
        await self._learn()
        async with self._home.transaction() as tx:
            return await self._find(tx, tenant)

    async def choose(self, tenant: Tenant, asked: str = "") -> str:
        """The server where a new place would be laid now."""
        if self.single:
            return named(self._shares, asked).name if asked else self._shares[0].name
        async with self._home.transaction() as tx:
            return await self._choose(tx, tenant, asked)

    async def reserve(self, tenant: Tenant, asked: str = "") -> str:
        """The server of a tenant's place, which is chosen and kept if it has none."""
        if self.single:
            return await self.choose(tenant, asked)
        await self._learn()
        async with self._home.transaction() as tx:
            await tx.execute(_LOCK)
            found = await self._find(tx, tenant)
            if found is None:
                found = await self._choose(tx, tenant, asked)
                await _keep(tx, [(_name(tenant), tenant.tenant_id, tenant.pooled, found)])
            return found

    async def forget(self, tenant: Tenant) -> None:
        """The tenant has no place any more."""
        async with self._home.transaction() as tx:
            await tx.execute("DELETE FROM tenantmesh.placements WHERE name = $1", _name(tenant))

    async def _find(self, tx: Transaction, tenant: Tenant) -> str | None:
        server = await tx.fetchval("SELECT server FROM tenantmesh.placements WHERE name = $1", _name(tenant))
        return None if server is None else named(self._shares, server).name

    async def _choose(self, tx: Transaction, tenant: Tenant, asked: str) -> str:
        rows = await tx.fetch(_LOADS)
        loads = {row["server"]: Load(row["schemas"], row["pooled"]) for row in rows}
        if asked:
            share = named(self._shares, asked)
            if not tenant.pooled and loads.get(asked, Load()).schemas >= share.limit:
                raise full([share])
            return share.name
        refused: Fault | None = None
        for share in preferred(self._shares, loads, pooled=tenant.pooled):
            try:
                await self._servers[share.name].check_writable()
            except Unavailable as fault:
                refused = refused or fault
            else:
                return share.name
        raise refused or full(self._shares)

    async def _learn(self) -> None:
        """Put on record what lay on servers before they were several; each is asked once."""
        if self._known:
            return
        async with self._home.transaction() as tx:
            known = {row[0] for row in await tx.fetch("SELECT server FROM tenantmesh.known_servers")}
        for name in self._servers.keys() - known:
            async with self._servers[name].transaction() as there:
                rows = await there.fetch(_PLACES)
            async with self._home.transaction() as tx:
                await _keep(tx, [(row["name"], row["tenant_id"], row["pooled"], name) for row in rows])
                await tx.execute(_KNOW, name)
        self._known = True


async def _keep(tx: Transaction, rows: Sequence[tuple[object, ...]]) -> None:
    await tx.executemany(
        "INSERT INTO tenantmesh.placements (name, tenant_id, pooled, server) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING",
        rows,
    )


def _name(tenant: Tenant) -> str:
    return tenant.tenant_id if tenant.pooled else tenant.own_name
