"""What can be done with leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from faults import Invalid, Violation
from tenants_service.keys.model import digest_of, new_key
from tenants_service.leads.model import (
    Application,
    Key,
    Lead,
    State,
    check_key,
    converted,
    email_verified,
    not_found,
    not_verified,
)
from tenants_service.leads.ports import Leads
from tenants_service.names.model import domain_public, is_public
from tenants_service.tenants.model import Address, Contact, Draft, Tenant, Tier
from tenants_service.tenants.service import TenantRecords


@dataclass(frozen=True, slots=True)
class Conversion:
    """Which tenant to make of a lead."""

    key: str
    domains: tuple[str, ...]
    display_name: str = ""
    address: Address | None = None
    contacts: Sequence[Contact] = ()


class LeadRecords:
    """The leads, in one transaction, at one moment."""

    def __init__(self, leads: Leads, *, now: datetime, key_life: timedelta, public_domains: Sequence[str] = ()) -> None:
        self._leads = leads
        self._public_domains = public_domains
        self._now = now
        self._key_life = key_life

    async def create(self, application: Application) -> tuple[Lead, str]:
        """Note who asks for a tenant; answer the lead and its validation key."""
        if await self._leads.proven(application.email):
            raise email_verified()
        key = new_key()
        return await self._leads.add(application, self._kept(key)), key

    async def renew_key(self, lead_id: UUID) -> tuple[Lead, str]:
        """Make another key; the one before it stops working.

        A verified lead gets one too: who lost a token, or came too late with it, proves the address once more.
        """
        lead = await self._find(lead_id)
        if lead.state is State.CONVERTED:
            raise converted(lead_id)
        if lead.state is State.NEW and await self._leads.proven(lead.email):
            raise email_verified()
        key = new_key()
        after = replace(lead, key=self._kept(key), update_time=self._now)
        return await self._leads.replace(after, "lead.key_renewed", {}), key

    async def verify(self, lead_id: UUID, key: str) -> Lead:
        """Use up a validation key."""
        lead = await self._find(lead_id)
        check_key(lead, key, self._now)
        after = replace(
            lead, state=State.VERIFIED, key=None, verify_time=lead.verify_time or self._now, update_time=self._now
        )
        return await self._leads.replace(after, "lead.verified", {})

    async def convert(self, lead_id: UUID, conversion: Conversion, tenants: TenantRecords, tier: Tier) -> Tenant:
        """Make the tenant of a verified lead, whose bearer has shown the lead's token."""
        lead = await self._find(lead_id)
        if lead.state is State.CONVERTED:
            raise converted(lead_id)
        if lead.state is State.NEW:
            raise not_verified(lead_id)
        if conversion.address not in {None, lead.address}:
            raise Invalid(
                "The tenant's address is not the lead's.",
                reason="LEAD_ADDRESS_MISMATCH",
                facts={"lead_id": lead_id},
                violations=[Violation("address", "is not the lead's")],
            )
        for place, domain in enumerate(conversion.domains):
            if is_public(domain, self._public_domains):
                raise domain_public(domain, f"domains[{place}]")
        tenant = await tenants.create(_draft(lead, conversion, tier))
        after = replace(
            lead,
            state=State.CONVERTED,
            key=None,
            converted_tenant_id=tenant.tenant_id,
            convert_time=self._now,
            update_time=self._now,
        )
        await self._leads.replace(after, "lead.converted", {"tenant_id": str(tenant.tenant_id)})
        return tenant

    async def _find(self, lead_id: UUID) -> Lead:
        lead = await self._leads.find(lead_id)
        if lead is None:
            raise not_found(lead_id)
        return lead

    def _kept(self, key: str) -> Key:
        return Key(digest_of(key), self._now + self._key_life)


def _draft(lead: Lead, conversion: Conversion, tier: Tier) -> Draft:
    first = Contact(first_name=lead.first_name, last_name=lead.last_name, email=lead.email, primary=True)
    return Draft(
        key=conversion.key,
        display_name=conversion.display_name or lead.company_name,
        tier=tier,
        contacts=(first, *conversion.contacts),
        domains=conversion.domains,
        address=lead.address,
        lead_id=lead.lead_id,
    )
