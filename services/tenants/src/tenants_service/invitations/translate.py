"""Between the messages about invitations and the words of the domain. Pure, both ways."""

from __future__ import annotations

from tenantmesh.tenants.v1 import invitation_pb2
from tenantmesh.tenants.v1 import invitation_service_pb2 as pb
from tenants_service.invitations.model import Invitation, Invitee
from tenants_service.invitations.service import Offer, Round
from tenants_service.tenants.model import Tenant
from tenants_service.tenants.translate import branding_to
from tenants_service.translate import email_from, text_from, time_to


def round_from(request: pb.CreateInvitationsRequest, principal: str) -> Round:
    """Who is invited at once."""
    return Round(
        [_invitee_from(one, f"invitees[{place}]") for place, one in enumerate(request.invitees)],
        request.operation_id,
        principal,
        request.remind_after.ToTimedelta() if request.HasField("remind_after") else None,
    )


def name_from(text: str, field: str) -> str:
    """A person's name, if one is given."""
    return text_from(text, field) if text.strip() else ""


def invitation_to(one: Invitation) -> invitation_pb2.Invitation:
    """An invitation as callers see it."""
    return invitation_pb2.Invitation(
        invitation_id=str(one.invitation_id),
        tenant_id=str(one.tenant_id),
        email=one.email,
        first_name=one.first_name,
        last_name=one.last_name,
        roles=one.roles,
        state=invitation_pb2.Invitation.State.Value(f"STATE_{one.state.value}"),
        operation_id=one.operation_id,
        principal=one.principal,
        expire_time=time_to(one.expire_time),
        remind_time=time_to(one.remind_time),
        reminder_time=time_to(one.reminder_time),
        token_create_time=time_to(one.token_create_time),
        resend_count=one.resend_count,
        accept_time=time_to(one.accept_time),
        revoke_time=time_to(one.revoke_time),
        revoke_reason=one.revoke_reason,
        create_time=time_to(one.create_time),
        update_time=time_to(one.update_time),
    )


def offer_to(offer: Offer, *, told: bool) -> pb.CreatedInvitation:
    """An invitation that was asked for; its token where somebody is to have it."""
    return pb.CreatedInvitation(
        invitation=invitation_to(offer.invitation), token=offer.token if told else "", created=bool(offer.token)
    )


def validated_to(one: Invitation, tenant: Tenant) -> pb.ValidateInvitationResponse:
    """What the page behind a link shows."""
    return pb.ValidateInvitationResponse(
        tenant_display_name=tenant.display_name,
        tenant_key=tenant.key,
        branding=branding_to(tenant.branding),
        email=one.email,
        first_name=one.first_name,
        last_name=one.last_name,
        expire_time=time_to(one.expire_time),
    )


def state_from(state: invitation_pb2.Invitation.State.ValueType) -> str:
    """The state somebody asks for; empty for any."""
    return invitation_pb2.Invitation.State.Name(state).removeprefix("STATE_") if state else ""


def _invitee_from(message: pb.Invitee, field: str) -> Invitee:
    return Invitee(
        email=email_from(message.email, f"{field}.email"),
        first_name=name_from(message.first_name, f"{field}.first_name"),
        last_name=name_from(message.last_name, f"{field}.last_name"),
        roles=tuple(message.roles),
    )
