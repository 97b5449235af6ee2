"""What the dns service talks about: records, whose they are, and what name servers say of them."""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from faults import Invalid

# The mesh keeps its ownership stamps below this label.
STAMP_LABEL = "_tenantmesh"
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NAME_LIMIT = 253
_FEWEST_LABELS = 2
_CAA = re.compile(r'(\d{1,3}) (issue|issuewild|iodef) "([^"]{1,255})"')
_BYTE_LIMIT = 255
_PREFERENCE_LIMIT = 65_535


class RecordType(enum.Enum):
    """The kinds of record a tenant may have."""

    A = "A"
    AAAA = "AAAA"
    CNAME = "CNAME"
    TXT = "TXT"
    CAA = "CAA"
    MX = "MX"


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
        return cls(parse_name(name), kind)


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
            raise _value_invalid(key, values[1], "a CNAME has exactly one value")
        # Sorted, so that the order in which a caller or a provider lists them makes no difference.
        return cls(tuple(sorted({_parse_value(key, value) for value in values})), ttl, proxied)


@dataclass(frozen=True, slots=True)
class Record:
    """A record set as its provider holds it. Without an owner it is somebody else's."""

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


class Outcome(enum.Enum):
    """What one name server answered, seen from the record that is expected."""

    MATCH = "match"
    MISMATCH = "mismatch"
    ABSENT = "absent"
    ERROR = "error"
    TIMEOUT = "timeout"


class VerificationState(enum.Enum):
    """How far a record has reached the servers that answer for it."""

    WAITING_FOR_AUTHORITATIVE = "waiting_for_authoritative"
    WAITING_FOR_RESOLVERS = "waiting_for_resolvers"
    VERIFIED = "verified"
    NOT_LOOKED_UP = "not_looked_up"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What one name server said last."""

    server: str
    authoritative: bool
    outcome: Outcome
    values: tuple[str, ...] = ()
    serial: int = 0
    detail: str = ""
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """How the verification of a record stands after one round of questions."""

    state: VerificationState
    answers: tuple[ServerAnswer, ...] = ()
    rounds: int = 0
    detail: str = ""


def parse_name(raw: str) -> str:
    """Bring a fully qualified name into its one true form: lower case, no last dot."""
    name = raw.strip().lower().removesuffix(".")
    labels = name.split(".")
    # A wildcard may stand for the first label only.
    checked = labels[1:] if labels[0] == "*" else labels
    if not name.isascii():
        raise _name_invalid(raw, "ascii", "must be in its ASCII form (xn--…)")
    if len(name) > _NAME_LIMIT:
        raise _name_invalid(raw, "length", f"is longer than {_NAME_LIMIT} characters")
    if STAMP_LABEL in labels:
        raise _name_invalid(raw, "reserved", f"uses the reserved label {STAMP_LABEL}")
    if len(checked) < _FEWEST_LABELS or not all(_LABEL.fullmatch(label) for label in checked):
        raise _name_invalid(raw, "hostname", "is not a fully qualified host name")
    return name


def _parse_value(key: RecordKey, value: str) -> str:
    try:
        return _VALUE_PARSERS[key.type](value)
    except ValueError as error:
        raise _value_invalid(key, value, str(error)) from None


def _parse_host(value: str) -> str:
    try:
        return parse_name(value)
    except Invalid as invalid:
        raise ValueError(invalid.message) from None


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
    if not value.isprintable():
        msg = "a TXT value holds printable characters only"
        raise ValueError(msg)
    return value


_VALUE_PARSERS: Mapping[RecordType, Callable[[str], str]] = {
    RecordType.A: lambda value: str(ipaddress.IPv4Address(value)),
    RecordType.AAAA: lambda value: str(ipaddress.IPv6Address(value)),
    RecordType.CNAME: _parse_host,
    RecordType.TXT: _parse_text,
    RecordType.CAA: _parse_authority,
    RecordType.MX: _parse_mail_exchanger,
}


def _name_invalid(name: str, rule: str, problem: str) -> Invalid:
    return Invalid(f"The name {problem}.", reason="NAME_INVALID", facts={"name": name, "rule": rule})


def _value_invalid(key: RecordKey, value: str, problem: str) -> Invalid:
    return Invalid(
        f"A value does not fit the record type {key.type.value}: {problem}.",
        reason="VALUE_INVALID",
        facts={"name": key.name, "type": key.type.value, "value": value},
    )
