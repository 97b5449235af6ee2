"""Doing a piece of work again when it lost a race inside the database."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeVar

from faults import Aborted

T = TypeVar("T")

LONGEST_PAUSE: Final = timedelta(seconds=1)


async def retrying(
    work: Callable[[], Awaitable[T]],
    *,
    attempts: int = 5,
    first_pause: timedelta = timedelta(milliseconds=10),
) -> T:
    """Do the work, and again when its transaction gave way to another one, at most `attempts` times in all.

    Only for work that is one whole transaction, opened inside: `await retrying(lambda: transfer(database, ...))`. An
    `Aborted` with a reason of the service's own (a stale etag) is an answer, not a race, and is not tried again.
    """
    for attempt in range(1, attempts + 1):
        try:
            return await work()
        except Aborted as fault:
            if fault.reason != "CONCURRENT_CHANGE" or attempt == attempts:
                raise
        pause = min(first_pause * 2 ** (attempt - 1), LONGEST_PAUSE)
        # Spread out, or those who met will meet again.
        await asyncio.sleep(pause.total_seconds() * random.uniform(0.5, 1.5))  # noqa: S311 - not for secrecy
    raise AssertionError  # pragma: no cover - the last attempt returns or raises
