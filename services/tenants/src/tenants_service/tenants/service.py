"""What can be done with tenants, apart from taking them from state to state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from faults import Conflict, Fault, Invalid, Violation
from tenants_service.names.model import KEY_RULE, Holder, is_key, is_reserved, key_of, name_of, reserved, similar_keys
from tenants_service.revisions.model import fields_of, news, same
from tenants_service.tenants.model import (
    GONE,
    PROTECTABLE,
    Changes,
    Contact,
    Draft,
    State,
    Tenant,
    not_found,
    plan_of_another_tier,
    shielded,
    state_forbids,
)
from tenants_service.tenants.ports import Names, Tenants

_SUGGESTIONS = 5


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """Whether a key can be had; where not, why, and what could be had instead."""

    key: str
    malformed: bool = False
    reserved: bool = False
    holder: Holder | None = None
    suggestions: tuple[str, ...] = ()

    @property
    def available(self) -> bool:
        """Whether it can be had."""
        return not (self.malformed or self.reserved or self.holder)

    @property
    def rule(self) -> str:
        """The rule it breaks, if it does."""
        return KEY_RULE if self.malformed else ""


class TenantRecords:
    """The tenants, in one transaction, at one moment."""

    def __init__(
        self, tenants: Tenants, names: Names, *, now: datetime, reserved_keys: frozenset[str] = frozenset()
    ) -> None:
        self._tenants = tenants
        self._names = names
        self._now = now
        self._reserved_keys = reserved_keys

    async def check_key(self, text: str) -> KeyCheck:
        """Whether a text can be had as a key, and which similar ones can."""
        wish = text if is_key(text) else key_of(text)
        candidates = list(dict.fromkeys(similar_keys(key_of(text)))) if wish else []
        holders = await self._names.holders([wish, *candidates], self._now)
        free = [one for one in candidates if name_of(one) not in holders and not is_reserved(one, self._reserved_keys)]
        check = KeyCheck(
            text,
            malformed=not is_key(text),
            reserved=is_reserved(wish, self._reserved_keys),
            holder=holders.get(name_of(wish)),
        )
        return check if check.available else replace(check, suggestions=tuple(free[:_SUGGESTIONS]))

    async def create(self, draft: Draft) -> Tenant:
        """Make a tenant, in state PENDING_PROVISION."""
        if is_reserved(draft.key, self._reserved_keys):
            raise reserved(draft.key)
        _check_domains(draft.contacts, draft.domains)
        if draft.parent_tenant_id:
            await self._check_parent(draft.parent_tenant_id)
        tenant_id = await self._names.claim_key(draft.key, draft.tenant_id, self._now)
        await self._names.claim_domains(draft.domains, tenant_id, self._now)
        values = fields_of(draft) | {"tenant_id": tenant_id}
        tenant = Tenant(**values, create_time=self._now, update_time=self._now)
        return await self._tenants.add(tenant, "tenant.created", _summary(tenant))

    async def update(self, tenant_id: UUID, changes: Changes, *, etag: str = "") -> Tenant:
        """Change what is kept about a tenant; what says nothing new writes nothing."""
        tenant = same(await self.get(tenant_id), etag)
        if tenant.state in GONE:
            raise state_forbids(tenant, set(State) - GONE)
        changed = news(tenant, changes)
        if not changed:
            return tenant
        after = replace(tenant, update_time=self._now, **changed)
        if "tier" in changed:
            await self._check_tier(after)
        _check_domains(after.contacts, after.domains)
        if "domains" in changed:
            await self._names.claim_domains(after.domains, tenant_id, self._now)
        return await self._tenants.replace(after, "tenant.updated", {"fields": sorted(changed)})

    async def protect(self, tenant_id: UUID, *, protected: bool, reason: str, etag: str = "") -> Tenant:
        """Protect a tenant from being deprovisioned, or lift the protection."""
        tenant = await self.get(tenant_id)
        if tenant.protected == protected:
            return tenant
        same(tenant, etag)
        if protected and tenant.state not in PROTECTABLE:
            raise state_forbids(tenant, PROTECTABLE)
        after = replace(tenant, protected=protected, update_time=self._now)
        event = "tenant.protected" if protected else "tenant.protection_lifted"
        return await self._tenants.replace(after, event, {"reason": reason})

    async def delete(self, tenant_id: UUID, *, etag: str = "") -> Tenant:
        """Hide a tenant that owns nothing any more."""
        tenant = await self.get(tenant_id)
        if tenant.delete_time:
            return tenant
        same(tenant, etag)
        if tenant.state not in GONE:
            raise state_forbids(tenant, GONE)
        if tenant.protected:
            raise shielded(tenant)
        if children := await self._tenants.children(tenant_id):
            raise Conflict(
                "Other tenants belong to the tenant.",
                reason="TENANT_HAS_CHILDREN",
                facts={"tenant_id": tenant_id, "children": children},
            )
        if tenant.state is State.CANCELLED:
            await self._names.rest(tenant_id, self._now)  # never in use: anybody may have them at once
        after = replace(tenant, delete_time=self._now, update_time=self._now)
        return await self._tenants.replace(after, "tenant.deleted", {})

    async def restore(self, tenant_id: UUID, *, etag: str = "") -> Tenant:
        """Show a deleted tenant again."""
        tenant = await self.get(tenant_id)
        if not tenant.delete_time:
            return tenant
        same(tenant, etag)
        if tenant.state is State.CANCELLED:
            await self._names.claim_key(tenant.key, tenant_id, self._now)
            await self._names.claim_domains(tenant.domains, tenant_id, self._now)
        after = replace(tenant, delete_time=None, update_time=self._now)
        return await self._tenants.replace(after, "tenant.restored", {})

    async def get(self, tenant_id: UUID) -> Tenant:
        """The tenant, kept from changing until the transaction ends."""
        tenant = await self._tenants.find(tenant_id)
        if tenant is None:
            raise not_found(tenant_id=tenant_id)
        return tenant

    async def _check_tier(self, tenant: Tenant) -> None:
        """A tier is free to choose until something is made of it, and bound by what the tenant has subscribed to."""
        if tenant.state is not State.PENDING_PROVISION:
            raise state_forbids(tenant, {State.PENDING_PROVISION})
        subscribed = await self._tenants.subscribed(tenant.tenant_id)
        if subscribed and subscribed[1] is not tenant.tier:
            raise plan_of_another_tier(*subscribed, tenant)

    async def _check_parent(self, parent_id: UUID) -> None:
        parent = await self._tenants.find_shared(parent_id)
        if parent is None or parent.delete_time or parent.state in GONE:
            raise _parent_invalid(parent_id, "is no tenant, or is gone")
        if parent.parent_tenant_id:
            raise _parent_invalid(parent_id, "is itself a child")


def _check_domains(contacts: Sequence[Contact], domains: Sequence[str]) -> None:
    """A contact writes from one of the tenant's domains, or is not the tenant's."""
    for place, contact in enumerate(contacts):
        domain = contact.email.rpartition("@")[2]
        if domain not in domains:
            raise Invalid(
                f"The domain {domain} of a contact is not one of the tenant's.",
                reason="EMAIL_DOMAIN_FOREIGN",
                facts={"field": f"contacts[{place}].email", "domain": domain},
                violations=[Violation(f"contacts[{place}].email", "is of none of the tenant's domains")],
            )


def _summary(tenant: Tenant) -> Mapping[str, object]:
    """What the event of a new tenant says: no persons, since nobody can take them out of it again."""
    return {
        "key": tenant.key,
        "display_name": tenant.display_name,
        "tier": tenant.tier.value,
        "domains": list(tenant.domains),
        "parent_tenant_id": str(tenant.parent_tenant_id or ""),
        "lead_id": str(tenant.lead_id or ""),
        "transition": {"sequence": 1, "from_state": "", "to_state": tenant.state.value},
    }


def _parent_invalid(parent_id: UUID, rule: str) -> Fault:
    return Conflict(
        f"The parent {rule}.", reason="PARENT_TENANT_INVALID", facts={"parent_tenant_id": parent_id, "rule": rule}
    )
