"""Between the values of the model and how zone files, and the vendors that follow them, write and parse records."""

from __future__ import annotations

import ipaddress
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT

from dns_service.model import RecordType

_STRING_LIMIT = 255


def to_text(kind: RecordType, value: str) -> str:
    """A value as a zone file writes it: names end with a dot, text is quoted."""
    match kind:
        case RecordType.CNAME | RecordType.MX:
            return f"{value}."
        case RecordType.TXT:
            return text_to(value)
        case _:
            return value


def to_rdata(kind: RecordType, value: str) -> dns.rdata.Rdata:
    """A value as the DNS library holds it."""
    if kind is RecordType.TXT:
        return text_to_rdata(value)
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind.value), to_text(kind, value))


def from_text(kind: RecordType, text: str) -> str:
    """A value from how a zone file writes it; what cannot be parsed stays as it is, for it is not ours."""
    try:
        rdata = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind.value), text, origin=dns.name.root)
    except (dns.exception.DNSException, ValueError):
        return text
    return from_rdata(kind, rdata)


def from_rdata(kind: RecordType, rdata: Any) -> str:
    """A value from what the DNS library holds."""
    match kind:
        case RecordType.CNAME:
            return host_from(rdata.target)
        case RecordType.MX:
            return f"{rdata.preference} {host_from(rdata.exchange)}"
        case RecordType.TXT:
            return b"".join(rdata.strings).decode(errors="replace")
        case RecordType.AAAA:
            # The DNS library writes some addresses differently from the standard library.
            return str(ipaddress.IPv6Address(rdata.address))
        case _:
            return str(rdata.to_text())


def text_to(value: str) -> str:
    """Text as quoted strings, none longer than a record can hold."""
    return text_to_rdata(value).to_text()


def text_to_rdata(value: str) -> dns.rdata.Rdata:
    """Text as the DNS library holds it, in strings none of which is longer than a record can hold."""
    octets = value.encode()
    strings = [octets[start : start + _STRING_LIMIT] for start in range(0, len(octets), _STRING_LIMIT)]
    return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings)


def text_from(text: str) -> str:
    """Text from its quoted strings."""
    return from_text(RecordType.TXT, text)


def host_from(name: dns.name.Name) -> str:
    """A host name in its one true form."""
    return name.to_text(omit_final_dot=True).lower()
