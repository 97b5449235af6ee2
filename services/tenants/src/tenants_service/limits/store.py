"""The SQL of limits: one row a subject, whatever replica it asks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime

from faults import Fault
from postgreskit import Session, Transaction
from tenants_service.limits.model import Charge, exceeded

_SPEND = """
INSERT INTO rate_limits AS spent (name, subject, free_time) VALUES ($1, $2, $3::timestamptz + $4)
ON CONFLICT (tenant_id, name, subject) DO UPDATE SET free_time = greatest(spent.free_time, $3) + $4
    WHERE greatest(spent.free_time, $3) + $4 <= $5
RETURNING true"""
_FREE = "SELECT free_time FROM rate_limits WHERE name = $1 AND subject = $2"
_SWEEP = """
WITH free AS MATERIALIZED (
    SELECT tenant_id, name, subject FROM rate_limits WHERE free_time <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM rate_limits AS spent USING free
WHERE spent.tenant_id = free.tenant_id AND spent.name = free.name AND spent.subject = free.subject RETURNING true"""


class Limiter:
    """Counts calls in transactions of their own: what is refused afterwards has been counted all the same."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    async def spend(self, session: Session, charges: Sequence[Charge]) -> None:
        """Count one call for each of the charges, up to the first that is past its limit: that is the fault."""
        if not charges:
            return
        refusal: Fault | None = None
        async with session.transaction() as tx:
            for charge in charges:
                refusal = await self._spend(tx, charge)
                if refusal:
                    break
        if refusal:
            raise refusal

    async def _spend(self, tx: Transaction, charge: Charge) -> Fault | None:
        now, limit = self._clock(), charge.limit
        subject = hashlib.sha256(charge.subject.encode()).digest()
        if await tx.fetchval(_SPEND, limit.name, subject, now, limit.share, limit.latest(now)):
            return None
        return exceeded(charge, await tx.fetchval(_FREE, limit.name, subject), now)


async def sweep(tx: Transaction, now: datetime, limit: int) -> int:
    """Forget who has paid everything off, so many at most; answer how many."""
    return len(await tx.fetch(_SWEEP, now, limit))
