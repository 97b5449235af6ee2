"""What a lead is: somebody who wants to become a tenant."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from faults import AlreadyExists, Conflict, Denied, Fault, NotFound, Unauthenticated
from tenants_service.keys.model import opens
from tenants_service.tenants.model import Address


class State(enum.Enum):
    """How far a lead is. Nothing leads back."""

    NEW = "NEW"
    VERIFIED = "VERIFIED"
    CONVERTED = "CONVERTED"


@dataclass(frozen=True, slots=True)
class Application:
    """Who asks for a tenant."""

    email: str
    first_name: str
    last_name: str
    company_name: str
    address: Address = field(default_factory=Address)


@dataclass(frozen=True, slots=True)
class Key:
    """A validation key. The mesh keeps its digest; the key itself is only ever in the hands of who gets it."""

    digest: bytes
    expire_time: datetime


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead, as it is on record."""

    lead_id: UUID
    email: str
    first_name: str
    last_name: str
    company_name: str
    address: Address
    state: State
    create_time: datetime
    update_time: datetime
    key: Key | None = None
    converted_tenant_id: UUID | None = None
    verify_time: datetime | None = None
    convert_time: datetime | None = None
    revision: int = 1


def check_key(lead: Lead, key: str, now: datetime) -> None:
    """A fault unless the key is the lead's last one, unused and in time."""
    if lead.state is State.CONVERTED:
        raise converted(lead.lead_id)
    if lead.key is None or not opens(key, lead.key.digest):
        raise Unauthenticated(
            "The validation key is not, or no longer, the lead's.",
            reason="LEAD_KEY_INVALID",
            facts={"lead_id": lead.lead_id},
        )
    if now >= lead.key.expire_time:
        raise Unauthenticated(
            "The validation key is too old.",
            reason="LEAD_KEY_EXPIRED",
            facts={"lead_id": lead.lead_id, "expire_time": lead.key.expire_time.isoformat()},
        )


def not_found(lead_id: UUID) -> Fault:
    """The fault of a lead that is none."""
    return NotFound("There is no such lead.", reason="LEAD_NOT_FOUND", facts={"lead_id": lead_id})


def converted(lead_id: UUID) -> Fault:
    """The fault of a lead that is a tenant already."""
    return AlreadyExists("A tenant was made of the lead.", reason="LEAD_CONVERTED", facts={"lead_id": lead_id})


def not_verified(lead_id: UUID) -> Fault:
    """The fault of a lead whose address is not proven."""
    return Conflict("The lead is not verified.", reason="LEAD_NOT_VERIFIED", facts={"lead_id": lead_id})


def email_verified() -> Fault:
    """The fault of an address that another lead has proven. Which one is nobody else's business."""
    return AlreadyExists("Another lead has proven this e-mail address.", reason="LEAD_EMAIL_VERIFIED")


def token_missing(lead_id: UUID) -> Fault:
    """The fault of a conversion without token."""
    return Unauthenticated("A lead token is needed.", reason="LEAD_TOKEN_MISSING", facts={"lead_id": lead_id})


def token_invalid(lead_id: UUID) -> Fault:
    """The fault of a token that is none of ours."""
    return Unauthenticated("That is no lead token.", reason="LEAD_TOKEN_INVALID", facts={"lead_id": lead_id})


def token_expired(lead_id: UUID, expire_time: datetime) -> Fault:
    """The fault of a token that was good once."""
    return Unauthenticated(
        "The lead token has expired.",
        reason="LEAD_TOKEN_EXPIRED",
        facts={"lead_id": lead_id, "expire_time": expire_time.isoformat()},
    )


def token_of_another(lead_id: UUID) -> Fault:
    """The fault of a token that is good for another lead."""
    return Denied("The lead token is another lead's.", reason="LEAD_TOKEN_OF_ANOTHER", facts={"lead_id": lead_id})
