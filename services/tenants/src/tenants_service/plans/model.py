"""What a plan is."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from faults import AlreadyExists, Conflict, Fault, NotFound
from tenants_service.quotas.model import Quota
from tenants_service.tenants.model import Tier


class Cycle(enum.Enum):
    """How often a price is due."""

    ONCE = "ONCE"
    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"
    YEARLY = "YEARLY"


@dataclass(frozen=True, slots=True)
class Draft:
    """What a plan is made from."""

    key: str
    display_name: str
    tier: Tier
    currency: str
    billing_cycle: Cycle
    description: str = ""
    price_minor_units: int = 0
    trial_period: timedelta = timedelta(0)
    features: Mapping[str, str] = field(default_factory=dict)
    quotas: tuple[Quota, ...] = ()
    dedicated_infrastructure: bool = False
    approval_required: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan, as it is on record."""

    plan_id: UUID
    key: str
    display_name: str
    tier: Tier
    currency: str
    billing_cycle: Cycle
    create_time: datetime
    update_time: datetime
    description: str = ""
    price_minor_units: int = 0
    trial_period: timedelta = timedelta(0)
    features: Mapping[str, str] = field(default_factory=dict)
    quotas: tuple[Quota, ...] = ()
    dedicated_infrastructure: bool = False
    approval_required: bool = False
    archive_time: datetime | None = None
    revision: int = 1

    @property
    def etag(self) -> str:
        """Changes with every write."""
        return str(self.revision)


@dataclass(frozen=True, slots=True)
class Changes:
    """What to change about a plan; None leaves it as it is."""

    display_name: str | None = None
    description: str | None = None
    price_minor_units: int | None = None
    currency: str | None = None
    billing_cycle: Cycle | None = None
    trial_period: timedelta | None = None
    features: Mapping[str, str] | None = None
    quotas: tuple[Quota, ...] | None = None
    dedicated_infrastructure: bool | None = None
    approval_required: bool | None = None


def on_offer(plan: Plan) -> Plan:
    """The plan, if it is not archived."""
    if plan.archive_time:
        raise Conflict("The plan is archived.", reason="PLAN_ARCHIVED", facts={"plan_id": plan.plan_id})
    return plan


def not_found(plan_id: UUID) -> Fault:
    """The fault of a plan that is none."""
    return NotFound("There is no such plan.", reason="PLAN_NOT_FOUND", facts={"plan_id": plan_id})


def key_taken(key: str) -> Fault:
    """The fault of a key that another plan has."""
    return AlreadyExists("Another plan has the key.", reason="PLAN_KEY_TAKEN", facts={"key": key})
