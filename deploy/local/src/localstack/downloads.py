"""What several stacks fetch once between them: one does it while the others wait."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TextIO

TURN_PAUSE = 0.1


@asynccontextmanager
async def alone(lock: Path) -> AsyncIterator[None]:
    """Be the only one inside the block, among all processes that name the same file."""
    with _opened(lock) as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(TURN_PAUSE)
        yield


def _opened(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w")
