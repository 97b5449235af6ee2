"""Records in this process's memory: for mock mode, for tests and for a first look. Nobody can resolve them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Self

from dns_service.model import Record, RecordKey, Verification, VerificationState
from faults import Aborted, Conflict
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
    Settings = MemorySettings

    def __init__(self, settings: MemorySettings, records: Iterable[Record] = ()) -> None:
        self._zones = settings.zones
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
        zones = [zone for zone in self._zones if name == zone or name.endswith(f".{zone}")]
        if not zones:
            raise Conflict(
                f"No zone of this provider holds {name}.",
                reason="ZONE_NOT_SERVED",
                facts={"name": name, "provider": self.name},
            )
        return max(zones, key=len)

    async def at(self, name: str) -> Sequence[Record]:
        """Every record set at exactly this name."""
        return [record for record in self._records.values() if record.key.name == name]

    async def put(self, record: Record, *, expected: Record | None) -> Record:
        """Write the record if what was expected still stands."""
        self._check_unchanged(record.key, expected)
        self._records[record.key] = record
        return record

    async def remove(self, record: Record) -> None:
        """Remove the record if it still stands as it is."""
        self._check_unchanged(record.key, record)
        del self._records[record.key]

    async def stamped(self) -> AsyncIterator[Record]:
        """Everything that bears the mesh's stamp."""
        for record in list(self._records.values()):
            if record.owner is not None:
                yield record

    def _check_unchanged(self, key: RecordKey, expected: Record | None) -> None:
        if self._records.get(key) != expected:
            raise Aborted(
                f"Somebody else changed {key.name} at the same time.",
                reason="RECORD_CHANGED",
                facts={"name": key.name, "type": key.type.value},
            )


class NoLookup:
    """Verifies nothing and says so: records in memory have no name server that could be asked."""

    async def verify(self, record: Record, patience: timedelta) -> AsyncIterator[Verification]:
        """One round, without a question."""
        del patience
        yield Verification(
            VerificationState.NOT_LOOKED_UP,
            detail=f"Nobody was asked: the provider {record.provider} keeps its records in memory.",
        )
