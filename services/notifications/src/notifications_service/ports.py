"""What the domain needs of those who carry messages. One contract suite holds every provider to it."""

from __future__ import annotations

from typing import Protocol

from notifications_service.model import Message, Verdict


class Provider(Protocol):
    """Carries messages, or says why it did not.

    It raises nothing: what a vendor says is translated in the vendor's own file. OUTCOME_UNKNOWN is for every case in
    which the message may be under way; everything else says that it certainly is, or certainly is not.
    """

    name: str
    repeatable: bool
    """Whether a message that is handed over twice under one key is sent once."""

    async def send(self, message: Message) -> Verdict:
        """Hand one message over."""
        ...
