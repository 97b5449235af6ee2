"""What the outbox needs to keep and to know. An implementation works inside one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from tenants_service.outbox.model import Entry
from tenants_service.tenants.model import Tenant


class Entries(Protocol):
    """The entries of one tenant. Each write appends its event."""

    async def find(self, outbox_entry_id: UUID) -> Entry | None:
        """The entry, kept from changing until the transaction ends."""
        ...

    async def undone(self) -> Sequence[Entry]:
        """Those that are not done."""
        ...

    async def latest(self, operation_id: str) -> Entry | None:
        """The last one of an operation."""
        ...

    async def add(self, entry: Entry, event_type: str, data: Mapping[str, object]) -> Entry:
        """Write a new entry."""
        ...

    async def replace(self, entry: Entry, event_type: str, data: Mapping[str, object]) -> Entry:
        """Write an entry that was found."""
        ...


class Tenants(Protocol):
    """The tenants the entries are about."""

    async def find(self, tenant_id: UUID) -> Tenant | None:
        """The tenant, kept from changing until the transaction ends."""
        ...


class Subscriptions(Protocol):
    """What tenants pay for."""

    async def state(self, tenant_id: UUID) -> str:
        """The state of the subscription of a tenant that is not over, such as `ACTIVE`; empty where it has none."""
        ...
