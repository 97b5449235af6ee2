"""The SQL of events."""

from __future__ import annotations

import json
from collections.abc import Iterable

from opentelemetry import trace

from chassis import context
from postgreskit import Transaction
from tenants_service.events.model import Event

_APPEND = """
INSERT INTO domain_events (tenant_id, event_id, event_type, aggregate_type, aggregate_id, event_data, metadata)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, event_id) DO NOTHING"""


async def append(tx: Transaction, events: Iterable[Event]) -> None:
    """Put events on record in the transaction of the change they tell of; one that is on record already is left alone.

    The transaction must see the rows of the events' tenant.
    """
    origin = _origin()
    rows = [
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
    if len(rows) == 1:
        await tx.execute(_APPEND, *rows[0])  # one round trip less
    else:
        await tx.executemany(_APPEND, rows)


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
