"""Not more often than a vendor allows."""

from __future__ import annotations

import asyncio


class Pace:
    """Lets through so many a second, one after the other and evenly."""

    def __init__(self, rate: float) -> None:
        self._gap = 1 / rate
        self._free = 0.0

    async def turn(self) -> None:
        """Wait for one's turn. Whoever gives up meanwhile leaves a gap, and harms nobody."""
        now = asyncio.get_running_loop().time()
        mine = max(self._free, now)
        self._free = mine + self._gap
        if mine > now:
            await asyncio.sleep(mine - now)
