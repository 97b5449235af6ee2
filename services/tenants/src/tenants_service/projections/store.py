"""The SQL that makes projections anew."""

from __future__ import annotations

from uuid import UUID

from postgreskit import Database
from tenants_service.projections.model import Projection
from tenants_service.store import Records


async def rebuild(projection: Projection, records: Records, owner: Database) -> int:
    """Make a projection anew from the events alone, tenant by tenant while the service goes on; answer their number.

    Args:
        projection: the table.
        records: to see which tenants there are.
        owner: the database as the role that owns the tables.
    """
    async with records.of_all() as tx:
        rows = await tx.fetch(
            "SELECT tenant_id FROM domain_events WHERE aggregate_type = $1"  # noqa: S608 - our own names
            f" UNION SELECT tenant_id FROM {projection.table}",
            projection.aggregate_type,
        )
    return sum([await _rebuild(projection, row["tenant_id"], owner) for row in rows])


async def _rebuild(projection: Projection, tenant_id: UUID, owner: Database) -> int:
    async with owner.tenant(tenant_id).transaction() as tx:
        # Who enters an event now waits here, until this tenant is done; who has entered one is waited for.
        await tx.execute(f"LOCK TABLE {projection.table} IN SHARE ROW EXCLUSIVE MODE")
        await tx.execute(f"DELETE FROM {projection.table} WHERE tenant_id = $1", tenant_id)  # noqa: S608 - our own names
        return int(
            await tx.fetchval(
                f"""
                SELECT count(*) FROM (
                    SELECT {projection.function}(event) FROM domain_events AS event
                    WHERE tenant_id = $1 AND aggregate_type = $2 ORDER BY position
                ) AS entered""",  # noqa: S608 - our own names
                tenant_id,
                projection.aggregate_type,
            )
        )
