"""Messages in this process's memory: for mock mode, for tests and for a first look. Nobody receives them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from notifications_service.model import Message, Verdict
from settingskit import setting


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """Settings of the memory provider."""

    capacity: int = setting(
        "NOTIFICATION_MEMORY_CAPACITY", default=1000, minimum=1, help="Messages the memory provider keeps, the latest."
    )


class MemoryProvider:
    """Keeps the latest messages."""

    name = "memory"
    repeatable = True
    Settings = MemorySettings

    def __init__(self, settings: MemorySettings) -> None:
        self.messages: deque[Message] = deque(maxlen=settings.capacity)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.messages.clear()

    async def check(self) -> None:
        """Memory is always there."""

    async def send(self, message: Message) -> Verdict:
        """Keep the message, once."""
        if all(kept.key != message.key for kept in self.messages):
            self.messages.append(message)
        return Verdict.sent(f"memory-{message.key}")
