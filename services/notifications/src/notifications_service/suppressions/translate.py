"""Between the messages of the suppression list and the words of the domain. Pure, both ways."""

from __future__ import annotations

from faults import Invalid
from notifications_service.model import address_key
from notifications_service.suppressions.model import Cause, Scope, Suppression
from notifications_service.translate import email_from, tenant_to, time_to
from tenantmesh.notifications.v1 import suppression_pb2


def key_from(text: str) -> str:
    """The key of an address.

    Raises:
        Invalid: ADDRESS_INVALID.
    """
    email, problem = email_from(text)
    if problem:
        raise Invalid("The address is none.", reason="ADDRESS_INVALID", facts={"rule": problem})
    return address_key(email)


def scope_from(scope: int) -> Scope:
    """What an address is no longer sent."""
    return Scope[_name(suppression_pb2.SuppressionScope.Name(scope))]  # type: ignore[arg-type] # the contract's bounds


def cause_from(cause: int) -> Cause:
    """Why; somebody put it there where nothing is said."""
    if not cause:
        return Cause.MANUAL
    return Cause[_name(suppression_pb2.SuppressionCause.Name(cause))]  # type: ignore[arg-type] # the contract's bounds


def suppression_to(entry: Suppression) -> suppression_pb2.Suppression:
    """An entry as callers see it."""
    return suppression_pb2.Suppression(
        suppression_id=str(entry.suppression_id),
        tenant_id=tenant_to(entry.tenant_id),
        email=entry.email,
        scope=suppression_pb2.SuppressionScope.Value(f"SUPPRESSION_SCOPE_{entry.scope.name}"),
        cause=suppression_pb2.SuppressionCause.Value(f"SUPPRESSION_CAUSE_{entry.cause.name}"),
        detail=entry.detail,
        create_time=time_to(entry.create_time),
    )


def _name(name: str) -> str:
    return name.removeprefix("SUPPRESSION_SCOPE_").removeprefix("SUPPRESSION_CAUSE_")
