"""Between the messages of the contract and the words of the domain: what all resources share. Pure, both ways."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from faults import Unimplemented
from identity_service.model import Capability, Owner, Shard, Tenant, Tier
from identity_service.service import Slice
from pagekit import page_size
from tenantmesh.common.v1 import ownership_pb2, tier_pb2
from tenantmesh.identity.v1 import client_pb2, organization_pb2, shard_pb2, user_pb2

_PAGE_SIZE = 100
_PAGE_LIMIT = 500


TenantRequest = (
    organization_pb2.EnsureOrganizationRequest
    | organization_pb2.GetOrganizationRequest
    | organization_pb2.SetOrganizationEnabledRequest
    | organization_pb2.DeleteOrganizationRequest
    | client_pb2.EnsureClientRequest
    | client_pb2.GetClientRequest
    | client_pb2.ListClientsRequest
    | client_pb2.RotateClientSecretRequest
    | client_pb2.DeleteClientRequest
    | user_pb2.EnsureUserRequest
    | user_pb2.GetUserRequest
    | user_pb2.ListUsersRequest
    | user_pb2.VerifyPasswordRequest
    | user_pb2.DeleteUserRequest
    | user_pb2.AssignRoleRequest
    | user_pb2.RevokeRoleRequest
)


class ListRequest(Protocol):
    """Every request for a page."""

    page_size: int
    page_token: str


def tenant_from(request: TenantRequest) -> Tenant:
    """Whose call it is. Some languages write identifiers in capitals."""
    tier = Tier[tier_pb2.Tier.Name(request.tier).removeprefix("TIER_")]
    return Tenant(request.tenant_id.lower(), request.tenant_key, tier)


def tier_to(tier: Tier) -> tier_pb2.Tier.ValueType:
    """How far a tenant is isolated."""
    return tier_pb2.Tier.Value(f"TIER_{tier.name}")


def slice_from(request: ListRequest, operation_id: str, after: tuple[object, ...] | None) -> Slice:
    """Which page."""
    size = page_size(request.page_size, default=_PAGE_SIZE, limit=_PAGE_LIMIT)
    return Slice(operation_id, tuple(map(str, after)) if after is not None else None, size)


def domains_from(domains: Iterable[str]) -> tuple[str, ...]:
    """Host names in their one true form, each once."""
    return tuple(dict.fromkeys(domain.lower().removesuffix(".") for domain in domains))


def owner_to(owner: Owner | None) -> ownership_pb2.Ownership | None:
    """The stamp; none on what the mesh did not make."""
    if owner is None:
        return None
    return ownership_pb2.Ownership(
        tenant_id=owner.tenant_id, operation_id=owner.operation_id, create_time=time_to(owner.create_time)
    )


def time_to(moment: datetime | None) -> Timestamp | None:
    """A moment; none where it is not known."""
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def span_to(span: timedelta) -> Duration:
    """A span of time."""
    duration = Duration()
    duration.FromTimedelta(span)
    return duration


def shard_to(shard: Shard) -> shard_pb2.Shard:
    """A shard as callers see it."""
    return shard_pb2.Shard(
        name=shard.name,
        provider=shard.provider,
        version=shard.version,
        available=shard.available,
        detail=shard.detail,
        capabilities=sorted(map(_capability_to, shard.capabilities)),
        realm_count=shard.realm_count,
        realm_limit=shard.realm_limit,
        organization_count=shard.organization_count,
    )


def not_implemented(what: str) -> Unimplemented:
    """The contract has it, the service not yet."""
    return Unimplemented(
        f"{what} is not built yet: people sign in at the identity provider itself.",
        reason="NOT_IMPLEMENTED",
        domain="tenantmesh",
    )


def _capability_to(capability: Capability) -> shard_pb2.IdentityCapability.ValueType:
    return shard_pb2.IdentityCapability.Value(f"IDENTITY_CAPABILITY_{capability.name}")
