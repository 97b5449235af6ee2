"""What exports need of the outside: somebody who takes and loads dumps, and a place to keep them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from storage_service.blueprint.model import Migration
from storage_service.exports.model import Contents, Destination, Export, Step
from storage_service.schemas.model import Tenant


class Dumps(Protocol):
    """Takes dumps of tenants' places, and loads them."""

    def take(self, tenant: Tenant, file: Path) -> AsyncGenerator[Step, None]:
        """Write the tenant's rows, as they are at one moment, into a file; the last step says what is in it."""
        ...

    def load(
        self, tenant: Tenant, file: Path, export: Export, migrations: Sequence[Migration]
    ) -> AsyncGenerator[Step, None]:
        """Put the rows of a file into the tenant's empty place, brought to the last of the migrations, or nothing.

        Raises:
            Conflict: SCHEMA_NOT_EMPTY; EXPORT_CORRUPT naming the table that is not what the contents say.
        """
        ...


class Vault(Protocol):
    """Keeps exports."""

    async def begin(self, export: Export) -> Export:
        """Mark that an export is being written; answer it with the place it gets."""
        ...

    async def complete(self, export: Export, file: Path, contents: Contents, time: datetime) -> Export:
        """Keep the file, and at last the manifest that makes the export complete."""
        ...

    async def find(self, tenant: Tenant, destination: Destination, export_id: str) -> Export | None:
        """An export, complete or not. EXPORT_CORRUPT where its manifest is not one of ours."""
        ...

    async def fetch(self, export: Export, file: Path) -> None:
        """Get the dump of an export. EXPORT_CORRUPT where it is not the one that was kept."""
        ...

    async def list(self, tenant: Tenant, destination: Destination) -> Sequence[str]:
        """The ids of a tenant's exports, in order."""
        ...

    async def links(self, export: Export, lifetime: timedelta) -> tuple[Sequence[tuple[str, str]], datetime]:
        """A link for each file, the manifest first, with the key it reads; and until when they work."""
        ...

    async def remove(self, export: Export) -> None:
        """Remove an export, its manifest first."""
        ...
