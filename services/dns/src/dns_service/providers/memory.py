"""Records in this process's memory: for mock mode, for tests and for a first look. Nobody can resolve them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from dns_service.model import Capability, Node, Record, RecordKey, RecordType
from dns_service.providers import refusals
from settingskit import setting


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """Settings of the memory provider."""

    zones: tuple[str, ...] = setting(
        "DNS_MEMORY_ZONES", default=(), help="Zones the memory provider serves, comma separated; none serves any name."
    )


class MemoryProvider:
    """A provider whose records last as long as the process."""

    name = "memory"
    capabilities: frozenset[Capability] = frozenset(Capability)
    types = frozenset(RecordType)
    resolvable = False
    Settings = MemorySettings

    def __init__(self, settings: MemorySettings, records: Iterable[Record] = ()) -> None:
        self._zones = tuple(zone.lower().removesuffix(".") for zone in settings.zones)
        self._records: dict[RecordKey, Record] = {record.key: record for record in records}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._records.clear()

    async def check(self) -> None:
        """Memory is always there."""

    async def zone_of(self, name: str) -> str:
        """The longest zone that holds the name; the last two labels where no zones are configured."""
        if not self._zones:
            return ".".join(name.split(".")[-2:])
        return refusals.zone_among(self._zones, name, self.name)

    async def at(self, name: str, only: RecordType | None = None) -> Node:
        """Every record set at exactly this name."""
        keys = [RecordKey(name, kind) for kind in ([only] if only else RecordType)]
        return Node(name, tuple(self._records[key] for key in keys if key in self._records))

    async def put(self, record: Record, *, seen: Node) -> Record:
        """Write the record if what was seen still stands."""
        await self._check_unchanged(record.key, seen)
        self._records[record.key] = record
        return record

    async def remove(self, record: Record, *, seen: Node) -> None:
        """Remove the record if what was seen still stands."""
        await self._check_unchanged(record.key, seen)
        del self._records[record.key]

    async def stamped(self) -> AsyncIterator[Record]:
        """Everything that bears the mesh's stamp."""
        for record in list(self._records.values()):
            if record.owner is not None:
                yield record

    async def _check_unchanged(self, key: RecordKey, seen: Node) -> None:
        if await self.at(key.name) != seen:
            raise refusals.changed(key)
