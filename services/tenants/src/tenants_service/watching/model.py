"""Up to which position a reader may go without ever skipping an event.

Positions are taken in one order and committed in another: a transaction that took position 5 may still be at work while
position 6 is there to read. Whoever reads 6 and goes on behind it never sees 5.

A look at the table says two things, in this order: the last position there is to see, and which transactions are
writing events at that moment. A transaction is a writer before it takes its first position, and until after it has
ended. So whatever was still missing below that last position belongs to one of those writers, and once none of them
writes any more, nothing up to there can appear.

The order of positions is kept because it is the order of causes: who changes a tenant waits for the one before, and
takes its position after that. The order of transaction numbers, which would need no such care, is not: a transaction
may get its number first and wait.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from tenants_service.events.model import Recorded


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the table says; `writers` is read after `last`."""

    last: int
    """The last position that is there to see; 0 where there is none."""
    writers: AbstractSet[str]
    """The transactions that may yet add events."""


class Horizon:
    """The last position up to which everything is there to see, learnt from one look after the other."""

    def __init__(self) -> None:
        self.position = 0
        self._next: Look | None = None

    @property
    def waits(self) -> bool:
        """Whether there is more to see already, and another look soon will say that it is complete."""
        return self._next is not None

    def learn(self, look: Look) -> bool:
        """Take in a look, and answer whether the horizon moved. What lies before it is to be read after this."""
        before = self.position
        if self._next is not None and not self._next.writers & look.writers:
            self.position = self._next.last
            self._next = None
        if self._next is None and look.last > self.position:
            if look.writers:
                self._next = look
            else:
                self.position = look.last
        return self.position > before


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a watcher is told: an event, or none as a sign of life. It has seen everything up to the position."""

    position: int
    event: Recorded | None = None
