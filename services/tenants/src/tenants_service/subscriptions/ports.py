"""What the domain needs to keep of subscriptions, and to know. An implementation works inside one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from tenants_service.plans.model import Plan
from tenants_service.subscriptions.model import Subscription
from tenants_service.tenants.model import Tenant


class Tenants(Protocol):
    """The tenants that subscribe."""

    async def find(self, tenant_id: UUID) -> Tenant | None:
        """The tenant, kept from changing until the transaction ends."""
        ...


class Plans(Protocol):
    """What can be subscribed to."""

    async def read(self, plan_id: UUID) -> Plan:
        """The plan. PLAN_NOT_FOUND where there is none."""
        ...


class Subscriptions(Protocol):
    """The records of subscriptions. Each write appends its event."""

    def of(self, tenant_id: UUID) -> AbstractAsyncContextManager[None]:
        """Whose subscriptions are found and written inside the block, where no tenant's are without it."""
        ...

    async def current(self, tenant_id: UUID) -> Subscription | None:
        """The one of a tenant that is not over."""
        ...

    async def find(self, tenant_id: UUID, subscription_id: UUID) -> Subscription | None:
        """The subscription, kept from changing until the transaction ends."""
        ...

    async def due(self, tenant_id: UUID | None, now: datetime, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """The tenants and subscriptions whose time is over, of one tenant or of all; the longest over first."""
        ...

    async def add(self, subscription: Subscription, event_type: str, data: Mapping[str, object]) -> Subscription:
        """Write a new subscription."""
        ...

    async def replace(self, subscription: Subscription, event_type: str, data: Mapping[str, object]) -> Subscription:
        """Write a subscription that was found, under its next revision; answer it so."""
        ...
