"""The SQL of events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from opentelemetry import trace

from chassis import context
from postgreskit import OpenPage, Transaction
from tenants_service.events.model import Appended, Event, Filter, Recorded
from tenants_service.store import close_fitting

_APPEND = """
INSERT INTO domain_events (tenant_id, event_id, event_type, aggregate_type, aggregate_id, event_data, metadata)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, event_id) DO NOTHING"""


async def append(tx: Transaction, events: Iterable[Event]) -> None:
    """Put events on record in the transaction of the change they tell of; one that is on record already is left alone.

    The transaction must see the rows of the events' tenant.
    """
    rows = _rows(events)
    if len(rows) == 1:
        await tx.execute(_APPEND, *rows[0])  # one round trip less
    else:
        await tx.executemany(_APPEND, rows)


def _rows(events: Iterable[Event]) -> list[tuple[object, ...]]:
    origin = _origin()
    return [
        (
            event.tenant_id,
            event.event_id,
            event.event_type,
            event.aggregate_type,
            event.aggregate_id,
            json.dumps(event.data),
            json.dumps({**event.metadata, **origin}),
        )
        for event in events
    ]


def _origin() -> dict[str, str]:
    """What the call in hand says an event came from. What a request claims about these is not believed."""
    call = context.current()
    span = trace.get_current_span().get_span_context()
    facts = {
        "workflow_id": call.workflow_id if call else "",
        "principal": call.principal.name if call and call.principal else "",
        "request_id": call.request_id if call else "",
        "trace_id": f"{span.trace_id:032x}" if span.is_valid else "",
    }
    return {name: fact for name, fact in facts.items() if fact}


_COLUMNS = "tenant_id, event_id, position, event_type, aggregate_type, aggregate_id, event_data, metadata, create_time"
_APPENDED = f"""
SELECT {_COLUMNS}, event_data = data AS same_data
FROM unnest($1::uuid[], $2::jsonb[]) WITH ORDINALITY AS given (event_id, data, turn)
JOIN domain_events USING (event_id)
WHERE tenant_id = $3
ORDER BY turn"""  # noqa: S608 - constants

# Ten minutes: by how much a clock is set right at most.
_SINCE = """
SELECT position FROM domain_events
WHERE create_time >= {}::timestamptz - interval '10 minutes' ORDER BY create_time LIMIT 1"""
_UNTIL = """
SELECT position FROM domain_events
WHERE create_time < {}::timestamptz + interval '10 minutes' ORDER BY create_time DESC LIMIT 1"""


class TenantLog:
    """One tenant's events, to add to, in one transaction that sees that tenant's rows."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def knows(self, tenant_id: UUID) -> bool:
        """Whether there is such a tenant."""
        return bool(await self._tx.fetchval("SELECT true FROM tenants WHERE tenant_id = $1", tenant_id))

    async def put(self, tenant_id: UUID, events: Sequence[Event]) -> tuple[Sequence[Appended], int]:
        """Put events on record in their order; answer each as it stands there, and how many are new."""
        added = await self._tx.fetchmany(f"{_APPEND} RETURNING event_id", _rows(events))
        names, data = [event.event_id for event in events], [json.dumps(event.data) for event in events]
        rows = await self._tx.fetch(_APPENDED, names, data, tenant_id)
        return [_appended(row, event) for row, event in zip(rows, events, strict=True)], len(added)


async def read_page(tx: Transaction, page: OpenPage, wanted: Filter) -> tuple[list[Recorded], str]:
    """Some events, and the token of those that follow."""
    query, arguments = select(wanted)
    sql, values = page.select(query, *arguments)
    found = close_fitting(page, await tx.fetch(sql, *values), lambda row: len(row["event_data"]))
    return [recorded_in(row) for row in found.rows], found.next_token


def select(wanted: Filter) -> tuple[str, list[object]]:
    """The SQL that reads the events of a filter, without an order, and its arguments."""
    conditions, arguments = list[str](), list[object]()
    for condition, value in (
        ("tenant_id = {}", wanted.tenant_id),
        ("aggregate_type = {}", wanted.aggregate_type),
        ("aggregate_id = {}", wanted.aggregate_id),
        ("workflow_id = {}", wanted.workflow_id),
        ("create_time >= {}", wanted.start_time),
        ("create_time < {}", wanted.end_time),
        *_bounds(wanted),
    ):
        if value:
            arguments.append(value)
            conditions.append(condition.format(f"${len(arguments)}"))
    # Each type has a query of its own: what one index gives in order for one type, the server merges for several.
    types = [f"event_type = ${number}" for number, _ in enumerate(wanted.event_types, len(arguments) + 1)]
    columns = _COLUMNS.replace("position", f"{_place(wanted)} AS position")
    queries = [
        f"SELECT {columns} FROM domain_events WHERE {' AND '.join([*conditions, one])}"  # noqa: S608 - constants
        for one in types or ["true"]
    ]
    return " UNION ALL ".join(queries), [*arguments, *sorted(wanted.event_types)]


def _place(wanted: Filter) -> str:
    """The column that has the positions, by what is filtered: the indexes of filters go on by `place`."""
    narrowed = wanted.tenant_id or wanted.aggregate_type or wanted.aggregate_id or wanted.event_types
    return "place" if narrowed or wanted.workflow_id else "position"


def _bounds(wanted: Filter) -> list[tuple[str, datetime | None]]:
    """Between which positions the events of a time are, so that nobody walks to them from the first one or the last.

    Times go as positions do but for what clocks are corrected by. One tenant's events are few enough without.
    """
    if wanted.tenant_id:
        return []
    place = _place(wanted)
    return [(f"{place} >= ({_SINCE})", wanted.start_time), (f"{place} <= ({_UNTIL})", wanted.end_time)]


def _appended(row: asyncpg.Record, wanted: Event) -> Appended:
    recorded = recorded_in(row)
    return Appended(recorded, same=row["same_data"] and _name(recorded.event) == _name(wanted))


def _name(event: Event) -> tuple[str, str, str]:
    return event.event_type, event.aggregate_type, event.aggregate_id


def recorded_in(row: asyncpg.Record) -> Recorded:
    """The event a row holds."""
    data: str = row["event_data"]
    event = Event(
        event_id=row["event_id"],
        tenant_id=row["tenant_id"],
        event_type=row["event_type"],
        aggregate_type=row["aggregate_type"],
        aggregate_id=row["aggregate_id"],
        data=json.loads(data),
        metadata=json.loads(row["metadata"]),
    )
    return Recorded(event, row["position"], row["create_time"], size=len(data))
