"""Heartbeats in the background: a dead worker is noticed in seconds, and a cancellation reaches a call that only waits.

Every activity with a heartbeat time-out has them (`temporalkit.activities`). One that wants to resume where its last
attempt stopped says how far it is with `activity.heartbeat(run_id)`, and finds in `activity.info().heartbeat_details`
how far that was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio import activity, worker

# So many beats may be lost before the server takes the worker for dead.
_BEATS_PER_TIMEOUT = 4


class Progress(worker.ActivityOutboundInterceptor):
    """Remembers what the activity last said of its progress, so that a beat in the background does not erase it."""

    def __init__(self, next: worker.ActivityOutboundInterceptor, last: tuple[Any, ...]) -> None:
        """Begin with what the attempt before said last."""
        super().__init__(next)
        self._last = last

    def heartbeat(self, *details: Any) -> None:
        """See base class."""
        self._last = details
        self.next.heartbeat(*details)

    def beat(self) -> None:
        """Say again what was said last."""
        self.next.heartbeat(*self._last)


@asynccontextmanager
async def heartbeating(progress: Progress, longest_interval: timedelta) -> AsyncIterator[None]:
    """Beat while the block runs, if the activity has a heartbeat time-out. What is over soon never beats."""
    timeout = activity.info().heartbeat_timeout
    if timeout is None:
        yield
        return
    interval = min(longest_interval, timeout / _BEATS_PER_TIMEOUT)
    beating = asyncio.create_task(_beat(progress, interval.total_seconds()))
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.wait([beating])


async def _beat(progress: Progress, interval: float) -> None:
    while True:
        await asyncio.sleep(interval)
        progress.beat()
