"""Ownership stamps: what the mesh writes beside a record so that it knows its own again.

Most providers keep no notes, so the stamp is a TXT record one label before the name (a CNAME tolerates nothing beside
it). Records of several types at one name share that TXT record, a value each. The text is short enough for the comment
field of a provider that does keep notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dns_service.model import STAMP_LABEL, WILDCARD_STAMP_LABEL, Owner, Record, RecordData, RecordKey, RecordType

MARK = "tenantmesh"
TTL = timedelta(minutes=5)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_FIELDS = 6
# No space: some hosters' interfaces would make several strings of a text with one.
_BETWEEN = ","
PREFIX = f"{MARK}{_BETWEEN}"
_STAR = "*."
# Operations are named after their tenant; in a stamp that stands beside the tenant a sign says it again.
_SAME_TENANT = "~"


@dataclass(frozen=True, slots=True)
class Stamp:
    """Whose a record of one type is, and when it was made and changed."""

    type: RecordType
    owner: Owner
    update_time: datetime

    @classmethod
    def of(cls, record: Record) -> Stamp:
        """The stamp of a record of ours."""
        assert record.owner is not None  # noqa: S101 - the domain writes nothing without an owner
        return cls(record.key.type, record.owner, record.update_time or record.owner.time)

    @classmethod
    def parse(cls, text: str) -> Stamp | None:
        """The stamp in a text; None where it is something else."""
        fields = text.split(_BETWEEN)
        if len(fields) != _FIELDS or fields[0] != MARK:
            return None
        _, kind, tenant, operation, made, later = fields
        try:
            made_at = _EPOCH + int(made, 36) * _TICK
            return cls(
                RecordType(kind),
                Owner(tenant, operation.replace(_SAME_TENANT, tenant), made_at),
                made_at + int(later, 36) * _TICK,
            )
        except (ValueError, OverflowError):
            return None

    def __str__(self) -> str:
        """The text that `parse` reads."""
        owner = self.owner
        operation = owner.operation_id.replace(owner.tenant_id, _SAME_TENANT)
        made, later = (owner.time - _EPOCH) // _TICK, max(self.update_time - owner.time, timedelta()) // _TICK
        return _BETWEEN.join((MARK, self.type.value, owner.tenant_id, operation, _base36(made), _base36(later)))


def name_of_stamp(name: str) -> str:
    """Where the stamp of a name stands."""
    if name.startswith(_STAR):
        return f"{WILDCARD_STAMP_LABEL}.{name.removeprefix(_STAR)}"
    return f"{STAMP_LABEL}.{name}"


def stamped_name(place: str) -> str | None:
    """The name whose stamp stands at a place; None where that is no place of a stamp."""
    label, _, rest = place.partition(".")
    return {STAMP_LABEL: rest, WILDCARD_STAMP_LABEL: f"{_STAR}{rest}"}.get(label)


def with_stamp(texts: Iterable[str], record: Record) -> tuple[str, ...]:
    """The values of the stamp's TXT record once `record` is written."""
    return (*without_stamp(texts, record.key.type), str(Stamp.of(record)))


def without_stamp(texts: Iterable[str], kind: RecordType) -> tuple[str, ...]:
    """The values of the stamp's TXT record once the record of this type is gone. What we cannot read stays."""
    return tuple(text for text in texts if (stamp := Stamp.parse(text)) is None or stamp.type is not kind)


def assemble(
    provider: str, zone: str, name: str, sets: Mapping[RecordType, RecordData], texts: Iterable[str]
) -> tuple[Record, ...]:
    """The records at a name from its record sets and its stamp, and what is left of those that are gone."""
    stamps = {stamp.type: stamp for stamp in map(Stamp.parse, texts) if stamp is not None}
    return tuple(
        record_of(provider, zone, RecordKey(name, kind), sets.get(kind, RecordData((), timedelta())), stamps.get(kind))
        for kind in RecordType
        if kind in sets or kind in stamps
    )


def record_of(  # noqa: PLR0917 - the parts of a record, in their order
    provider: str, zone: str, key: RecordKey, data: RecordData, stamp: Stamp | None, record_id: str = ""
) -> Record:
    """A record with its stamp, or a foreign one without."""
    if stamp is None:
        return Record(key, data, None, provider, zone, provider_record_id=record_id)
    return Record(key, data, stamp.owner, provider, zone, stamp.owner.time, stamp.update_time, record_id)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"
