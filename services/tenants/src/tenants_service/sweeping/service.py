"""The rounds in which a process forgets what nobody needs any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self, TypeAlias

from tenants_service.sweeping.model import BATCH, Sweep, Sweeps, pause

_log = logging.getLogger(__name__)

Tally: TypeAlias = Callable[[str, int], None]
"""Counts what was forgotten, and how much of it."""


class Sweeper:
    """A resource that makes a round every so often, for as long as it is open. What fails waits for the next round."""

    name = "sweeper"

    def __init__(self, sweeps: Sweeps, interval: timedelta, *, tally: Callable[[], Tally]) -> None:
        """Describe it.

        Args:
            sweeps: what to forget, and how.
            interval: how long from one round to the next, at most.
            tally: makes the counter, once the process has its instruments.
        """
        self._sweeps = sweeps
        self._interval = interval
        self._tally = tally
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._rounds(self._tally()), name=self.name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def check(self) -> None:
        """Whoever does not sweep serves all the same."""

    async def _rounds(self, tally: Tally) -> None:
        while True:
            await asyncio.sleep(pause(self._interval))
            for what, sweep in self._sweeps.items():
                try:
                    await _all(what, sweep, tally)
                except Exception as error:  # noqa: BLE001 - whatever it is, it is logged, and tried again in the next round
                    _log.warning("cannot sweep %s: %r", what, error)


async def _all(what: str, sweep: Sweep, tally: Tally) -> None:
    """Forget batch by batch until there is no more."""
    total, count = 0, await sweep(BATCH)
    while count:
        tally(what, count)
        total += count
        count = await sweep(BATCH) if count == BATCH else 0
    if total:
        _log.info("swept", extra={"what": what, "count": total})
