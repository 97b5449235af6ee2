"""What a zone answers, and how an update changes it (RFC 1034 and 2136)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import dns.message
import dns.name
import dns.node
import dns.rcode
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.transaction
import dns.update
import dns.versioned
import dns.zone
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from localstack.responder.policy import UPDATABLE

MAX_ALIASES = 8


@dataclass(slots=True)
class Answer:
    """The sections of an answer."""

    rcode: Rcode = Rcode.NOERROR
    answer: list[dns.rrset.RRset] = field(default_factory=list)
    authority: list[dns.rrset.RRset] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ZoneData:
    """One zone, kept in a file."""

    zone: dns.versioned.Zone
    file: Path

    @classmethod
    def load(cls, origin: str, file: Path) -> ZoneData:
        """Read the zone from its file."""
        zone = dns.zone.from_file(str(file), origin, relativize=False, zone_factory=dns.versioned.Zone)
        assert isinstance(zone, dns.versioned.Zone)  # noqa: S101 - what the factory makes
        return cls(zone, file)

    @property
    def origin(self) -> dns.name.Name:
        """The name of the zone."""
        assert self.zone.origin is not None  # noqa: S101 - it was loaded with one
        return self.zone.origin

    def answer(self, name: dns.name.Name, rdtype: RdataType) -> Answer:
        """What the zone says about a name, following aliases inside it."""
        found = Answer()
        with self.zone.reader() as reader:
            for _ in range(MAX_ALIASES):
                if not name.is_subdomain(self.origin):
                    return found if found.answer else Answer(Rcode.REFUSED)
                rrsets = _rrsets(reader, name, rdtype)
                found.answer += rrsets
                alias = _alias(reader, name, rdtype)
                if alias is None:
                    if not rrsets:
                        found.rcode = Rcode.NOERROR if self._exists(reader, name) else Rcode.NXDOMAIN
                        found.authority += _rrsets(reader, self.origin, RdataType.SOA)
                    return found
                found.answer.append(alias)
                name = alias[0].target
        return found

    def everything(self) -> list[dns.rrset.RRset]:
        """The whole zone as a transfer sends it: it begins and ends with the SOA record."""
        with self.zone.reader() as reader:
            soa = _rrsets(reader, self.origin, RdataType.SOA)
            rest = [
                _rrset(name, rdataset)
                for name, rdataset in reader.iterate_rdatasets()
                if rdataset.rdtype != RdataType.SOA
            ]
        return [*soa, *rest, *soa]

    def update(self, request: dns.update.UpdateMessage) -> Rcode:
        """Apply a whole update, or nothing of it, and keep it."""
        if [question.name for question in request.zone] != [self.origin]:
            return Rcode.NOTAUTH
        with self.zone.writer() as writer:
            rcode = self._prerequisites(writer, request.prerequisite) or _permitted(self.origin, request.update)
            if rcode is not Rcode.NOERROR:
                writer.rollback()
                return rcode
            for change in request.update:
                _change(writer, change)
            if writer.changed():
                writer.update_serial(name=self.origin)
        self._keep()
        return Rcode.NOERROR

    def _prerequisites(self, zone: dns.transaction.Transaction, wanted: list[dns.rrset.RRset]) -> Rcode:
        """RFC 2136, 3.2: what must be so before anything is changed."""
        for one in _gathered(wanted):
            if not one.name.is_subdomain(self.origin):
                return Rcode.NOTZONE
            rcode = self._in_use(zone, one) if one.rdtype == RdataType.ANY else _rrset_is(zone, one)
            if rcode is not Rcode.NOERROR:
                return rcode
        return Rcode.NOERROR

    def _in_use(self, zone: dns.transaction.Transaction, one: dns.rrset.RRset) -> Rcode:
        in_use = bool(_rrsets(zone, one.name, RdataType.ANY))
        if one.deleting == dns.rdataclass.NONE:
            return Rcode.YXDOMAIN if in_use else Rcode.NOERROR
        return Rcode.NOERROR if in_use else Rcode.NXDOMAIN

    def _exists(self, zone: dns.transaction.Transaction, name: dns.name.Name) -> bool:
        """Whether the name has records, or a name below it has."""
        return any(other.is_subdomain(name) for other in zone.iterate_names())

    def _keep(self) -> None:
        draft = self.file.with_suffix(".new")
        self.zone.to_file(str(draft), relativize=False)
        os.replace(draft, self.file)  # noqa: PTH105 - pathlib's has another meaning on some systems


def _permitted(origin: dns.name.Name, changes: list[dns.rrset.RRset]) -> Rcode:
    for change in changes:
        if not change.name.is_subdomain(origin):
            return Rcode.NOTZONE
        everything_there = change.rdtype == RdataType.ANY and change.deleting == dns.rdataclass.ANY
        if not everything_there and dns.rdatatype.to_text(change.rdtype) not in UPDATABLE:
            return Rcode.REFUSED
    return Rcode.NOERROR


def _gathered(wanted: list[dns.rrset.RRset]) -> list[dns.rrset.RRset]:
    """What a set of records must be comes record by record (RFC 2136, 3.2.3)."""
    sets: dict[tuple[dns.name.Name, RdataType], dns.rrset.RRset] = {}
    for one in wanted:
        if one.deleting is None:
            whole = sets.setdefault((one.name, one.rdtype), dns.rrset.RRset(one.name, one.rdclass, one.rdtype))
            for rdata in one:
                whole.add(rdata)
    return [*(one for one in wanted if one.deleting is not None), *sets.values()]


def _rrset_is(zone: dns.transaction.Transaction, one: dns.rrset.RRset) -> Rcode:
    found = zone.get(one.name, one.rdtype)
    if one.deleting == dns.rdataclass.NONE:
        return Rcode.YXRRSET if found else Rcode.NOERROR
    same = found is not None and (one.deleting == dns.rdataclass.ANY or set(found) == set(one))
    return Rcode.NOERROR if same else Rcode.NXRRSET


def _change(zone: dns.transaction.Transaction, change: dns.rrset.RRset) -> None:
    """RFC 2136, 3.4.2: one change."""
    if change.deleting == dns.rdataclass.ANY:
        types = [one.rdtype for one in _rrsets(zone, change.name, RdataType.ANY)]
        for rdtype in types if change.rdtype == RdataType.ANY else [change.rdtype]:
            if dns.rdatatype.to_text(rdtype) in UPDATABLE:
                zone.delete(change.name, rdtype)
    elif change.deleting == dns.rdataclass.NONE:
        for rdata in change:
            zone.delete(change.name, rdata)
    elif not _would_mix(zone, change) and not _is_there(zone, change):
        if change.rdtype == RdataType.CNAME:
            zone.delete(change.name, RdataType.CNAME)
        zone.add(change.name, change.to_rdataset())


def _is_there(zone: dns.transaction.Transaction, change: dns.rrset.RRset) -> bool:
    """Whether all of it is there already, so that adding it is no change."""
    found = zone.get(change.name, change.rdtype)
    return found is not None and found.ttl == change.ttl and set(change) <= set(found)


def _would_mix(zone: dns.transaction.Transaction, change: dns.rrset.RRset) -> bool:
    """Whether an alias and other records would stand at one name. Such an addition is silently left out, by the RFC."""
    types = {one.rdtype for one in _rrsets(zone, change.name, RdataType.ANY)}
    if change.rdtype == RdataType.CNAME:
        return bool(types - {RdataType.CNAME})
    return RdataType.CNAME in types


def _alias(zone: dns.transaction.Transaction, name: dns.name.Name, rdtype: RdataType) -> dns.rrset.RRset | None:
    if rdtype in {RdataType.CNAME, RdataType.ANY}:
        return None
    return next(iter(_rrsets(zone, name, RdataType.CNAME)), None)


def _rrsets(zone: dns.transaction.Transaction, name: dns.name.Name, rdtype: RdataType) -> list[dns.rrset.RRset]:
    node = zone.get_node(name)
    rdatasets = node.rdatasets if node else []
    return [_rrset(name, one) for one in rdatasets if rdtype in {one.rdtype, RdataType.ANY}]


def _rrset(name: dns.name.Name, rdataset: dns.rdataset.Rdataset) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(name, rdataset.ttl, list(rdataset))
