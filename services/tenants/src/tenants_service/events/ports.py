"""What the domain needs of the record of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from tenants_service.events.model import Appended, Event


class Log(Protocol):
    """One tenant's events, to add to, in one transaction."""

    async def knows(self, tenant_id: UUID) -> bool:
        """Whether there is such a tenant."""
        ...

    async def put(self, tenant_id: UUID, events: Sequence[Event]) -> tuple[Sequence[Appended], int]:
        """Put events on record in their order; answer each as it stands there, and how many are new."""
        ...
