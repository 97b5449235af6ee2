"""What the domain needs to keep of plans. An implementation works inside one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from tenants_service.plans.model import Plan


class Plans(Protocol):
    """The records of plans. Each write appends its event."""

    async def find(self, plan_id: UUID) -> Plan | None:
        """The plan, kept from changing until the transaction ends."""
        ...

    async def add(self, plan: Plan, event_type: str, data: Mapping[str, object]) -> Plan:
        """Write a new plan. PLAN_KEY_TAKEN where the key is another's."""
        ...

    async def replace(self, plan: Plan, event_type: str, data: Mapping[str, object]) -> Plan:
        """Write a plan that was found, under its next revision; answer it so."""
        ...
