"""The rounds in which a process forgets secrets whose time is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from faults import Fault
from identity_service.sweeping.model import Sweepable

_log = logging.getLogger(__name__)


class Sweeper:
    """A resource that makes a round every so often, for as long as it is open. What fails waits for the next round."""

    name = "sweeper"

    def __init__(self, kept: Sweepable, interval: timedelta, clock: Callable[[], datetime]) -> None:
        """Describe it.

        Args:
            kept: what to go through.
            interval: how long from one round to the next.
            clock: the time.
        """
        self._kept = kept
        self._interval = interval.total_seconds()
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._rounds(), name=self.name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def check(self) -> None:
        """Whoever does not sweep serves all the same: what is due is not handed out, swept or not."""

    async def _rounds(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self._kept.sweep(self._clock())
            except Fault as fault:
                _log.warning("cannot sweep: %r", fault)
