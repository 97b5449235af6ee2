"""What bringing schemas to a version needs of those who hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from storage_service.blueprint.model import Migration
from storage_service.rollouts.model import Target
from storage_service.schemas.model import Applied, Standing, Tenant


class Schemata(Protocol):
    """Every schema there is, the shared one included."""

    async def look(self, tenant: Tenant) -> Standing:
        """What stands at a tenant's names now."""
        ...

    async def applied(self, standing: Standing) -> Sequence[Applied]:
        """The migrations a place has, in their order."""
        ...

    async def targets(self) -> Sequence[Target]:
        """Every schema of the mesh, ordered by server, database and name."""
        ...

    async def migrate(self, target: Target, migration: Migration) -> None:
        """Apply one migration, whole or not at all, unless the schema has it by now."""
        ...
