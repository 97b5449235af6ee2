"""What the domain needs of the outside. One contract suite holds every provider to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from storage_service.blueprint.model import Migration, Template
from storage_service.schemas.model import Applied, Position, Record, Schema, Standing, Tenant


class Place(Protocol):
    """One tenant's place, held alone until the block ends. What is done to it is kept whole, or nothing of it is."""

    standing: Standing
    """What stood there when the block began."""

    async def build(self, record: Record, migrations: Sequence[Migration]) -> int:
        """Make what is missing: schema, role and grants, each with its stamp; then as `migrate`."""
        ...

    async def migrate(self, migrations: Sequence[Migration]) -> int:
        """Apply those that are lacking; answer the version that was reached."""
        ...

    async def keep(self, record: Record) -> None:
        """Put on record how it stands, and hold the role to it: its limits, and whether it may sign in."""
        ...

    async def fill(self, template: Template, values: Mapping[str, str]) -> Mapping[str, int]:
        """Run a template; answer how many rows each table has now."""
        ...

    async def set_password(self, password: str) -> None:
        """Give the role this password."""
        ...

    async def drop(self) -> None:
        """Remove everything, the record included."""
        ...


class Databases(Protocol):
    """Holds tenants' places.

    It raises `faults` only: a driver's errors are translated in the driver's own file.
    """

    provider: str

    def place(self, tenant: Tenant, *, server: str = "", operation_id: str = "") -> AbstractAsyncContextManager[Place]:
        """Hold the tenant's place, where it is.

        Args:
            tenant: whose.
            server: where to lay a new one; empty lets the provider choose one that has room.
            operation_id: the operation that may lay a new one; without it there is none to be laid.
        """
        ...

    async def look(self, tenant: Tenant, *, server: str = "") -> Standing:
        """What stands there now, without holding it."""
        ...

    async def end_connections(self, tenant: Tenant) -> int:
        """End what the tenant's role has open; answer how many connections that were."""
        ...

    async def applied(self, standing: Standing) -> Sequence[Applied]:
        """The migrations a place has, in their order."""
        ...

    async def list(self, *, tenant_id: str, operation_id: str, after: Position | None, size: int) -> Sequence[Schema]:
        """What the mesh made, ordered by position; of one tenant or one operation where that is given."""
        ...

    def address(self, server: str) -> tuple[str, int]:
        """The host and the port at which tenants reach a server."""
        ...
