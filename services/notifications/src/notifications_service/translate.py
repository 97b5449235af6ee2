"""Between the messages several RPCs share and the words of the domain. Pure, both ways."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from google.protobuf.timestamp_pb2 import Timestamp

from notifications_service.model import NOBODY, Branding
from tenantmesh.notifications.v1 import branding_pb2

_LONGEST_ADDRESS = 254
"""Octets that fit into SMTP's MAIL and RCPT (RFC 5321)."""


def tenant_from(text: str) -> UUID:
    """Whose something is; nobody's where no tenant is named."""
    return UUID(text) if text else NOBODY


def tenant_to(tenant_id: UUID) -> str:
    """The tenant something is for; empty for none."""
    return "" if tenant_id == NOBODY else str(tenant_id)


def time_to(time: datetime | None) -> Timestamp | None:
    """A moment as a message has it; a moment that never was is not set."""
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time.astimezone(UTC))
    return message


def time_from(message: Timestamp) -> datetime:
    """A moment."""
    return message.ToDatetime(tzinfo=UTC)


def email_from(text: str) -> tuple[str, str]:
    """An address in its one true form, and why it is none.

    Host names become ASCII, which every server takes. The part before the @ is the receiving server's business, and
    stays as it is: quotes, and letters of all scripts, are allowed there.
    """
    try:
        # Neither is DNS asked, nor is it held against a host name that it is one's own network's: that is the mail
        # server's to say. `test_environment` lets the names ending in .test pass, which are there to try things with.
        found = validate_email(
            text.strip(),
            check_deliverability=False,
            globally_deliverable=False,
            test_environment=True,
            allow_quoted_local=True,
            strict=True,
        )
    except EmailNotValidError as error:
        return text.strip(), f"{error}"[:512]
    email = found.ascii_email or f"{found.local_part}@{found.ascii_domain}"
    if len(email.encode()) > _LONGEST_ADDRESS:
        return email, "The email address is too long."
    return email, ""


def name_from(text: str) -> str:
    """What somebody is called, on one line."""
    return " ".join(text.split())


def branding_from(message: branding_pb2.Branding) -> Branding:
    """How messages look."""
    said = {name: getattr(message, name).strip() for name in Branding.__dataclass_fields__}
    return Branding(**said)
