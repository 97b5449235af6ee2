"""Between the messages several contracts share and the words of the domain. Pure, both ways."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

import idna
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from faults import Fault, Invalid, Violation
from tenantmesh.tenants.v1 import address_pb2, contact_pb2
from tenants_service.names.model import domain_invalid, parse_domain, parse_email
from tenants_service.tenants.model import Address, Contact

_NAME_LIMIT = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 24 * 60 * 60


def time_to(time: datetime | None) -> Timestamp | None:
    """A moment as a message has it; a moment that never was is not set."""
    if time is None:
        return None
    since = time - _EPOCH
    return Timestamp(seconds=since.days * _DAY + since.seconds, nanos=since.microseconds * 1000)


def time_from(message: Timestamp, field: str) -> datetime:
    """A moment somebody names."""
    try:
        return message.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise _broken(field, "must be a moment of the years 1 to 9999") from None


def chosen_of(message: Message, mask: FieldMask) -> set[str]:
    """The fields an update is about: those the mask names; those that are set where it names none."""
    for path in mask.paths:
        if path not in message.DESCRIPTOR.fields_by_name:  # the contract's rule lets `branding.locale` pass
            raise _broken("update_mask", f"must name whole fields, and {path} is none")
    return set(mask.paths) or {field.name for field, _ in message.ListFields()}


def id_from(text: str) -> UUID | None:
    """An identifier, or None where none is given."""
    return UUID(text) if text else None


def id_to(identifier: UUID | None) -> str:
    """The text of an identifier; empty for none."""
    return str(identifier) if identifier else ""


def text_from(text: str, field: str) -> str:
    """What people call something: trimmed, in its composed form, and nothing invisible in it."""
    name = unicodedata.normalize("NFC", " ".join(text.split()))
    if not name:
        raise _broken(field, "must not be empty")
    if len(name) > _NAME_LIMIT:
        raise _broken(field, f"must not be longer than {_NAME_LIMIT} characters")
    if not name.isprintable():
        raise _broken(field, "must not hold characters that cannot be seen")
    return name


def domain_from(text: str, field: str) -> str:
    """A host name in its one true form, in ASCII; internationalised names are mapped as browsers map them."""
    try:
        return parse_domain(_ascii(text), field)
    except (idna.IDNAError, UnicodeError):
        raise domain_invalid(text, field, "is no host name") from None


def domains_from(texts: Iterable[str]) -> tuple[str, ...]:
    """Host names, each once."""
    return tuple(dict.fromkeys(domain_from(text, f"domains[{place}]") for place, text in enumerate(texts)))


def email_from(text: str, field: str) -> str:
    """An e-mail address in its one true form."""
    local, at, domain = text.strip().rpartition("@")
    try:
        return parse_email(f"{local}{at}{_ascii(domain)}", field)
    except (idna.IDNAError, UnicodeError):
        return parse_email("", field)


def address_from(message: address_pb2.Address) -> Address:
    """Where a company is, without the spaces around."""
    return Address(
        country=message.country.upper(),
        address=message.address.strip(),
        city=message.city.strip(),
        state=message.state.strip(),
        zip=message.zip.strip(),
    )


def address_to(address: Address) -> address_pb2.Address:
    """Where a company is."""
    return address_pb2.Address(
        country=address.country, address=address.address, city=address.city, state=address.state, zip=address.zip
    )


def contact_from(message: contact_pb2.Contact, field: str) -> Contact:
    """A person."""
    return Contact(
        first_name=text_from(message.first_name, f"{field}.first_name"),
        last_name=text_from(message.last_name, f"{field}.last_name"),
        email=email_from(message.email, f"{field}.email"),
        phone=message.phone.strip(),
        title=message.title.strip(),
        primary=message.primary,
    )


def contacts_from(messages: Iterable[contact_pb2.Contact]) -> tuple[Contact, ...]:
    """Some people."""
    return tuple(contact_from(message, f"contacts[{place}]") for place, message in enumerate(messages))


def contact_to(contact: Contact) -> contact_pb2.Contact:
    """A person."""
    return contact_pb2.Contact(
        first_name=contact.first_name,
        last_name=contact.last_name,
        email=contact.email,
        phone=contact.phone,
        title=contact.title,
        primary=contact.primary,
    )


def _ascii(domain: str) -> str:
    """The ASCII form of a host name; what is ASCII already is left to the rules of host names."""
    domain = domain.strip().removesuffix(".")
    return domain if domain.isascii() else idna.encode(domain, uts46=True, std3_rules=True).decode()


def _broken(field: str, rule: str) -> Fault:
    return Invalid(
        "The request breaks the bounds its contract states.",
        reason="REQUEST_INVALID",
        violations=[Violation(field, rule)],
        domain="tenantmesh",
    )
