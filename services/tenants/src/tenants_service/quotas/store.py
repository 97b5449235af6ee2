"""The SQL of quotas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from postgreskit import OpenPage, Transaction
from tenants_service.events.model import Event, change_of
from tenants_service.events.store import append
from tenants_service.plans.store import quotas_in
from tenants_service.quotas.model import EVER, Allowance, Count, Quota, Usage, usage_of

_ALLOWANCE = """
SELECT coalesce(current.state, '') AS subscription, coalesce(plan.quotas, '[]') AS quotas
FROM tenants AS tenant
LEFT JOIN subscriptions AS current
    ON current.tenant_id = tenant.tenant_id AND current.state IN ('PENDING', 'ACTIVE', 'INACTIVE')
LEFT JOIN plans AS plan ON plan.plan_id = current.plan_id
WHERE tenant.tenant_id = $1"""
_READ = "SELECT name, used, since, revision FROM quota_counts WHERE tenant_id = $1 AND name = $2"
_BEGIN = """
INSERT INTO quota_counts (tenant_id, name, used, since, revision) VALUES ($1, $2, 0, $3, 0)
ON CONFLICT (tenant_id, name) DO NOTHING"""
_UPDATE = "UPDATE quota_counts SET used = $3, since = $4, revision = $5 WHERE tenant_id = $1 AND name = $2"
_PAGE = """
SELECT name, coalesce(used, 0) AS used, coalesce(since, $3) AS since, coalesce(revision, 0) AS revision
FROM unnest($2::text[]) AS wanted (name)
LEFT JOIN (SELECT * FROM quota_counts WHERE tenant_id = $1) AS counts USING (name)"""


class CountStore:
    """What one tenant may use and has used, in one transaction that sees that tenant's rows."""

    def __init__(self, tx: Transaction, tenant_id: UUID) -> None:
        self._tx = tx
        self._tenant_id = tenant_id

    async def allowance(self) -> Allowance | None:
        """What its subscription allows; None where there is no such tenant."""
        row = await self._tx.fetchrow(_ALLOWANCE, self._tenant_id)
        return Allowance(row["subscription"], quotas_in(row["quotas"])) if row else None

    async def read(self, name: str) -> Count:
        """How much it has used of something."""
        row = await self._tx.fetchrow(_READ, self._tenant_id, name)
        return Count(**row) if row else Count(name)

    async def find(self, name: str) -> Count:
        """The same, kept from changing until the transaction ends."""
        locked = f"{_READ} FOR UPDATE"
        if row := await self._tx.fetchrow(locked, self._tenant_id, name):
            return Count(**row)
        # The first use: whoever else begins to count waits for the row, and then finds it.
        await self._tx.execute(_BEGIN, self._tenant_id, name, EVER)
        [row] = await self._tx.fetch(locked, self._tenant_id, name)
        return Count(**row)

    async def replace(self, count: Count, event_types: Sequence[str], data: Mapping[str, object]) -> None:
        """Write a count that was found, and its events, which all say the same."""
        await self._tx.execute(_UPDATE, self._tenant_id, count.name, count.used, count.since, count.revision)
        await append(self._tx, [self._event(count, event_type, data) for event_type in event_types])

    def _event(self, count: Count, event_type: str, data: Mapping[str, object]) -> Event:
        return change_of("quota", count.name, event_type, revision=count.revision, tenant_id=self._tenant_id, data=data)


async def read_page(
    tx: Transaction, page: OpenPage, tenant_id: UUID, quotas: Sequence[Quota], now: datetime
) -> tuple[list[Usage], str]:
    """How a tenant stands to some quotas, by name, and the token of those that follow."""
    by_name = {quota.name: quota for quota in quotas}
    found = await page.fetch(tx, _PAGE, tenant_id, list(by_name), EVER)
    return [usage_of(by_name[row["name"]], Count(**row), now) for row in found.rows], found.next_token
