"""Records as JSON, and stamps as tags: what the mesh writes into the store."""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from storage_service.buckets.model import Place, Record, Stamp, Tier
from storage_service.credentials.model import Owner

_TAG = "tenantmesh:"
_SUFFIX = ".json"
_FOLDER = "places/"
PURPOSE = f"{_TAG}purpose"


def name_of(place: Place) -> str:
    """The record's object key. `!` stands before every character of a bucket's name, so keys sort as places do."""
    bucket, prefix = place.order
    return f"{_FOLDER}{bucket}!{prefix}"


def place_of(name: str) -> Place | None:
    """The place whose record has this object key; None for what is no record."""
    bucket, mark, prefix = name.removeprefix(_FOLDER).partition("!")
    return Place(bucket, f"{prefix}/" if prefix else "") if mark and name.startswith(_FOLDER) else None


def to_text(record: Record) -> bytes:
    """A record as it is written."""
    return json.dumps(_plain(record), separators=(",", ":"), sort_keys=True).encode()


def from_text(text: bytes) -> Record:
    """A record as it was written; what a later version added is left out, what an earlier one lacked is as usual."""
    record: Record = _typed(Record, json.loads(text))
    return record


def to_tags(stamp: Stamp) -> list[dict[str, str]]:
    """A stamp as tags of a bucket."""
    said = {
        "tenant": stamp.owner.tenant_id,
        "operation": stamp.owner.operation_id,
        "time": stamp.owner.time.astimezone(UTC).isoformat(),
        "key": stamp.tenant_key,
        "tier": stamp.tier.value,
    }
    return [{"Key": f"{_TAG}{name}", "Value": value} for name, value in said.items()]


def from_tags(tags: list[Mapping[str, str]]) -> Stamp | None:
    """The stamp among the tags of a bucket."""
    said = {tag["Key"].removeprefix(_TAG): tag["Value"] for tag in tags if tag["Key"].startswith(_TAG)}
    try:
        owner = Owner(said["tenant"], said["operation"], datetime.fromisoformat(said["time"]))
        return Stamp(said["key"], Tier(said["tier"]), owner)
    except (KeyError, ValueError):
        return None


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else value


def _typed(kind: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {types.UnionType, typing.Union}:
        return None if value is None else _typed(next(each for each in arguments if each is not types.NoneType), value)
    if origin is tuple:
        return tuple(_typed(arguments[0], each) for each in value)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _typed(hints[name], value[name]) for name in hints if name in value})
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is timedelta:
        return timedelta(seconds=value)
    return kind(value) if isinstance(kind, type) and issubclass(kind, enum.Enum) else value
