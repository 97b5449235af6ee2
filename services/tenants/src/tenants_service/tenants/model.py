"""What a tenant is."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from faults import Conflict, Fault, NotFound


class State(enum.Enum):
    """How a tenant stands."""

    PENDING_PROVISION = "PENDING_PROVISION"
    PROVISIONING = "PROVISIONING"
    ACTIVE = "ACTIVE"
    PROVISION_FAILED = "PROVISION_FAILED"
    SUSPENDED = "SUSPENDED"
    DEPROVISIONING = "DEPROVISIONING"
    DEPROVISION_FAILED = "DEPROVISION_FAILED"
    INACTIVE = "INACTIVE"
    CANCELLED = "CANCELLED"


GONE = frozenset({State.INACTIVE, State.CANCELLED})
"""Nothing of the tenant is left but its record."""

PROTECTABLE = frozenset(State) - {State.DEPROVISIONING, State.DEPROVISION_FAILED, *GONE}
"""What protection can still prevent."""


class Tier(enum.Enum):
    """How far a tenant is isolated from the others."""

    SILO = "SILO"
    BRIDGE = "BRIDGE"
    POOLED = "POOLED"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a company is."""

    country: str = ""
    address: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""


@dataclass(frozen=True, slots=True)
class Contact:
    """A person a tenant can be reached through."""

    first_name: str
    last_name: str
    email: str
    phone: str = ""
    title: str = ""
    primary: bool = False


@dataclass(frozen=True, slots=True)
class Branding:
    """How a tenant's pages and e-mails look."""

    logo_uri: str = ""
    icon_uri: str = ""
    primary_color: str = ""
    secondary_color: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an operation failed: the step that failed first, and the first error."""

    failed_step: str
    root_cause: str
    operation_id: str
    create_time: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """What a tenant is made from."""

    key: str
    display_name: str
    tier: Tier
    contacts: tuple[Contact, ...]
    domains: tuple[str, ...]
    address: Address = field(default_factory=Address)
    branding: Branding = field(default_factory=Branding)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    protected: bool = False
    tenant_id: UUID | None = None
    parent_tenant_id: UUID | None = None
    lead_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant, as it is on record."""

    tenant_id: UUID
    key: str
    display_name: str
    tier: Tier
    contacts: tuple[Contact, ...]
    domains: tuple[str, ...]
    create_time: datetime
    update_time: datetime
    state: State = State.PENDING_PROVISION
    verified_domains: tuple[str, ...] = ()
    parent_tenant_id: UUID | None = None
    lead_id: UUID | None = None
    address: Address = field(default_factory=Address)
    branding: Branding = field(default_factory=Branding)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    protected: bool = False
    suspension_reason: str = ""
    failure: Failure | None = None
    operation_id: str = ""
    transitions: int = 1
    revision: int = 1
    quarantine_expire_time: datetime | None = None
    activate_time: datetime | None = None
    delete_time: datetime | None = None

    @property
    def etag(self) -> str:
        """Changes with every write."""
        return str(self.revision)


@dataclass(frozen=True, slots=True)
class Changes:
    """What to change about a tenant; None leaves it as it is."""

    display_name: str | None = None
    tier: Tier | None = None
    contacts: tuple[Contact, ...] | None = None
    domains: tuple[str, ...] | None = None
    address: Address | None = None
    branding: Branding | None = None
    metadata: Mapping[str, str] | None = None
    tags: tuple[str, ...] | None = None


def not_found(**name: object) -> Fault:
    """The fault of a tenant that is none; the fact says how it was looked for."""
    return NotFound("There is no such tenant.", reason="TENANT_NOT_FOUND", facts=name)


def plan_of_another_tier(plan_id: UUID, tier: Tier, tenant: Tenant) -> Fault:
    """The fault of a tenant and a plan that do not go together."""
    return Conflict(
        f"The plan is of the tier {tier.value}, the tenant of {tenant.tier.value}.",
        reason="PLAN_OF_ANOTHER_TIER",
        facts={"plan_id": plan_id, "tier": tenant.tier.value},
    )


def state_forbids(tenant: Tenant, allowed: Iterable[State]) -> Fault:
    """The fault of what cannot be done in the state the tenant is in."""
    names = sorted(state.value for state in allowed)
    return Conflict(
        f"The tenant is {tenant.state.value}, which does not allow it.",
        reason="TENANT_STATE_FORBIDS",
        facts={"tenant_id": tenant.tenant_id, "state": tenant.state.value, "allowed_states": ",".join(names)},
    )


def shielded(tenant: Tenant) -> Fault:
    """The fault of what protection prevents."""
    return Conflict("The tenant is protected.", reason="TENANT_PROTECTED", facts={"tenant_id": tenant.tenant_id})
