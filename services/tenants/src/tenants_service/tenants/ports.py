"""What the domain needs to keep of tenants. An implementation works inside one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from tenants_service.names.model import Holder
from tenants_service.tenants.model import Tenant, Tier


class Names(Protocol):
    """Who has which key and which domain, over all tenants."""

    async def holders(self, keys: Iterable[str], now: datetime) -> Mapping[str, Holder]:
        """Who has those of the keys that cannot be had now, by the name a key leads to."""
        ...

    async def claim_key(self, key: str, tenant_id: UUID | None, now: datetime) -> UUID:
        """Take a key for a tenant, or for a new one; answer which. A fault says who has it."""
        ...

    async def claim_domains(self, domains: Sequence[str], tenant_id: UUID, now: datetime) -> None:
        """Make these the domains of a tenant, and no others. A fault names the one that is taken."""
        ...

    async def rest(self, tenant_id: UUID, until: datetime) -> None:
        """Let the names of a tenant rest."""
        ...


class Tenants(Protocol):
    """The records of tenants. Each write appends its event, and the event's transition where it is one."""

    async def find(self, tenant_id: UUID) -> Tenant | None:
        """The tenant, kept from changing until the transaction ends."""
        ...

    async def find_shared(self, tenant_id: UUID) -> Tenant | None:
        """Any other tenant, kept from changing, to read."""
        ...

    async def children(self, tenant_id: UUID) -> int:
        """How many tenants that are not deleted belong to it."""
        ...

    async def subscribed(self, tenant_id: UUID) -> tuple[UUID, Tier] | None:
        """The plan of its subscription that is not over, and the tier of that plan."""
        ...

    async def add(self, tenant: Tenant, event_type: str, data: Mapping[str, object]) -> Tenant:
        """Write a new tenant. TENANT_ID_TAKEN where the identifier is another's."""
        ...

    async def replace(self, tenant: Tenant, event_type: str, data: Mapping[str, object]) -> Tenant:
        """Write a tenant that was found, under its next revision; answer it so."""
        ...
