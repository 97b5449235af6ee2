"""Writes into the log what it would send, and sends nothing: to watch a mesh that must reach nobody."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from notifications_service.model import Message, Verdict

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoggingSettings:
    """The logging provider has no settings."""


class LoggingProvider:
    """Says what it would send. Variables and contents stay out of the log: they may be secret."""

    name = "logging"
    repeatable = True
    Settings = LoggingSettings

    def __init__(self, settings: LoggingSettings) -> None:
        """Describe it; there is nothing to set."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    async def check(self) -> None:
        """The log is always there."""

    async def send(self, message: Message) -> Verdict:
        """Say that the message would be sent. Nobody gets it, so it is SKIPPED."""
        _log.info(
            "would send a message",
            extra={
                "template": message.template_id,
                "recipient": message.recipient.email,
                "language": message.language,
                "message_key_of": message.key,
            },
        )
        return Verdict.skipped("skipped-logging-only")
