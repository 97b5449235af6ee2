"""The SQL of names: claiming them, giving them back, letting them rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from postgreskit import Transaction
from tenants_service.names.model import Holder, domain_taken, held, name_of
from tenants_service.store import MESH, seen_by

# What rests long enough is anybody's; its last tenant can have it back before that.
_CLAIM_KEY = """
INSERT INTO tenant_keys AS held (name, key, tenant_id) VALUES ($1, $2, coalesce($3, uuidv7()))
ON CONFLICT (name) DO UPDATE SET key = excluded.key, tenant_id = excluded.tenant_id, rest_time = NULL
    WHERE held.rest_time <= $4 OR (held.tenant_id = excluded.tenant_id AND held.rest_time IS NOT NULL)
RETURNING tenant_id"""
_HOLDER = "SELECT key, rest_time FROM tenant_keys WHERE name = $1"
_HOLDERS = (
    "SELECT name, key, rest_time FROM tenant_keys WHERE name = ANY ($1) AND (rest_time IS NULL OR rest_time > $2)"
)
# In one order, so that two tenants that claim the same domains never wait for each other.
_CLAIM_DOMAINS = """
INSERT INTO tenant_domains AS held (domain, tenant_id)
SELECT domain, $2 FROM unnest($1::text[]) AS wanted (domain) ORDER BY domain
ON CONFLICT (domain) DO UPDATE SET
    tenant_id = excluded.tenant_id,
    rest_time = NULL,
    verify_time = CASE WHEN held.tenant_id = excluded.tenant_id THEN held.verify_time END
    WHERE held.tenant_id = excluded.tenant_id OR held.rest_time <= $3
RETURNING domain"""
_FREE_DOMAINS = "DELETE FROM tenant_domains WHERE tenant_id = $1 AND domain <> ALL ($2)"
_REST_KEY = "UPDATE tenant_keys SET rest_time = $2 WHERE tenant_id = $1"
_REST_DOMAINS = "UPDATE tenant_domains SET rest_time = $2 WHERE tenant_id = $1"


class NameStore:
    """The names of all tenants, in one transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def holders(self, keys: Iterable[str], now: datetime) -> dict[str, Holder]:
        """Who has those of the keys, or what leads to the same names, that cannot be had now."""
        async with seen_by(self._tx, MESH):
            rows = await self._tx.fetch(_HOLDERS, [name_of(key) for key in keys], now)
        return {row["name"]: Holder(row["key"], row["rest_time"]) for row in rows}

    async def claim_key(self, key: str, tenant_id: UUID | None, now: datetime) -> UUID:
        """Take a key for a tenant, or for a new one, and answer which tenant that is."""
        async with seen_by(self._tx, MESH):
            claimed = await self._tx.fetchval(_CLAIM_KEY, name_of(key), key, tenant_id, now)
            if claimed is None:
                row = await self._tx.fetchrow(_HOLDER, name_of(key))
                raise held(key, Holder(row["key"], row["rest_time"]) if row else Holder(key), now)
        return UUID(bytes=claimed.bytes)

    async def claim_domains(self, domains: Sequence[str], tenant_id: UUID, now: datetime) -> None:
        """Make these the domains of a tenant, and no others."""
        async with seen_by(self._tx, MESH):
            rows = await self._tx.fetch(_CLAIM_DOMAINS, list(domains), tenant_id, now)
            claimed = {row["domain"] for row in rows}
            for domain in domains:
                if domain not in claimed:
                    raise domain_taken(domain)
            await self._tx.execute(_FREE_DOMAINS, tenant_id, list(domains))

    async def rest(self, tenant_id: UUID, until: datetime) -> None:
        """Let the names of a tenant rest; nobody else gets them before that."""
        await self._tx.execute(_REST_KEY, tenant_id, until)
        await self._tx.execute(_REST_DOMAINS, tenant_id, until)
