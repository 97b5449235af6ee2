"""When what is swept away."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final, TypeAlias

BATCH: Final = 1000
"""How much one transaction forgets: others wait for what it has locked."""

Sweep: TypeAlias = Callable[[int], Awaitable[int | None]]
"""Forgets at most so much, and says how much it was; None where another replica is at it."""

Sweeps: TypeAlias = Mapping[str, Sweep]
"""By what they forget."""


def pause(interval: timedelta) -> float:
    """Seconds until the next round: not the same in every replica."""
    return interval.total_seconds() * random.uniform(0.5, 1)  # noqa: S311 - not for secrecy
