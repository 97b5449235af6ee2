"""Writes into the log what it would do, and remembers it like memory: to watch a mesh that must touch nothing."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Self

from dns_service.model import Capability, Node, Record, RecordType
from dns_service.providers.memory import MemoryProvider, MemorySettings

_log = logging.getLogger(__name__)


class LoggingProvider:
    """Memory that tells what happens to it."""

    name = "logging"
    capabilities: frozenset[Capability] = MemoryProvider.capabilities
    types = frozenset(RecordType)
    resolvable = False
    Settings = MemorySettings

    def __init__(self, settings: MemorySettings, records: Iterable[Record] = ()) -> None:
        self._memory = MemoryProvider(settings, records)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._memory.__aexit__(kind, error, trace)

    async def check(self) -> None:
        """The log is always there."""

    async def zone_of(self, name: str) -> str:
        """As memory says."""
        return await self._memory.zone_of(name)

    async def at(self, name: str, only: RecordType | None = None) -> Node:
        """What was put there since the start."""
        return await self._memory.at(name, only)

    async def put(self, record: Record, *, seen: Node) -> Record:
        """Say what would be written."""
        written = await self._memory.put(record, seen=seen)
        _log.info("would write a record", extra=_described(record))
        return written

    async def remove(self, record: Record, *, seen: Node) -> None:
        """Say what would be removed."""
        await self._memory.remove(record, seen=seen)
        _log.info("would remove a record", extra=_described(record))

    def stamped(self) -> AsyncIterator[Record]:
        """What was put since the start."""
        return self._memory.stamped()


def _described(record: Record) -> dict[str, object]:
    return {
        "record": record.key.name,
        "record_type": record.key.type.value,
        "values": record.data.values,
        "ttl_seconds": record.data.ttl.total_seconds(),
        "proxied": record.data.proxied,
    }
