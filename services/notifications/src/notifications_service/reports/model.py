"""A provider's word on a message, and why such a word is not taken."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta

from faults import Invalid, Unauthenticated


class Event(enum.Enum):
    """What became of a message."""

    ARRIVED = "ARRIVED"
    RETURNED = "RETURNED"
    """It came back, and the address may be right all the same: a full mailbox, a server that was away for too long."""
    BOUNCED = "BOUNCED"
    """It came back for good: nobody can be reached there."""
    COMPLAINED = "COMPLAINED"
    """It arrived, and was called spam."""


@dataclass(frozen=True, slots=True)
class Report:
    """One message, by the identifier that the provider gave it, and what became of it."""

    message_id: str
    event: Event
    detail: str = ""


def signature_invalid(provider: str) -> Unauthenticated:
    """There is no signature, or none that is right."""
    return Unauthenticated(
        "The report is not signed by the provider.", reason="SIGNATURE_INVALID", facts={"provider": provider}
    )


def signature_expired(provider: str, tolerance: timedelta) -> Unauthenticated:
    """It was signed too long ago."""
    return Unauthenticated(
        "The report was signed too long ago.",
        reason="SIGNATURE_EXPIRED",
        facts={"provider": provider, "tolerance_seconds": int(tolerance.total_seconds())},
    )


def report_invalid(provider: str) -> Invalid:
    """The provider signed something that it does not document."""
    return Invalid("The report cannot be read.", reason="REPORT_INVALID", facts={"provider": provider})
