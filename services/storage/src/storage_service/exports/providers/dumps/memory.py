"""Dumps of places in memory: what is on record of them, since they have no rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path

from storage_service.blueprint.model import Migration, pending
from storage_service.exports.model import Contents, Export, Step
from storage_service.exports.providers.programs import Programs
from storage_service.schemas.model import Tenant
from storage_service.schemas.ports import Databases


class MemoryDumps:
    """Takes and loads what is on record."""

    def __init__(self, databases: Databases, _: Programs) -> None:
        self._databases = databases

    async def take(self, tenant: Tenant, file: Path) -> AsyncGenerator[Step, None]:
        """Write an empty file."""
        yield Step(0)
        standing = await self._databases.look(tenant)
        await asyncio.to_thread(file.touch)
        seed = standing.record.seed if standing.record else None
        applied = tuple(await self._databases.applied(standing))
        yield Step(0, 0, 0, Contents(standing.location.schema, (), applied, seed))

    async def load(
        self,
        tenant: Tenant,
        file: Path,  # noqa: ARG002 - there is nothing in it
        export: Export,
        migrations: Sequence[Migration],
    ) -> AsyncGenerator[Step, None]:
        """Put on record what was."""
        yield Step(0)
        async with self._databases.place(tenant) as place:
            pending(migrations, {one.version: one.sha256 for one in export.contents.applied}, export.contents.schema)
            if place.standing.record:
                await place.keep(replace(place.standing.record, seed=export.contents.seed))
        yield Step(0)
