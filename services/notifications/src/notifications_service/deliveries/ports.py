"""What deliveries need of the outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol
from uuid import UUID

from notifications_service.deliveries.model import Delivery, Order, RecipientDelivery


class Log(Protocol):
    """The delivery log."""

    async def add(self, order: Order, languages: Sequence[str], *, optional: bool) -> bool:
        """Put an order on record with everybody QUEUED whose address is one; False where its request was known."""
        ...

    async def digest(self, tenant_id: UUID, delivery_id: UUID) -> bytes | None:
        """The digest of the request that made a delivery, if there is one."""
        ...

    async def delivery(self, tenant_id: UUID, delivery_id: UUID) -> Delivery | None:
        """A delivery as it stands."""
        ...

    async def recipients(self, delivery: Delivery) -> Sequence[RecipientDelivery]:
        """Its recipients in their order."""
        ...

    async def changed(self, delivery: Delivery, *, since: int) -> Sequence[RecipientDelivery]:
        """Its recipients that changed after a revision, and not after the delivery was read."""
        ...

    async def retry(self, delivery: Delivery, *, include_unknown: bool) -> int | None:
        """Queue again who failed; how many, or None where what they are written from is no longer kept."""
        ...

    async def cancel(self, delivery: Delivery) -> int:
        """Send nothing to those whom nobody has begun to send to; how many."""
        ...

    async def suppressed(self, tenant_id: UUID, keys: Collection[str], *, optional: bool) -> frozenset[str]:
        """Those of the address keys that are to get no message of this kind."""
        ...


class WakeUps(Protocol):
    """Hints of all processes that something has changed; they may be lost, so one comes every so often anyway."""

    name: str

    async def __aenter__(self) -> object:
        """Begin to receive them."""
        ...

    async def __aexit__(self, *_: object) -> object:
        """Leave off."""
        ...

    def wake(self) -> None:
        """Send one."""
        ...

    def wakeups(self) -> AsyncIterator[None]:
        """One item at once, then one for each hint."""
        ...


class Bell(Protocol):
    """Rings when something may have changed, here or in another process."""

    def ring(self) -> None:
        """Let everybody look."""
        ...

    def next(self) -> asyncio.Event:
        """Set at the next ring. Take it before looking."""
        ...
