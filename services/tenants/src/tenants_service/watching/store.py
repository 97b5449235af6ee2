"""The SQL of watching."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from postgreskit import Transaction
from tenants_service.events.model import Filter, Recorded
from tenants_service.events.store import recorded_in, select
from tenants_service.store import Records
from tenants_service.watching.model import Look

_LAST = "SELECT coalesce(max(position), 0) FROM domain_events"
# Who inserts holds this lock from before it takes its first position until after it has ended.
_WRITERS = """
SELECT DISTINCT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND relation = 'domain_events'::regclass AND mode = 'RowExclusiveLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


class EventRecord:
    """Every tenant's events, as those who watch them read them."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def last(self) -> int:
        """The last position there is to see; 0 where there is none."""
        async with self._records.of_all() as tx:
            return await _last(tx)

    async def look(self) -> Look:
        """The last position there is to see, and after that: who may yet add events."""
        async with self._records.of_all() as tx:
            last = await _last(tx)
            return Look(last, frozenset(row[0] for row in await tx.fetch(_WRITERS)))

    async def read(self, wanted: Filter, *, after: int, upto: int, limit: int) -> Sequence[Recorded]:
        """The first `limit` events that are wanted, with positions behind `after` and not behind `upto`."""
        query, arguments = select(wanted)
        first = len(arguments) + 1
        bounds = f"position > ${first} AND position <= ${first + 1} ORDER BY position LIMIT {limit:d}"
        async with self._scope(wanted) as tx:
            rows = await tx.fetch(f"SELECT * FROM ({query}) AS wanted WHERE {bounds}", *arguments, after, upto)  # noqa: S608 - our own text
        return [recorded_in(row) for row in rows]

    def _scope(self, wanted: Filter) -> AbstractAsyncContextManager[Transaction]:
        return self._records.of(wanted.tenant_id) if wanted.tenant_id else self._records.of_all()


async def _last(tx: Transaction) -> int:
    last: int = await tx.fetchval(_LAST)
    return last
