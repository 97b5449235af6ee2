"""Asking one provider after the other, and never two of them for the same message."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from notifications_service.model import Failure, Message, State, Verdict
from notifications_service.ports import Provider

_log = logging.getLogger(__name__)

Moving = Callable[[str], Awaitable[None]]


class Chain:
    """Providers in the order in which they are asked."""

    def __init__(self, providers: Sequence[Provider], patience: timedelta) -> None:
        """Describe it.

        Args:
            providers: at least one.
            patience: how long one of them may take for a message.
        """
        self._providers = tuple(providers)
        self._patience = patience.total_seconds()

    @property
    def first(self) -> str:
        """The provider that is asked first."""
        return self._providers[0].name

    def repeatable(self, name: str) -> bool:
        """Whether a message whose outcome is unknown can be handed to this provider again."""
        return any(provider.name == name and provider.repeatable for provider in self._providers)

    async def send(self, message: Message, *, moving: Moving, open_at: str = "") -> tuple[str, Verdict]:
        """Hand the message to the first provider that takes it; answers who was asked last, and the verdict.

        The next one is asked only when it is certain that the one before did not take the message.

        Args:
            message: what to send.
            moving: told the name of a later provider before that one is asked, so that it is known whose the outcome
                is if nobody lives to tell.
            open_at: the provider that was asked before and whose verdict was lost.
        """
        asked = self._from(open_at)
        if not asked or (open_at and not asked[0].repeatable):
            return open_at, _lost()
        verdicts: list[tuple[str, Verdict]] = []
        for provider in asked:
            if verdicts:
                await moving(provider.name)
            verdict = await self._ask(provider, message)
            verdicts.append((provider.name, verdict))
            if not verdict.passes_on:
                return provider.name, verdict
        return max(verdicts, key=_weight)

    def _from(self, name: str) -> Sequence[Provider]:
        """The chain from a provider on; nothing if it is no longer in the chain."""
        names = [provider.name for provider in self._providers]
        if not name:
            return self._providers
        return self._providers[names.index(name) :] if name in names else ()

    async def _ask(self, provider: Provider, message: Message) -> Verdict:
        try:
            async with asyncio.timeout(self._patience):
                return await provider.send(message)
        except TimeoutError:
            return Verdict.failed(Failure.OUTCOME_UNKNOWN, "The provider gave no answer in time.")
        except Exception:  # noqa: BLE001 - whatever it was, the message may be under way
            _log.exception("a provider broke", extra={"provider": provider.name, "message_key": message.key})
            return Verdict.failed(Failure.OUTCOME_UNKNOWN, "The provider's answer could not be made sense of.")


def _lost() -> Verdict:
    return Verdict.failed(
        Failure.OUTCOME_UNKNOWN, "The sender ended after the message was handed over and before that was confirmed."
    )


def _weight(asked: tuple[str, Verdict]) -> tuple[bool, bool]:
    """Which of several providers that did not take a message speaks for all: whoever may take it later, if any."""
    verdict = asked[1]
    return verdict.transient, verdict.state is not State.SKIPPED
