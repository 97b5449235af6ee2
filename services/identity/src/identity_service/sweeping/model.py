"""What is forgotten."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Sweepable(Protocol):
    """Keeps what must go when its time is over."""

    async def sweep(self, now: datetime) -> None:
        """Remove what is due."""
        ...
