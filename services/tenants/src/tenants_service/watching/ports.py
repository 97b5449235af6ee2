"""What watching needs of the record of events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from tenants_service.events.model import Filter, Recorded
from tenants_service.watching.model import Look


class Record(Protocol):
    """Every tenant's events, to read."""

    async def last(self) -> int:
        """The last position there is to see; 0 where there is none."""
        ...

    async def look(self) -> Look:
        """The last position there is to see, and after that: who may yet add events."""
        ...

    async def read(self, wanted: Filter, *, after: int, upto: int, limit: int) -> Sequence[Recorded]:
        """The first `limit` events that are wanted, with positions behind `after` and not behind `upto`."""
        ...


class WakeUps(Protocol):
    """Hints that there may be something new; they may be lost, so one comes every so often without a reason."""

    async def __aenter__(self) -> object:
        """Begin to receive them."""
        ...

    async def __aexit__(self, *_: object) -> object:
        """Leave off."""
        ...

    def wakeups(self) -> AsyncIterator[None]:
        """One item at once, then one for each hint."""
        ...
