"""Exports of tenants' places: taken, kept, linked to, loaded again."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from faults import Conflict, NotFound
from storage_service.blueprint.model import Blueprint
from storage_service.exports.model import (
    Destination,
    Export,
    Exported,
    Restored,
    Step,
    conflict,
    incomplete,
    not_found,
)
from storage_service.exports.ports import Dumps, Vault
from storage_service.schemas.model import Stamp, Tenant
from storage_service.schemas.service import Schemas


class Exports:
    """The exports of tenants."""

    def __init__(
        self,
        schemas: Schemas,
        dumps: Dumps,
        vault: Vault,
        blueprint: Blueprint,
        *,
        folder: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Compose it.

        Args:
            schemas: the places.
            dumps: who takes and loads dumps.
            vault: where they are kept.
            blueprint: what a restored schema is brought to.
            folder: where a dump lies while it is on its way; the system's own folder where none is given.
            clock: the time.
        """
        self._schemas = schemas
        self._dumps = dumps
        self._vault = vault
        self._blueprint = blueprint
        self._folder = folder
        self._clock = clock

    async def export(
        self, tenant: Tenant, *, operation_id: str, export_id: str, destination: Destination
    ) -> AsyncGenerator[Exported, None]:
        """Take and keep an export; a complete one of the same operation is confirmed."""
        await self._schemas.get(tenant)
        export = await self._vault.find(tenant, destination, export_id)
        if export is not None and export.stamp.operation_id != operation_id:
            raise conflict(export)
        if export is not None and export.complete:
            count = len(export.contents.tables)
            yield Exported(Step(count, count, sum(file.size for file in export.files)), export)
            return
        stamp = Stamp(tenant.tenant_id, operation_id, self._clock())
        export = await self._vault.begin(Export(export_id, tenant, destination, stamp, "", ""))
        async with self._file() as file, aclosing(self._dumps.take(tenant, file)) as steps:
            async for step in steps:
                if step.contents is None:
                    yield Exported(step)
                else:
                    yield Exported(step, await self._vault.complete(export, file, step.contents, self._clock()))

    async def get(self, tenant: Tenant, *, export_id: str, destination: Destination) -> Export:
        """An export as the vault holds it."""
        export = await self._vault.find(tenant, destination, export_id)
        if export is None:
            raise not_found(export_id, destination)
        return export

    async def list(self, tenant: Tenant, *, destination: Destination, after: str, size: int) -> Sequence[Export]:
        """The tenant's exports behind an id, in order."""
        ids = [one for one in await self._vault.list(tenant, destination) if one > after][:size]
        found = [await self._vault.find(tenant, destination, one) for one in ids]
        return [one for one in found if one is not None]

    async def links(
        self, tenant: Tenant, *, export_id: str, destination: Destination, lifetime: timedelta
    ) -> tuple[Sequence[tuple[str, str]], datetime]:
        """Links to the files of a complete export, and until when they work."""
        export = await self._whole(tenant, export_id, destination)
        return await self._vault.links(export, lifetime)

    async def delete(self, tenant: Tenant, *, export_id: str, destination: Destination, operation_id: str = "") -> bool:
        """Remove an export; answer whether there was one."""
        export = await self._vault.find(tenant, destination, export_id)
        if export is None:
            return False
        if operation_id not in {"", export.stamp.operation_id}:
            raise Conflict(
                "The export was made by another operation.",
                reason="OPERATION_MISMATCH",
                facts={"name": export_id, "operation_id": export.stamp.operation_id},
            )
        await self._vault.remove(export)
        return True

    async def check_complete(self, tenant: Tenant, export_id: str) -> None:
        """Raise a fault unless there is a complete export of that id, wherever it is kept."""
        found = [await self._found(tenant, destination, export_id) for destination in Destination]
        if not any(found):
            raise not_found(export_id, Destination.TENANT_BUCKET)
        if not any(export and export.complete for export in found):
            raise incomplete(export_id)

    async def restore(
        self, tenant: Tenant, *, source: Tenant, export_id: str, destination: Destination
    ) -> AsyncGenerator[Restored, None]:
        """Load an export of the source into the tenant's empty place."""
        await self._schemas.get(tenant)
        export = await self._whole(source, export_id, destination)
        async with self._file() as file:
            await self._vault.fetch(export, file)
            loading = self._dumps.load(tenant, file, export, self._blueprint.migrations)
            async with aclosing(loading) as steps:
                async for step in steps:
                    yield Restored(step)
        yield Restored(step, await self._schemas.get(tenant))

    async def _found(self, tenant: Tenant, destination: Destination, export_id: str) -> Export | None:
        """An export, if it is there: where the bucket is gone, what was in it is gone too."""
        try:
            return await self._vault.find(tenant, destination, export_id)
        except NotFound:
            return None

    async def _whole(self, tenant: Tenant, export_id: str, destination: Destination) -> Export:
        export = await self.get(tenant, export_id=export_id, destination=destination)
        if not export.complete:
            raise incomplete(export_id)
        return export

    @asynccontextmanager
    async def _file(self) -> AsyncIterator[Path]:
        """A file for a dump on its way, in a folder that nobody else can read."""
        folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="tenantmesh-", dir=self._folder)
        try:
            yield Path(folder.name) / "rows.dump"
        finally:
            await asyncio.to_thread(folder.cleanup)
