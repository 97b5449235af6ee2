"""Dynamic updates (RFC 2136): what must still be so, and the record and its stamp, in one message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import dns.name
import dns.rdata
import dns.rdataset
import dns.rdatatype
import dns.tsig
import dns.update
from dns.name import Name
from dns.rdata import Rdata
from dns.rdataset import Rdataset
from dns.rdatatype import RdataType
from dns.update import UpdateMessage

from dns_service.model import Record, RecordType
from dns_service.providers import presentation, stamps


@dataclass(frozen=True, slots=True)
class Reading:
    """The record sets at a name and at its stamp, by type, as they were read."""

    sets: Mapping[RecordType, Rdataset] = field(default_factory=dict)
    stamp: Rdataset | None = None


def of_nothing(zone: str, key: dns.tsig.Key) -> UpdateMessage:
    """An update of a zone that changes nothing yet."""
    return UpdateMessage(dns.name.from_text(zone), keyring=key)


def to(record: Record, values: Iterable[str], texts: Iterable[str], was: Reading, key: dns.tsig.Key) -> UpdateMessage:
    """The update that leaves these values at a record's place and these texts at its stamp's, if all is as it `was`."""
    update = of_nothing(record.zone, key)
    name, stamp = dns.name.from_text(record.key.name), dns.name.from_text(stamps.name_of_stamp(record.key.name))
    kind = dns.rdatatype.from_text(record.key.type.value)
    held = was.sets.get(record.key.type)
    if kind == RdataType.CNAME and not was.sets:
        update.absent(name)
    else:
        _expect(update, name, kind, held)
    if kind != RdataType.CNAME:
        # The server would leave the new record out without a word.
        update.absent(name, RdataType.CNAME)
    _expect(update, stamp, RdataType.TXT, was.stamp)
    _expect_no_delegation(update, name)
    _write(update, name, held, record.data.ttl, [presentation.to_rdata(record.key.type, value) for value in values])
    _write(update, stamp, was.stamp, stamps.TTL, [presentation.text_to_rdata(text) for text in texts])
    return update


def _expect(update: UpdateMessage, name: Name, kind: RdataType, was: Rdataset | None) -> None:
    if was is None:
        update.absent(name, kind)
    else:
        update.present(name, *was)


def _expect_no_delegation(update: UpdateMessage, name: Name) -> None:
    """At the name, or between it and its zone: below one the server would keep the record, and never answer it."""
    assert update.origin is not None  # noqa: S101 - the library's type allows for one
    for _ in range(len(name) - len(update.origin)):
        update.absent(name, RdataType.NS)
        name = name.parent()


def _write(update: UpdateMessage, name: Name, was: Rdataset | None, ttl: timedelta, values: Sequence[Rdata]) -> None:
    if was is not None:
        update.delete(name, was.rdtype)
    if values:
        update.add(name, int(ttl.total_seconds()), *values)
