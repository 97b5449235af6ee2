"""What the domain needs to keep of resources. An implementation works inside one transaction of one tenant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from tenants_service.resources.model import Name, Resource
from tenants_service.tenants.model import Tenant


class Resources(Protocol):
    """The records of one tenant's resources. Each write appends its events."""

    async def find(self, names: Iterable[Name]) -> Mapping[Name, Resource]:
        """Those of the names that are on record."""
        ...

    async def identifiers(self, count: int) -> Sequence[UUID]:
        """Identifiers for new records, in the order of time."""
        ...

    async def write(self, added: Sequence[Resource], changed: Sequence[Resource]) -> None:
        """Write records that are new, and records that have changed."""
        ...

    async def remove(self, resource_ids: Sequence[UUID], operation_id: str) -> int:
        """Remove records: those named, or all where none is, of that operation, or any where none is said.

        Answers how many there were.
        """
        ...


class Tenants(Protocol):
    """The tenants the resources were made for."""

    async def find(self, tenant_id: UUID) -> Tenant | None:
        """The tenant, kept from changing until the transaction ends."""
        ...
