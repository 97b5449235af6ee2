"""What the domain needs to keep of use, and to know. An implementation works inside one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from tenants_service.plans.model import Plan
from tenants_service.quotas.model import Allowance, Count


class Counts(Protocol):
    """What one tenant may use, and what it has used."""

    async def allowance(self) -> Allowance | None:
        """What its subscription allows; None where there is no such tenant."""
        ...

    async def read(self, name: str) -> Count:
        """How much it has used of something."""
        ...

    async def find(self, name: str) -> Count:
        """The same, kept from changing until the transaction ends."""
        ...

    async def replace(self, count: Count, event_types: Sequence[str], data: Mapping[str, object]) -> None:
        """Write a count that was found, and its events, which all say the same."""
        ...


class Plans(Protocol):
    """What could be subscribed to."""

    async def read(self, plan_id: UUID) -> Plan:
        """The plan. PLAN_NOT_FOUND where there is none."""
        ...
