"""What the domain needs of the outside. One contract suite holds every implementation to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Protocol

from dns_service.model import Record, RecordKey, Verification


class Provider(Protocol):
    """Holds DNS records, and the ownership stamp beside each.

    It raises `faults` only: a vendor's errors are translated in the vendor's own file.
    """

    name: str

    async def zone_of(self, name: str) -> str:
        """The zone that holds `name`; ZONE_NOT_SERVED when this provider serves none."""
        ...

    async def at(self, name: str) -> Sequence[Record]:
        """Every record set at exactly this name, foreign ones included."""
        ...

    async def put(self, record: Record, *, expected: Record | None) -> Record:
        """Write `record` and its stamp together, if the provider still holds `expected` there; else Aborted."""
        ...

    async def remove(self, record: Record) -> None:
        """Remove exactly this record and its stamp, if the provider still holds it as it is; else Aborted."""
        ...

    def stamped(self) -> AsyncIterator[Record]:
        """Everything that bears the mesh's stamp, in no particular order."""
        ...


class Verifier(Protocol):
    """Finds out whether name servers answer a record."""

    def verify(self, record: Record, patience: timedelta) -> AsyncIterator[Verification]:
        """Ask until all agree or `patience` has passed; each round yields how it stands."""
        ...


class Pages(Protocol):
    """Turns the place where a page ends into a token that nobody else can make."""

    def sign(self, last: RecordKey, scope: str) -> str:
        """A token for the page after `last`, good for the same `scope` only."""
        ...

    def open(self, token: str, scope: str) -> RecordKey:
        """The place a token stands for; Invalid when it was not signed here for this `scope`."""
        ...
