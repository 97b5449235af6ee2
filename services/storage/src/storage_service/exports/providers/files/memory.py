"""Exports in this process's memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from storage_service.buckets.model import Place
from storage_service.buckets.service import Places
from storage_service.exports.providers.places import place_of
from storage_service.schemas.model import Tenant


class MemoryFiles:
    """Objects that last as long as the process."""

    name = "exports"

    def __init__(self, _: object, places: Places, archive: str) -> None:
        self._places = places
        self._archive = Place(archive)
        self._objects: dict[Place, dict[str, bytes]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._objects.clear()

    async def check(self) -> None:
        """Memory is always there."""

    async def tenant_place(self, tenant: Tenant) -> Place:
        """Where the tenant's objects are."""
        return await place_of(self._places, tenant)

    async def archive(self) -> Place:
        """Where the archive is."""
        return self._archive

    async def put(self, place: Place, key: str, source: Path | bytes) -> None:
        """Write an object."""
        data = source if isinstance(source, bytes) else await asyncio.to_thread(source.read_bytes)
        self._objects.setdefault(place, {})[key] = data

    async def read(self, place: Place, key: str) -> bytes | None:
        """An object, if it is there."""
        return self._objects.get(place, {}).get(key)

    async def get(self, place: Place, key: str, file: Path) -> None:
        """Copy an object into a file."""
        await asyncio.to_thread(file.write_bytes, self._objects[place][key])

    async def keys(self, place: Place, prefix: str) -> Sequence[str]:
        """The keys that begin so."""
        return [key for key in self._objects.get(place, {}) if key.startswith(prefix)]

    async def remove(self, place: Place, key: str) -> None:
        """Remove an object."""
        self._objects.get(place, {}).pop(key, None)

    async def link(self, place: Place, key: str, lifetime: timedelta) -> tuple[str, datetime]:
        """A link nobody can follow."""
        return f"memory://{place.bucket}/{place.prefix}{key}", datetime.now(UTC) + lifetime
