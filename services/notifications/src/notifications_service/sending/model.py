"""A message that one process has taken on itself to send, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from notifications_service.deliveries.model import Content
from notifications_service.model import Branding, Failure, Verdict


@dataclass(frozen=True, slots=True)
class Claim:
    """A message to send. Nobody else sends it while the claim lasts."""

    claim: UUID
    tenant_id: UUID
    delivery_id: UUID
    position: int
    template_id: str
    email: str
    display_name: str
    language: str
    content: Content = field(repr=False)
    branding: Branding = field(repr=False)
    create_time: datetime
    tries: int
    """Which try of this round it is, counted from 1."""
    asked: str = ""
    """The provider that was asked before and whose verdict is not known."""
    optional: bool = False
    suppressed: bool = False
    forgotten: bool = False
    """Whether what it is written from is no longer kept."""

    @property
    def key(self) -> str:
        """Names the message for ever, towards every provider."""
        return f"{self.delivery_id}-{self.position}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a claim."""

    claim: Claim
    provider: str
    verdict: Verdict
    again_in: timedelta | None = None
    """When it is tried again; None where it is done with."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often, and how fast, a message is tried again."""

    attempts: int
    first_pause: timedelta
    longest_pause: timedelta = timedelta(minutes=5)

    def again_in(self, verdict: Verdict, tries: int, *, repeatable: bool) -> timedelta | None:
        """The pause before the next try; None where there is none.

        Args:
            verdict: what the last one came to.
            tries: how many there were.
            repeatable: whether a message whose outcome is unknown can be handed over again.
        """
        if tries >= self.attempts or not (verdict.transient or (verdict.unknown and repeatable)):
            return None
        if verdict.retry_after is not None:
            return min(max(verdict.retry_after, self.first_pause), timedelta(hours=1))
        return min(self.first_pause * 4.0 ** (tries - 1), self.longest_pause)


def forgotten() -> Verdict:
    """What is said of a message that can no longer be written."""
    return Verdict.failed(Failure.PROVIDER_UNAVAILABLE, "It could not be sent for as long as its content was kept.")
