"""Credentials as messages, and back."""

from __future__ import annotations

from datetime import datetime

from identity_service.credentials.model import Credential, Handover, Kind
from identity_service.translate import time_to
from tenantmesh.identity.v1 import credential_pb2 as pb


def kind_from(kind: pb.CredentialKind.ValueType) -> Kind:
    """What is staged."""
    return Kind[pb.CredentialKind.Name(kind).removeprefix("CREDENTIAL_KIND_")]


def credential_to(one: Credential, now: datetime) -> pb.Credential:
    """A credential as callers see it: all but the secret."""
    return pb.Credential(
        credential_id=str(one.credential_id),
        tenant_id=str(one.tenant_id),
        kind=_kind_to(one.kind),
        state=pb.CredentialState.Value(f"CREDENTIAL_STATE_{one.state(now).name}"),
        generated=one.generated,
        subject=one.subject,
        create_time=time_to(one.create_time),
        expire_time=time_to(one.expire_time),
        spend_time=time_to(one.spend_time),
    )


def handover_to(one: Handover) -> pb.ClaimCredentialResponse:
    """The one answer that holds a secret."""
    return pb.ClaimCredentialResponse(
        secret=one.secret, kind=_kind_to(one.kind), subject=one.subject, issuer=one.issuer
    )


def _kind_to(kind: Kind) -> pb.CredentialKind.ValueType:
    return pb.CredentialKind.Value(f"CREDENTIAL_KIND_{kind.name}")
