"""What can be done with invitations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from faults import Invalid, Violation
from tenants_service.invitations.model import (
    LIFE,
    Invitation,
    Invitee,
    accepted,
    exists,
    expired,
    not_found,
    overdue,
    reminded,
    resent,
    revoked,
)
from tenants_service.invitations.ports import Invitations, Tenants
from tenants_service.keys.model import digest_of, new_key, opens
from tenants_service.tenants.model import State as TenantState
from tenants_service.tenants.model import not_found as tenant_not_found
from tenants_service.tenants.model import state_forbids

INVITING = frozenset({TenantState.PROVISIONING, TenantState.ACTIVE})
"""The states of a tenant that people are invited to: the first of them before it is all made."""
WELCOMING = frozenset({TenantState.ACTIVE})
"""The states of a tenant that people come to."""


@dataclass(frozen=True, slots=True)
class Round:
    """Who is invited at once, by whom, and when they are to be reminded."""

    invitees: Sequence[Invitee]
    operation_id: str = ""
    principal: str = ""
    remind_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """An invitation, and the token that must be brought to the person; empty where they have it."""

    invitation: Invitation
    token: str = ""


class InvitationRecords:
    """The invitations to one tenant, in one transaction, at one moment."""

    def __init__(self, tenant_id: UUID, invitations: Invitations, tenants: Tenants, *, now: datetime) -> None:
        self._tenant_id = tenant_id
        self._invitations = invitations
        self._tenants = tenants
        self._now = now

    async def create(self, wanted: Round) -> list[Offer]:
        """Invite some people, all or none; whom the same operation has invited already is not invited twice."""
        _check_once(wanted.invitees)
        tenant = await self._tenants.find(self._tenant_id)  # and from here on nobody else invites to this tenant
        if tenant is None:
            raise tenant_not_found(tenant_id=self._tenant_id)
        if tenant.state not in INVITING:
            raise state_forbids(tenant, INVITING)
        standing = await self._standing([one.email for one in wanted.invitees])
        for place, one in enumerate(wanted.invitees):
            before = standing.get(one.email)
            if before and not (wanted.operation_id and before.operation_id == wanted.operation_id):
                raise exists(before, f"invitees[{place}].email")
        made = await self._made([one for one in wanted.invitees if one.email not in standing], wanted)
        return [made.get(one.email) or Offer(standing[one.email]) for one in wanted.invitees]

    async def accept(self, invitation_id: UUID, token: str, *, first_name: str, last_name: str) -> Invitation:
        """Take an invitation up, with the token it has now."""
        tenant = await self._tenants.find_shared(self._tenant_id)
        invitation = await self._find(invitation_id)
        if not opens(token, invitation.token_digest):  # another one was sent meanwhile
            raise not_found()
        after = accepted(invitation, first_name, last_name, self._now)
        if tenant is None:
            raise tenant_not_found(tenant_id=self._tenant_id)
        if tenant.state not in WELCOMING:
            raise state_forbids(tenant, WELCOMING)
        await self._invitations.replace([after], "invitation.accepted", {"roles": list(after.roles)})
        return after

    async def resend(self, invitation_id: UUID) -> Offer:
        """Make another token that lives as long as the first; that one stops working."""
        return await self._rotate(invitation_id, resent, "invitation.resent")

    async def remind(self, invitation_id: UUID) -> Offer:
        """Make another token for the reminder; the one before it stops working."""
        return await self._rotate(invitation_id, reminded, "invitation.reminded")

    async def revoke(self, invitation_ids: Sequence[UUID], operation_id: str, reason: str) -> int:
        """Take back what waits for an answer; answer how many that were."""
        if await self._tenants.find(self._tenant_id) is None:
            raise tenant_not_found(tenant_id=self._tenant_id)
        pending = await self._invitations.pending(invitation_ids, operation_id)
        changed = [revoked(one, reason, self._now) for one in pending]
        await self._invitations.replace(changed, "invitation.revoked", {"reason": reason})
        return len(changed)

    async def expire(self, invitation_ids: Sequence[UUID]) -> int:
        """Mark those that wait for an answer which would come too late; answer how many that were."""
        pending = await self._invitations.pending(invitation_ids, "")
        return await self._expire([one for one in pending if overdue(one, self._now)])

    async def _standing(self, emails: Sequence[str]) -> Mapping[str, Invitation]:
        """What waits for an answer of those people; what waits too long does so no longer."""
        pending = await self._invitations.pending_of(emails)
        late = [one for one in pending.values() if overdue(one, self._now)]
        await self._expire(late)
        return {email: one for email, one in pending.items() if one not in late}

    async def _made(self, invitees: Sequence[Invitee], wanted: Round) -> Mapping[str, Offer]:
        if not invitees:
            return {}
        identifiers = await self._invitations.identifiers(len(invitees))
        offers = [self._offer(*one, wanted) for one in zip(identifiers, invitees, strict=True)]
        await self._invitations.add([offer.invitation for offer in offers])
        return {offer.invitation.email: offer for offer in offers}

    def _offer(self, invitation_id: UUID, invitee: Invitee, wanted: Round) -> Offer:
        token, now = new_key(), self._now
        invitation = Invitation(
            invitation_id=invitation_id,
            tenant_id=self._tenant_id,
            email=invitee.email,
            first_name=invitee.first_name,
            last_name=invitee.last_name,
            roles=invitee.roles,
            operation_id=wanted.operation_id,
            principal=wanted.principal,
            token_digest=digest_of(token),
            token_create_time=now,
            expire_time=now + LIFE,
            remind_time=now + wanted.remind_after if wanted.remind_after else None,
            create_time=now,
            update_time=now,
        )
        return Offer(invitation, token)

    async def _rotate(
        self, invitation_id: UUID, change: Callable[[Invitation, bytes, datetime], Invitation], event_type: str
    ) -> Offer:
        token = new_key()
        after = change(await self._find(invitation_id), digest_of(token), self._now)
        await self._invitations.replace([after], event_type, {})
        return Offer(after, token)

    async def _expire(self, late: Sequence[Invitation]) -> int:
        await self._invitations.replace([expired(one, self._now) for one in late], "invitation.expired", {})
        return len(late)

    async def _find(self, invitation_id: UUID) -> Invitation:
        invitation = await self._invitations.find(invitation_id)
        if invitation is None:
            raise not_found(invitation_id)
        return invitation


def _check_once(invitees: Sequence[Invitee]) -> None:
    emails = [one.email for one in invitees]
    for place, email in enumerate(emails):
        if email in emails[:place]:
            raise Invalid(
                "A person is invited twice.",
                reason="REQUEST_INVALID",
                violations=[Violation(f"invitees[{place}].email", "is in the list already")],
                domain="tenantmesh",
            )
