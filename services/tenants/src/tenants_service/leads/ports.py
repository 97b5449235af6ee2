"""What the domain needs to keep of leads. An implementation works inside one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from tenants_service.leads.model import Application, Key, Lead


class Leads(Protocol):
    """The records of leads. Each write appends its event."""

    async def find(self, lead_id: UUID) -> Lead | None:
        """The lead, kept from changing until the transaction ends."""
        ...

    async def proven(self, email: str) -> UUID | None:
        """The lead that has proven the address."""
        ...

    async def add(self, application: Application, key: Key) -> Lead:
        """Write a new lead."""
        ...

    async def replace(self, lead: Lead, event_type: str, data: Mapping[str, object]) -> Lead:
        """Write a lead that was found; LEAD_EMAIL_VERIFIED where another one has proven the address meanwhile."""
        ...
