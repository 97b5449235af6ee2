"""The words everybody here shares: who a message is from and for, what it says, and what a provider says of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from uuid import UUID

NOBODY = UUID(int=0)
"""The tenant of what is for no tenant."""


def address_key(email: str) -> str:
    """What two ways of writing one address have in common, as far as mail servers tell them apart in practice."""
    return email.lower()


class State(enum.Enum):
    """How a message to one recipient stands."""

    QUEUED = "QUEUED"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"
    SUPPRESSED = "SUPPRESSED"
    CANCELLED = "CANCELLED"

    @property
    def delivered(self) -> bool:
        """Whether a provider took the message over; nothing else may be read as sent."""
        return self in {State.SENT, State.DELIVERED}


class Failure(enum.Enum):
    """Why a message failed."""

    ADDRESS_INVALID = "ADDRESS_INVALID"
    RECIPIENT_REFUSED = "RECIPIENT_REFUSED"
    MESSAGE_REFUSED = "MESSAGE_REFUSED"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"
    PROVIDER_CREDENTIALS_REFUSED = "PROVIDER_CREDENTIALS_REFUSED"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    BOUNCED = "BOUNCED"


_ABOUT_THE_PROVIDER = frozenset(
    {Failure.PROVIDER_UNAVAILABLE, Failure.PROVIDER_CREDENTIALS_REFUSED, Failure.MESSAGE_REFUSED}
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a provider says of one message."""

    state: State
    message_id: str = ""
    failure: Failure | None = None
    detail: str = ""
    retry_after: timedelta | None = None

    @classmethod
    def sent(cls, message_id: str) -> Verdict:
        """The provider took it over."""
        return cls(State.SENT, message_id)

    @classmethod
    def skipped(cls, message_id: str) -> Verdict:
        """Nothing was sent, on purpose."""
        return cls(State.SKIPPED, message_id)

    @classmethod
    def failed(cls, failure: Failure, detail: str, retry_after: timedelta | None = None) -> Verdict:
        """It was not taken over, or nobody knows."""
        return cls(State.FAILED, failure=failure, detail=detail, retry_after=retry_after)

    @property
    def unknown(self) -> bool:
        """Whether the message may be under way all the same."""
        return self.failure is Failure.OUTCOME_UNKNOWN

    @property
    def transient(self) -> bool:
        """Whether the same provider may take it later, and certainly did not now."""
        return self.failure is Failure.PROVIDER_UNAVAILABLE

    @property
    def passes_on(self) -> bool:
        """Whether another provider may take it: this one certainly did not, and that was not the recipient's fault."""
        return self.state is State.SKIPPED or self.failure in _ABOUT_THE_PROVIDER


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address, and the name of who reads there."""

    email: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Branding:
    """How messages look. What is empty is left to somebody else's."""

    product_name: str = ""
    logo_url: str = ""
    primary_color: str = ""
    website_url: str = ""
    support_url: str = ""
    support_email: str = ""
    footer: str = ""
    sender_name: str = ""
    reply_to: str = ""

    def over(self, other: Branding) -> Branding:
        """This one, and the other's where it is empty."""
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(other, **{name: value for name, value in own.items() if value})

    @property
    def on_primary_color(self) -> str:
        """Black or white, whichever can be read on the primary colour."""
        red, green, blue = (_linear(int(self.primary_color[at : at + 2], 16) / 255) for at in (1, 3, 5))
        light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        return "#111827" if (light + 0.05) ** 2 > 1.05 * 0.05 else "#ffffff"


def _linear(channel: float) -> float:
    """The light of a colour's channel, as WCAG 2 defines it."""
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - constants of sRGB


@dataclass(frozen=True, slots=True)
class Message:
    """One message for one recipient. The same key is the same message, byte for byte, however often it is made."""

    key: str
    time: datetime
    tenant_id: UUID
    template_id: str
    language: str
    sender: Mailbox
    recipient: Mailbox
    subject: str
    html: str = field(repr=False)
    text: str = field(repr=False)
    reply_to: str = ""
    unsubscribe_url: str = field(default="", repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What it was written from, secrets included: for providers that write messages themselves."""
