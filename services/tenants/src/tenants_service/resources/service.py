"""What can be done with the record of resources."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from tenants_service.resources.model import Made, Resource, reported
from tenants_service.resources.ports import Resources, Tenants
from tenants_service.tenants.model import not_found


class ResourceRecords:
    """The record of one tenant's resources, in one transaction, at one moment."""

    def __init__(self, tenant_id: UUID, resources: Resources, tenants: Tenants, *, now: datetime) -> None:
        self._tenant_id = tenant_id
        self._resources = resources
        self._tenants = tenants
        self._now = now

    async def record(self, made: Sequence[Made], operation_id: str) -> tuple[list[Resource], int]:
        """Record what an operation has made; answer the records in that order, and how many are new."""
        await self._lock_tenant()
        wanted = {one.name: one for one in made}  # of what is reported twice the last word counts
        kept = await self._resources.find(wanted)
        changes = {name: reported(one, wanted[name], operation_id, self._now) for name, one in kept.items()}
        added = await self._new([one for name, one in wanted.items() if name not in kept], operation_id)
        await self._resources.write(added, [one for name, one in changes.items() if one is not kept[name]])
        records = {**changes, **{one.made.name: one for one in added}}
        return [records[one.name] for one in made], len(added)

    async def remove(self, resource_ids: Sequence[UUID], operation_id: str) -> int:
        """Remove records of what is gone; answer how many there were."""
        await self._lock_tenant()
        return await self._resources.remove(resource_ids, operation_id)

    async def _new(self, made: Sequence[Made], operation_id: str) -> list[Resource]:
        identifiers = await self._resources.identifiers(len(made)) if made else []
        return [
            Resource(identifier, self._tenant_id, one, operation_id, self._now, self._now)
            for identifier, one in zip(identifiers, made, strict=True)
        ]

    async def _lock_tenant(self) -> None:
        """Who records for a tenant waits for who does so already: what one finds missing, no other adds meanwhile."""
        if await self._tenants.find(self._tenant_id) is None:
            raise not_found(tenant_id=self._tenant_id)
