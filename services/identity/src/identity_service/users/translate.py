"""Users as messages, and back."""

from __future__ import annotations

from identity_service.model import User, Who
from identity_service.translate import owner_to, time_to
from identity_service.users.model import Handover, Wish, parse_email
from tenantmesh.identity.v1 import user_pb2 as pb

_WhoRequest = pb.GetUserRequest | pb.DeleteUserRequest | pb.AssignRoleRequest | pb.RevokeRoleRequest
# A provider may know more roles of somebody than the contract passes on.
_MOST_ROLES = 64


def wish_from(request: pb.EnsureUserRequest) -> Wish:
    """What the user shall be like."""
    return Wish(
        email=parse_email(request.email),
        given_name=request.given_name,
        family_name=request.family_name,
        language=request.language,
        email_verified=request.email_verified,
        credential_id=request.credential_id.lower(),
        handover=_handover_from(request.handover),
        client_name=request.client_name,
    )


def who_from(request: _WhoRequest) -> Who:
    """Which user."""
    return Who(email=parse_email(request.email)) if request.email else Who(user_id=request.user_id)


def email_from(request: pb.VerifyPasswordRequest) -> str:
    """Who says to be there."""
    return parse_email(request.email)


def user_to(one: User) -> pb.User:
    """A user as callers see one."""
    return pb.User(
        user_id=one.user_id,
        email=one.email,
        email_verified=one.email_verified,
        given_name=one.given_name,
        family_name=one.family_name,
        language=one.language,
        enabled=one.enabled,
        password_change_required=one.password_change_required,
        roles=sorted(one.roles)[:_MOST_ROLES],
        ownership=owner_to(one.owner),
        provider=one.provider,
        create_time=time_to(one.create_time),
        update_time=time_to(one.update_time),
    )


def _handover_from(handover: pb.PasswordHandover.ValueType) -> Handover | None:
    return Handover[pb.PasswordHandover.Name(handover).removeprefix("PASSWORD_HANDOVER_")] if handover else None
