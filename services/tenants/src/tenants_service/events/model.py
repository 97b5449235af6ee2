"""Something that happened, once and for ever."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from faults import Fault, Invalid, Violation

DATA_LIMIT: Final = 64 * 1024
OWN_FIELD: Final = "transition"
"""Projections are made of it, so nobody else may say it."""
OWN_AGGREGATE: Final = "lead"
"""Leads are counted by their events, and are no tenant's."""

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
    return uuid.uuid5(_SPACE, json.dumps([str(part) for part in cause]))  # as JSON, so that no two causes look alike


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


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event on record."""

    event: Event
    position: int
    create_time: datetime
    size: int = 0
    """Characters of its data."""


@dataclass(frozen=True, slots=True)
class Appended:
    """An event on record, after somebody wanted it to be there."""

    recorded: Recorded
    same: bool
    """Whether it says what they wanted it to say."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events; what is empty does not narrow."""

    tenant_id: uuid.UUID | None = None
    aggregate_type: str = ""
    aggregate_id: str = ""
    event_types: frozenset[str] = frozenset()
    workflow_id: str = ""
    start_time: datetime | None = None
    end_time: datetime | None = None

    def admits(self, recorded: Recorded) -> bool:
        """Whether an event is among them."""
        event = recorded.event
        return (
            (self.tenant_id is None or event.tenant_id == self.tenant_id)
            and self.aggregate_type in {"", event.aggregate_type}
            and self.aggregate_id in {"", event.aggregate_id}
            and (not self.event_types or event.event_type in self.event_types)
            and self.workflow_id in {"", event.metadata.get("workflow_id", "")}
            and (self.start_time is None or recorded.create_time >= self.start_time)
            and (self.end_time is None or recorded.create_time < self.end_time)
        )

    def scope(self) -> tuple[str, ...]:
        """What a token is bound to: the same for the same filter."""
        times = (time.isoformat() if time else "" for time in (self.start_time, self.end_time))
        tenant = str(self.tenant_id or "")
        return tenant, self.aggregate_type, self.aggregate_id, *sorted(self.event_types), "", self.workflow_id, *times


@dataclass(frozen=True, slots=True)
class Draft:
    """An event somebody reports, before it is known which one it is."""

    event_type: str
    aggregate_type: str
    aggregate_id: str
    data: Mapping[str, object]
    event_id: uuid.UUID | None = None

    def event(self, tenant_id: uuid.UUID, metadata: Mapping[str, str]) -> Event:
        """The event, of a tenant; named by the activity it comes from and by what happened, if not by its reporter."""
        event_id = self.event_id or derived_id(
            metadata["run_id"], metadata["activity_id"], self.event_type, self.aggregate_type, self.aggregate_id
        )
        return Event(event_id, tenant_id, self.event_type, self.aggregate_type, self.aggregate_id, self.data, metadata)


def check(draft: Draft, field: str) -> None:
    """Refuse what only this service's own events say, and data that is too large to keep."""
    if draft.aggregate_type == OWN_AGGREGATE:
        raise _claimed(f"{field}.aggregate_type", f"only the service's own events are about a {OWN_AGGREGATE}")
    if OWN_FIELD in draft.data:
        raise _claimed(f"{field}.event_data.{OWN_FIELD}", f"{OWN_FIELD!r} is a field of the service's own events")
    if len(json.dumps(draft.data, ensure_ascii=False).encode()) > DATA_LIMIT:
        raise Invalid(
            "The data of an event is too large.",
            reason="EVENT_TOO_LARGE",
            facts={"field": f"{field}.event_data", "limit_bytes": DATA_LIMIT},
            violations=[Violation(f"{field}.event_data", f"must have at most {DATA_LIMIT} bytes as JSON")],
        )


def _claimed(field: str, rule: str) -> Fault:
    return Invalid(
        "An event claims to be one of the service's own.",
        reason="REQUEST_INVALID",
        violations=[Violation(field, rule)],
        domain="tenantmesh",
    )
