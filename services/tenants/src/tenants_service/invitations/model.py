"""What an invitation is, and how it goes from state to state."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from faults import AlreadyExists, Conflict, Exhausted, Fault, NotFound

LIFE: Final = timedelta(days=7)
"""How long a token can be used."""
COOL_DOWN: Final = timedelta(minutes=5)
"""How long to wait before it is sent again."""
MOST_RESENDS: Final = 5


class State(enum.Enum):
    """How an invitation stands. PENDING leads to each of the others, and nothing leads back."""

    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Invitee:
    """Who is invited, and as what."""

    email: str
    first_name: str
    last_name: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation, as it is on record."""

    invitation_id: UUID
    tenant_id: UUID
    email: str
    first_name: str
    last_name: str
    roles: tuple[str, ...]
    operation_id: str
    principal: str
    token_digest: bytes
    token_create_time: datetime
    expire_time: datetime
    create_time: datetime
    update_time: datetime
    state: State = State.PENDING
    remind_time: datetime | None = None
    reminder_time: datetime | None = None
    resend_count: int = 0
    accept_time: datetime | None = None
    revoke_time: datetime | None = None
    revoke_reason: str = ""
    revision: int = 1


def overdue(invitation: Invitation, now: datetime) -> bool:
    """Whether it waits for an answer that would come too late."""
    return invitation.state is State.PENDING and now >= invitation.expire_time


def usable(invitation: Invitation, now: datetime) -> Invitation:
    """The invitation, if it still waits for an answer."""
    if invitation.state is State.EXPIRED or overdue(invitation, now):
        raise Conflict(
            "The invitation has expired.",
            reason="INVITATION_EXPIRED",
            facts={"invitation_id": invitation.invitation_id, "expire_time": invitation.expire_time.isoformat()},
        )
    if invitation.state is not State.PENDING:
        raise Conflict(
            f"The invitation is {invitation.state.value}.",
            reason="INVITATION_NOT_PENDING",
            facts={"invitation_id": invitation.invitation_id, "state": invitation.state.value},
        )
    return invitation


def accepted(invitation: Invitation, first_name: str, last_name: str, now: datetime) -> Invitation:
    """The invitation after the person came, who knows best what they are called."""
    return replace(
        _next(usable(invitation, now), now),
        state=State.ACCEPTED,
        accept_time=now,
        first_name=first_name or invitation.first_name,
        last_name=last_name or invitation.last_name,
    )


def resent(invitation: Invitation, token_digest: bytes, now: datetime) -> Invitation:
    """The invitation with another token, which lives as long as the first one did."""
    usable(invitation, now)
    if invitation.resend_count >= MOST_RESENDS:
        raise Exhausted(
            f"The invitation was sent again {MOST_RESENDS} times.",
            reason="INVITATION_RESENDS_EXHAUSTED",
            facts={"invitation_id": invitation.invitation_id, "limit": MOST_RESENDS},
        )
    if now < invitation.token_create_time + COOL_DOWN:
        raise Exhausted(
            "The invitation was sent a moment ago.",
            reason="INVITATION_COOLING_DOWN",
            facts={"invitation_id": invitation.invitation_id},
            retry_after=invitation.token_create_time + COOL_DOWN - now,
        )
    rotated = _rotated(invitation, token_digest, now)
    return replace(rotated, expire_time=now + LIFE, resend_count=invitation.resend_count + 1)


def reminded(invitation: Invitation, token_digest: bytes, now: datetime) -> Invitation:
    """The invitation with another token, for the one reminder there is; it lives no longer for it."""
    usable(invitation, now)
    if invitation.reminder_time:
        raise Conflict(
            "The person was reminded already.",
            reason="INVITATION_REMINDED",
            facts={
                "invitation_id": invitation.invitation_id,
                "reminder_time": invitation.reminder_time.isoformat(),
            },
        )
    return replace(_rotated(invitation, token_digest, now), reminder_time=now)


def revoked(invitation: Invitation, reason: str, now: datetime) -> Invitation:
    """The invitation, taken back while it waits."""
    return replace(_next(invitation, now), state=State.REVOKED, revoke_time=now, revoke_reason=reason)


def expired(invitation: Invitation, now: datetime) -> Invitation:
    """The invitation that waited too long."""
    return replace(_next(invitation, now), state=State.EXPIRED)


def not_found(invitation_id: UUID | None = None) -> Fault:
    """The fault of an invitation that is none, or of a token that is none's."""
    facts = {"invitation_id": invitation_id} if invitation_id else {}
    return NotFound("There is no such invitation.", reason="INVITATION_NOT_FOUND", facts=facts)


def exists(invitation: Invitation, field: str) -> Fault:
    """The fault of inviting who is invited."""
    return AlreadyExists(
        "That person is invited already.",
        reason="INVITATION_EXISTS",
        facts={"invitation_id": invitation.invitation_id, "field": field},
    )


def _rotated(invitation: Invitation, token_digest: bytes, now: datetime) -> Invitation:
    return replace(_next(invitation, now), token_digest=token_digest, token_create_time=now)


def _next(invitation: Invitation, now: datetime) -> Invitation:
    return replace(invitation, update_time=now, revision=invitation.revision + 1)
