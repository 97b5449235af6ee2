"""One writer a name at a time, for providers that cannot compare and write in one step."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary


class Turns:
    """A lock for each name, kept only while somebody holds or awaits it.

    It orders the writers of one process. Between processes such a provider leaves a gap between reading and writing;
    the verification that follows sees what came of it.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, name: str) -> asyncio.Lock:
        """The lock of a name."""
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        return lock
