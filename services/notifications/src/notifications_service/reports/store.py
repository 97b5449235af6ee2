"""What reports change in PostgreSQL."""

from __future__ import annotations

from typing import Final

import asyncpg

from notifications_service.deliveries.store import SUM_UP
from notifications_service.reports.model import Event, Report
from notifications_service.store import Records
from notifications_service.suppressions.model import Cause, Scope
from notifications_service.suppressions.store import SuppressionList

_FIND: Final = """
SELECT tenant_id, delivery_id, position, address_key FROM recipients WHERE message_id = $1 AND provider = $2"""
_LOCK: Final = """
UPDATE deliveries SET revision = revision + 1 WHERE tenant_id = $1 AND delivery_id = $2 RETURNING revision"""
# Never backwards: what came back may have been taken over first, but what is reported to have arrived after it came
# back is an older report that was overtaken.
_ARRIVE: Final = """
UPDATE recipients SET state = 'DELIVERED', update_time = now(), revision = $4
WHERE tenant_id = $1 AND delivery_id = $2 AND position = $3 AND state = 'SENT' RETURNING true"""
_RETURN: Final = """
UPDATE recipients SET state = 'FAILED', failure = 'BOUNCED', detail = $5, update_time = now(), revision = $4
WHERE tenant_id = $1 AND delivery_id = $2 AND position = $3 AND state IN ('SENT', 'DELIVERED') RETURNING true"""
_UNWANTED: Final = {Event.BOUNCED: Cause.BOUNCED, Event.COMPLAINED: Cause.COMPLAINED}


class ReportedMessages:
    """The delivery log and the suppression list."""

    def __init__(self, records: Records, suppressions: SuppressionList) -> None:
        self._records = records
        self._suppressions = suppressions

    async def apply(self, provider: str, report: Report) -> bool:
        """Put a report on record; whether anything changed."""
        async with self._records.of_all() as tx:
            found = await tx.fetchrow(_FIND, report.message_id, provider)
        if found is None:
            return False
        # Each for itself, so that a repeat makes good what an end in between has left out.
        unwanted, changed = await self._suppress(found, report), await self._log(found, report)
        return unwanted or changed

    async def _log(self, found: asyncpg.Record, report: Report) -> bool:
        returned = report.event in {Event.BOUNCED, Event.RETURNED}
        key = (found["tenant_id"], found["delivery_id"])
        async with self._records.of_all() as tx:
            revision = await tx.fetchval(_LOCK, *key)
            place = (*key, found["position"], revision)
            changed = (
                await tx.fetchval(_RETURN, *place, report.detail[:512])
                if returned
                else await tx.fetchval(_ARRIVE, *place)
            )
            await tx.execute(SUM_UP, [found["delivery_id"]])
        return bool(changed)

    async def _suppress(self, found: asyncpg.Record, report: Report) -> bool:
        cause = _UNWANTED.get(report.event)
        if cause is None:
            return False
        _, added = await self._suppressions.add(
            found["tenant_id"], found["address_key"], Scope.EVERYTHING, cause, report.detail[:512]
        )
        return added
