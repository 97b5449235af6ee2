"""What the domain needs of the outside. One contract suite holds every provider to its port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from typing import Protocol

from dns_service.model import Capability, Node, Record, RecordType
from dns_service.verification.model import Verification


class Provider(Protocol):
    """Holds DNS records, and the ownership stamp beside each.

    It raises `faults` only: a vendor's errors are translated in the vendor's own file. Every write states what it was
    decided upon, and is refused (Aborted) when that no longer stands.
    """

    name: str
    types: frozenset[RecordType]
    capabilities: frozenset[Capability]

    async def zone_of(self, name: str) -> str:
        """The zone that holds `name`; ZONE_NOT_SERVED when this provider serves none."""
        ...

    async def at(self, name: str, only: RecordType | None = None) -> Node:
        """What stands at exactly this name, foreign records included; of one type only where no more is needed."""
        ...

    async def put(self, record: Record, *, seen: Node) -> Record:
        """Write `record` and its stamp together, if the provider still holds what was `seen`; else Aborted."""
        ...

    async def remove(self, record: Record, *, seen: Node) -> None:
        """Remove exactly this record and its stamp, if the provider still holds what was `seen`; else Aborted."""
        ...

    def stamped(self) -> AsyncIterator[Record]:
        """Everything that bears the mesh's stamp, leftover stamps included, in no particular order."""
        ...


class Verifier(Protocol):
    """Finds out whether name servers answer a record."""

    def verify(self, record: Record, patience: timedelta) -> AsyncIterator[Verification]:
        """Ask until all agree or `patience` has passed; each round yields how it stands."""
        ...


class Targets(Protocol):
    """Knows whether the hosts that records point to exist."""

    async def missing(self, hosts: Collection[str]) -> frozenset[str]:
        """Those of the hosts that certainly do not exist. Where nobody can tell, a host counts as existing."""
        ...
