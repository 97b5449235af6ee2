"""Between the messages about events and the words of the domain. Pure, both ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from faults import Invalid, Violation
from tenantmesh.tenants.v1 import event_pb2
from tenantmesh.tenants.v1 import event_service_pb2 as pb
from tenants_service.events.model import Draft, Filter, Recorded
from tenants_service.translate import time_from
from tenants_service.watching.model import Sighting

_CAUSE = ("workflow_id", "run_id", "workflow_type", "activity_id")
_LIMIT = 512 * 1024
"""Bytes of the events of one request: the answer brings them back, and is kept for a repeat."""
_TOLD = (*_CAUSE, "principal", "trace_id")


def drafts_from(request: pb.AppendEventsRequest) -> list[Draft]:
    """The events somebody reports."""
    if sum(event.ByteSize() for event in request.events) > _LIMIT:
        raise Invalid(
            "The events are too large for one request.",
            reason="EVENT_TOO_LARGE",
            facts={"field": "events", "limit_bytes": _LIMIT},
            violations=[Violation("events", f"must have at most {_LIMIT} bytes together")],
        )
    return [
        Draft(
            event.event_type,
            event.aggregate_type,
            event.aggregate_id,
            _data_from(event.event_data, f"events[{place}].event_data"),
            UUID(event.event_id) if event.event_id else None,
        )
        for place, event in enumerate(request.events)
    ]


def cause_from(metadata: event_pb2.EventMetadata) -> dict[str, str]:
    """What events come from, as their reporter may say it; the rest is taken from the call."""
    return {name: value for name in _CAUSE if (value := getattr(metadata, name))}


def filter_from(request: pb.ListEventsRequest | pb.WatchEventsRequest) -> Filter:
    """Which events somebody wants."""
    wanted = Filter(
        UUID(request.tenant_id) if request.tenant_id else None,
        request.aggregate_type,
        request.aggregate_id,
        frozenset(request.event_types),
    )
    if isinstance(request, pb.WatchEventsRequest):
        return wanted
    return Filter(
        wanted.tenant_id,
        wanted.aggregate_type,
        wanted.aggregate_id,
        wanted.event_types,
        request.workflow_id,
        _time_from(request, "start_time"),
        _time_from(request, "end_time"),
    )


def event_to(recorded: Recorded) -> event_pb2.Event:
    """An event as callers see it."""
    event = recorded.event
    return event_pb2.Event(
        event_id=str(event.event_id),
        position=recorded.position,
        tenant_id=str(event.tenant_id) if event.tenant_id.int else "",
        event_type=event.event_type,
        aggregate_type=event.aggregate_type,
        aggregate_id=event.aggregate_id,
        event_data=json_format.ParseDict(dict(event.data), Struct()),
        metadata=_metadata_to(event.metadata),
        create_time=time_to(recorded.create_time),
    )


def time_to(time: datetime) -> Timestamp:
    """A moment as callers see it."""
    message = Timestamp()
    message.FromDatetime(time.astimezone(UTC))
    return message


def sighting_to(sighting: Sighting, resume_token: str) -> pb.WatchEventsResponse:
    """What a stream says of a sighting."""
    if sighting.event is not None:
        return pb.WatchEventsResponse(event=event_to(sighting.event), resume_token=resume_token)
    heartbeat = pb.Heartbeat(position=sighting.position, server_time=time_to(datetime.now(UTC)))
    return pb.WatchEventsResponse(heartbeat=heartbeat, resume_token=resume_token)


def _metadata_to(metadata: Mapping[str, str]) -> event_pb2.EventMetadata:
    message = event_pb2.EventMetadata(**{name: metadata[name] for name in _TOLD if name in metadata})
    with suppress(ValueError):  # who calls from outside may name a call as they like
        message.request_id = str(UUID(metadata.get("request_id", "")))
    return message


def _data_from(message: Struct, field: str) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json_format.MessageToDict(message)
    except (json_format.SerializeToJsonError, ValueError):
        raise _invalid(field, "numbers must be finite") from None
    if any("\0" in text for text in _texts(data)):
        raise _invalid(field, "texts must not hold the character U+0000")
    return data


def _texts(value: object) -> Iterator[str]:
    """Every text in something JSON can say."""
    match value:
        case str():
            yield value
        case dict():
            for item in [*value.keys(), *value.values()]:
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)


def _time_from(request: pb.ListEventsRequest, field: str) -> datetime | None:
    if not request.HasField(field):  # type: ignore[arg-type] # one of the two names below
        return None
    return time_from(getattr(request, field), field)


def _invalid(field: str, rule: str) -> Invalid:
    return Invalid(
        "The request breaks the bounds its contract states.",
        reason="REQUEST_INVALID",
        violations=[Violation(field, rule)],
        domain="tenantmesh",
    )
