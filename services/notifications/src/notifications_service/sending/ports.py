"""What sending needs of the outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from notifications_service.model import Message
from notifications_service.sending.model import Claim, Outcome


class Queue(Protocol):
    """What waits to be sent."""

    async def claim(self, limit: int, *, first: str, lease: timedelta) -> Sequence[Claim]:
        """Take on at most so many messages; `first` is the provider that is about to be asked."""
        ...

    async def moving(self, claim: Claim, provider: str) -> None:
        """Put on record that another provider is about to be asked."""
        ...

    async def record(self, outcomes: Sequence[Outcome]) -> None:
        """Put on record what came of claims."""
        ...

    async def forget(self) -> bool:
        """Erase some of what is kept too long; whether there may be more."""
        ...


class Composer(Protocol):
    """Writes messages."""

    def compose(self, claim: Claim) -> Message:
        """The message of a claim: the same, byte for byte, each time."""
        ...
