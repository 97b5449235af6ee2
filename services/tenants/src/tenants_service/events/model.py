"""Something that happened, once and for ever."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

# Names the space our own event identifiers are derived in; it must never change.
_SPACE = uuid.UUID("6f8f3a52-6c2b-5b0c-9d0e-0f6a3f0f5d11")


@dataclass(frozen=True, slots=True)
class Event:
    """One event, before it has a position."""

    event_id: uuid.UUID
    tenant_id: uuid.UUID
    """Whom it is about; the nil UUID where it is about no tenant."""
    event_type: str
    aggregate_type: str
    aggregate_id: str
    data: Mapping[str, object]
    """What there is to know, as JSON can say it. No secrets."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What it came from, beyond what the call in hand says: run_id, workflow_type, activity_id."""


def derived_id(*cause: object) -> uuid.UUID:
    """The identifier of an event: the same cause gives the same one, so what is reported twice is on record once."""
    return uuid.uuid5(_SPACE, "/".join(map(str, cause)))


def change_of(
    aggregate_type: str,
    aggregate_id: object,
    event_type: str,
    *,
    revision: int,
    tenant_id: uuid.UUID,
    data: Mapping[str, object],
) -> Event:
    """The event of a change of ours.

    An aggregate counts its changes, so what it is, the type of the event and that number name the event.
    """
    return Event(
        event_id=derived_id(tenant_id, aggregate_type, aggregate_id, event_type, revision),
        tenant_id=tenant_id,
        event_type=event_type,
        aggregate_type=aggregate_type,
        aggregate_id=str(aggregate_id),
        data=data,
    )
