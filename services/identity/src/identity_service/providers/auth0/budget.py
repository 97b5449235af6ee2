"""A vendor's rate limit as a token bucket: requests wait their turn here instead of being refused there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import monotonic

from identity_service.providers import refusals


class Budget:
    """So many requests at once, refilled at so many a second.

    A request takes its token at once and waits until that token is due, so that requests go in the order they came. One
    that would wait longer than `patience` is refused with the time to come back, and takes nothing.
    """

    def __init__(
        self,
        provider: str,
        *,
        rate: float,
        burst: float,
        patience: timedelta,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Start with a full bucket.

        Args:
            provider: whose limit it is.
            rate: tokens a second.
            burst: how many the bucket holds.
            patience: how long a request may wait here.
            clock: the time, in seconds.
            sleep: lets time pass.
        """
        self._provider = provider
        self._rate = rate
        self._burst = burst
        self._patience = patience.total_seconds()
        self._clock = clock
        self._sleep = sleep
        self._tokens = burst
        self._counted = clock()

    async def take(self, tokens: float = 1) -> None:
        """Wait for that many tokens; PROVIDER_RATE_LIMITED where that would take too long."""
        self._refill()
        wait = self._counted - self._clock() + max(0.0, (tokens - self._tokens) / self._rate)
        if wait > self._patience:
            raise refusals.rate_limited(self._provider, timedelta(seconds=wait))
        self._tokens -= tokens
        if wait > 0:
            await self._sleep(wait)

    def pause(self, span: timedelta) -> None:
        """Hold every request back: the vendor said for how long."""
        self._refill()
        self._tokens = min(self._tokens, 0.0)
        self._counted = max(self._counted, self._clock() + span.total_seconds())

    def _refill(self) -> None:
        now = self._clock()
        if now > self._counted:
            self._tokens = min(self._burst, self._tokens + (now - self._counted) * self._rate)
            self._counted = now
