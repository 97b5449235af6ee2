"""What the dns service talks about: names, the records that stand at them, and whose they are."""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from faults import Invalid

# The mesh keeps its ownership stamps at these labels: before a name, and in place of the star of a wildcard, which not
# every server takes further inside a name. Both make a name longer by as much.
STAMP_LABEL = "_tenantmesh"
WILDCARD_STAMP_LABEL = "_tenantmesh-w"
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NAME_LIMIT = 253
# A stamp stands at its label before the name, and must fit as well.
_KEY_LIMIT = _NAME_LIMIT - len(f"{STAMP_LABEL}.")
_FEWEST_LABELS = 2
# Without quotes and backslashes, which zone files and providers write in ways of their own.
_CAA = re.compile(r'([0-9]{1,3}) (issue|issuewild|iodef) "([ !#-\[\]-~]{1,255})"')
_BYTE_LIMIT = 255
_PREFERENCE_LIMIT = 65_535
# What is proxied has no TTL of its own.
AUTOMATIC_TTL = timedelta(minutes=5)


class RecordType(enum.Enum):
    """The kinds of record a tenant may have."""

    A = "A"
    AAAA = "AAAA"
    CNAME = "CNAME"
    TXT = "TXT"
    CAA = "CAA"
    MX = "MX"


class Capability(enum.Enum):
    """What some providers can do and others cannot."""

    PROXIED = "proxied"
    APEX_CNAME = "apex_cname"


@dataclass(frozen=True, slots=True)
class Owner:
    """The stamp on what the mesh made: for which tenant, by which operation, and when."""

    tenant_id: str
    operation_id: str
    time: datetime


@dataclass(frozen=True, slots=True)
class RecordKey:
    """What tells one record set from another."""

    name: str
    type: RecordType

    @classmethod
    def parse(cls, name: str, kind: RecordType) -> RecordKey:
        """The key of a name as somebody wrote it, in its one true form; Invalid when it is no name for a record."""
        parsed = parse_name(name)
        if len(parsed) > _KEY_LIMIT:
            raise name_invalid(name, "length", f"is longer than {_KEY_LIMIT} characters")
        if {STAMP_LABEL, WILDCARD_STAMP_LABEL} & set(parsed.split(".")):
            raise name_invalid(name, "reserved", "uses a label that the mesh keeps for itself")
        return cls(parsed, kind)


@dataclass(frozen=True, slots=True)
class RecordData:
    """What a record set says; the part of it that a caller chooses."""

    values: tuple[str, ...]
    ttl: timedelta
    proxied: bool = False

    @classmethod
    def parse(cls, key: RecordKey, values: tuple[str, ...], ttl: timedelta, *, proxied: bool) -> RecordData:
        """The data with each value in the one true form of its type; Invalid when a value does not fit the type."""
        if key.type is RecordType.CNAME and len(values) > 1:
            raise value_invalid(key, values[1], "a CNAME has exactly one value")
        # What a provider cannot hold must not be wanted: it would look like a change each time.
        seconds = timedelta(seconds=ttl // timedelta(seconds=1))
        # Sorted, so that the order in which a caller or a provider lists them makes no difference.
        parsed = tuple(sorted({_parse_value(key, value) for value in values}))
        return cls(parsed, AUTOMATIC_TTL if proxied else seconds, proxied)


@dataclass(frozen=True, slots=True)
class Record:
    """A record set as its provider holds it.

    Without an owner it is somebody else's. Without values only its stamp is left: somebody took the record away.
    """

    key: RecordKey
    data: RecordData
    owner: Owner | None
    provider: str
    zone: str
    create_time: datetime | None = None
    update_time: datetime | None = None
    provider_record_id: str = ""

    def belongs_to(self, tenant_id: str) -> bool:
        """Whether the mesh made it for this tenant."""
        return self.owner is not None and self.owner.tenant_id == tenant_id

    @property
    def is_there(self) -> bool:
        """Whether it is more than a leftover stamp."""
        return bool(self.data.values)

    @property
    def veiled(self) -> bool:
        """Whether its provider answers addresses of its own choice in place of the values."""
        return self.data.proxied or (self.key.type is RecordType.CNAME and self.key.name == self.zone)


@dataclass(frozen=True, slots=True)
class Node:
    """What stands at one name. Nothing, until a provider was asked: most names are new."""

    name: str
    records: tuple[Record, ...] = ()
    others: tuple[str, ...] = ()
    """Types of records there that no tenant can have, such as NS."""
    reading: object = field(default=None, compare=False, repr=False)
    """What the provider needs to recognise this state again; nobody else looks at it."""

    def find(self, key: RecordKey) -> Record | None:
        """The record set of this key, or its leftover stamp."""
        return next((record for record in self.records if record.key == key), None)


class Cause(enum.Enum):
    """Why a record of the mesh is no longer wanted by anybody."""

    RECORD_GONE = "record_gone"
    TARGET_MISSING = "target_missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a sweep found, and whether it took it away."""

    record: Record
    cause: Cause
    removed: bool


def parse_name(raw: str) -> str:
    """Bring a fully qualified name into its one true form: lower case, no last dot."""
    name = raw.strip().lower().removesuffix(".")
    labels = name.split(".")
    # A wildcard may stand for the first label only.
    checked = labels[1:] if labels[0] == "*" else labels
    if not name.isascii():
        raise name_invalid(raw, "ascii", "must be in its ASCII form (xn--…)")
    if len(name) > _NAME_LIMIT:
        raise name_invalid(raw, "length", f"is longer than {_NAME_LIMIT} characters")
    # No top-level domain is a number; what ends with one is an address.
    address = labels[-1].isdecimal()
    if address or len(checked) < _FEWEST_LABELS or not all(_LABEL.fullmatch(label) for label in checked):
        raise name_invalid(raw, "hostname", "is not a fully qualified host name")
    return name


def _parse_value(key: RecordKey, value: str) -> str:
    try:
        return _VALUE_PARSERS[key.type](value)
    except ValueError as error:
        raise value_invalid(key, value, str(error)) from None


def _parse_ipv6(value: str) -> str:
    address = ipaddress.IPv6Address(value)
    if address.scope_id is not None:
        msg = "an address that holds on one machine only cannot be published"
        raise ValueError(msg)
    return str(address)


def _parse_host(value: str) -> str:
    try:
        host = parse_name(value)
    except Invalid as invalid:
        raise ValueError(invalid.message.removesuffix(".")) from None
    if host.startswith("*"):
        msg = "a wildcard is no host"
        raise ValueError(msg)
    return host


def _parse_mail_exchanger(value: str) -> str:
    preference, _, host = value.partition(" ")
    if not preference.isdecimal() or int(preference) > _PREFERENCE_LIMIT:
        msg = "an MX value is a preference and a host, such as `10 mail.example.com`"
        raise ValueError(msg)
    return f"{int(preference)} {_parse_host(host)}"


def _parse_authority(value: str) -> str:
    match = _CAA.fullmatch(value)
    if match is None or int(match[1]) > _BYTE_LIMIT:
        msg = 'a CAA value is flags, tag and quoted text, such as `0 issue "ca.example.net"`'
        raise ValueError(msg)
    return f'{int(match[1])} {match[2]} "{match[3]}"'


def _parse_text(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        msg = "a TXT value holds printable ASCII characters only"
        raise ValueError(msg)
    return value


_VALUE_PARSERS: Mapping[RecordType, Callable[[str], str]] = {
    RecordType.A: lambda value: str(ipaddress.IPv4Address(value)),
    RecordType.AAAA: _parse_ipv6,
    RecordType.CNAME: _parse_host,
    RecordType.TXT: _parse_text,
    RecordType.CAA: _parse_authority,
    RecordType.MX: _parse_mail_exchanger,
}


def name_invalid(name: str, rule: str, problem: str) -> Invalid:
    """What to say of a name that breaks a rule."""
    return Invalid(f"The name {problem}.", reason="NAME_INVALID", facts={"name": name, "rule": rule})


def value_invalid(key: RecordKey, value: str, problem: str) -> Invalid:
    """What to say of a value that does not fit its type."""
    return Invalid(
        f"A value does not fit the record type {key.type.value}: {problem}.",
        reason="VALUE_INVALID",
        facts={"name": key.name, "type": key.type.value, "value": value},
    )
