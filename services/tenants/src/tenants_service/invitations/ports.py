"""What the domain needs to keep of invitations. An implementation works inside one transaction of one tenant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from tenants_service.invitations.model import Invitation
from tenants_service.tenants.model import Tenant


class Invitations(Protocol):
    """The invitations to one tenant. What is found is kept from changing until the transaction ends."""

    async def find(self, invitation_id: UUID) -> Invitation | None:
        """The invitation."""
        ...

    async def pending_of(self, emails: Sequence[str]) -> Mapping[str, Invitation]:
        """Those of the people that wait for an answer, by their address."""
        ...

    async def pending(self, invitation_ids: Sequence[UUID], operation_id: str) -> Sequence[Invitation]:
        """Those that wait for an answer: named, or all where none is; of that operation, or any where none is said."""
        ...

    async def identifiers(self, count: int) -> Sequence[UUID]:
        """Identifiers for new invitations, in the order of time."""
        ...

    async def add(self, invitations: Iterable[Invitation]) -> None:
        """Write new ones, and their events."""
        ...

    async def replace(self, invitations: Iterable[Invitation], event_type: str, data: Mapping[str, object]) -> None:
        """Write those that were found, and their events."""
        ...


class Tenants(Protocol):
    """The tenants people are invited to."""

    async def find(self, tenant_id: UUID) -> Tenant | None:
        """The tenant, kept from changing until the transaction ends, and from others who would find it."""
        ...

    async def find_shared(self, tenant_id: UUID) -> Tenant | None:
        """The tenant, kept from changing, to read."""
        ...
