"""What was received, newest last. It is kept in memory, and only the latest of it."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

CAPACITY = 1000


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail: its envelope, and its content as it came."""

    number: int
    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    received: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def message(self) -> EmailMessage:
        """The parsed content."""
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def subject(self) -> str:
        """The subject line."""
        return str(self.message.get("Subject", ""))

    @property
    def text(self) -> str:
        """The plain part, empty if there is none."""
        return self._part("plain")

    @property
    def html(self) -> str:
        """The HTML part, empty if there is none."""
        return self._part("html")

    def as_json(self) -> dict[str, Any]:
        """What the JSON API says of it."""
        return {
            "number": self.number,
            "received": self.received.isoformat(),
            "sender": self.sender,
            "recipients": list(self.recipients),
            "subject": self.subject,
            "headers": {name: str(value) for name, value in self.message.items()},
            "text": self.text,
            "html": self.html,
            "attachments": [part.get_filename() or "" for part in self.message.iter_attachments()],
        }

    def _part(self, subtype: str) -> str:
        part = self.message.get_body((subtype,))
        return str(part.get_content()) if part else ""


@dataclass(slots=True)
class Mailbox:
    """Every mail that was received, up to a capacity."""

    mails: deque[Mail] = field(default_factory=lambda: deque(maxlen=CAPACITY))
    _count: int = 0
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def add(self, sender: str, recipients: tuple[str, ...], raw: bytes) -> Mail:
        """Keep a mail."""
        async with self._arrived:
            self._count += 1
            mail = Mail(self._count, sender, recipients, raw)
            self.mails.append(mail)
            self._arrived.notify_all()
        return mail

    def get(self, number: int) -> Mail | None:
        """The mail of that number, if it is still kept."""
        return next((mail for mail in self.mails if mail.number == number), None)

    def to(self, recipient: str) -> list[Mail]:
        """The mails that went to a recipient."""
        return [mail for mail in self.mails if recipient.casefold() in map(str.casefold, mail.recipients)]

    async def wait(self, wanted: Callable[[Mail], bool], timeout: float = 10) -> Mail:  # noqa: ASYNC109 - a test's patience
        """The first mail that is wanted, once it has arrived."""
        async with asyncio.timeout(timeout), self._arrived:
            while True:
                found = next(filter(wanted, self.mails), None)
                if found:
                    return found
                await self._arrived.wait()

    def clear(self) -> None:
        """Forget every mail."""
        self.mails.clear()
