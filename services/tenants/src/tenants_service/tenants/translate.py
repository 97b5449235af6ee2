"""Between the messages about tenants and the words of the domain. Pure, both ways."""

from __future__ import annotations

from tenantmesh.common.v1 import tier_pb2
from tenantmesh.tenants.v1 import tenant_pb2
from tenantmesh.tenants.v1 import tenant_service_pb2 as pb
from tenants_service.names.model import Holder
from tenants_service.tenants.model import Branding, Changes, Draft, Failure, State, Tenant, Tier
from tenants_service.tenants.service import KeyCheck
from tenants_service.translate import (
    address_from,
    address_to,
    chosen_of,
    contact_to,
    contacts_from,
    domains_from,
    id_from,
    id_to,
    text_from,
    time_to,
)

_Obstacle = pb.CheckTenantKeyResponse.Obstacle
_STATES = {state: tenant_pb2.TenantState.Value(f"TENANT_STATE_{state.name}") for state in State}
_TIERS = {tier: tier_pb2.Tier.Value(f"TIER_{tier.name}") for tier in Tier}


def draft_from(request: pb.CreateTenantRequest) -> Draft:
    """What a tenant is to be made from."""
    return Draft(
        key=request.key,
        display_name=text_from(request.display_name, "display_name"),
        tier=tier_from(request.tier),
        contacts=contacts_from(request.contacts),
        domains=domains_from(request.domains),
        address=address_from(request.address),
        branding=_branding_from(request.branding),
        metadata=dict(request.metadata),
        tags=tuple(request.tags),
        protected=request.protected,
        tenant_id=id_from(request.tenant_id),
        parent_tenant_id=id_from(request.parent_tenant_id),
    )


def changes_from(request: pb.UpdateTenantRequest) -> Changes:
    """What is to change: the fields the mask names; those that are set where it names none."""
    wanted, chosen = request.tenant, chosen_of(request.tenant, request.update_mask)
    return Changes(
        display_name=text_from(wanted.display_name, "tenant.display_name") if "display_name" in chosen else None,
        tier=tier_from(wanted.tier) if "tier" in chosen else None,
        contacts=contacts_from(wanted.contacts) if "contacts" in chosen else None,
        domains=domains_from(wanted.domains) if "domains" in chosen else None,
        address=address_from(wanted.address) if "address" in chosen else None,
        branding=_branding_from(wanted.branding) if "branding" in chosen else None,
        metadata=dict(wanted.metadata) if "metadata" in chosen else None,
        tags=tuple(wanted.tags) if "tags" in chosen else None,
    )


def tenant_to(tenant: Tenant) -> tenant_pb2.Tenant:
    """A tenant as callers see it."""
    return tenant_pb2.Tenant(
        tenant_id=str(tenant.tenant_id),
        key=tenant.key,
        display_name=tenant.display_name,
        state=state_to(tenant.state),
        tier=tier_to(tenant.tier),
        parent_tenant_id=id_to(tenant.parent_tenant_id),
        lead_id=id_to(tenant.lead_id),
        contacts=map(contact_to, tenant.contacts),
        domains=tenant.domains,
        verified_domains=tenant.verified_domains,
        address=address_to(tenant.address),
        branding=branding_to(tenant.branding),
        metadata=tenant.metadata,
        tags=tenant.tags,
        protected=tenant.protected,
        suspension_reason=tenant.suspension_reason,
        failure=failure_to(tenant.failure),
        operation_id=tenant.operation_id,
        quarantine_expire_time=time_to(tenant.quarantine_expire_time),
        create_time=time_to(tenant.create_time),
        update_time=time_to(tenant.update_time),
        activate_time=time_to(tenant.activate_time),
        delete_time=time_to(tenant.delete_time),
        etag=tenant.etag,
    )


def check_to(check: KeyCheck) -> pb.CheckTenantKeyResponse:
    """Whether a key can be had. Who has it says more than the form it lacks."""
    obstacle = _Obstacle.OBSTACLE_UNSPECIFIED
    if check.holder:
        obstacle = _held(check.holder)
    elif check.reserved:
        obstacle = _Obstacle.OBSTACLE_RESERVED
    elif check.malformed:
        obstacle = _Obstacle.OBSTACLE_MALFORMED
    return pb.CheckTenantKeyResponse(
        available=check.available,
        obstacle=obstacle,
        rule=check.rule,
        quarantine_expire_time=time_to(check.holder.rest_time if check.holder else None),
        suggestions=check.suggestions,
    )


def branding_to(branding: Branding) -> tenant_pb2.Branding:
    """How a tenant's pages look."""
    return tenant_pb2.Branding(
        logo_uri=branding.logo_uri,
        icon_uri=branding.icon_uri,
        primary_color=branding.primary_color,
        secondary_color=branding.secondary_color,
        locale=branding.locale,
    )


def failure_to(failure: Failure | None) -> tenant_pb2.TenantFailure | None:
    """Why an operation failed, if one did."""
    if failure is None:
        return None
    return tenant_pb2.TenantFailure(
        failed_step=failure.failed_step,
        root_cause=failure.root_cause,
        operation_id=failure.operation_id,
        create_time=time_to(failure.create_time),
    )


def state_from(state: tenant_pb2.TenantState.ValueType) -> State:
    """A state."""
    return State[tenant_pb2.TenantState.Name(state).removeprefix("TENANT_STATE_")]


def state_to(state: State | None) -> tenant_pb2.TenantState.ValueType:
    """A state; the one before the first is not said."""
    return _STATES[state] if state else tenant_pb2.TENANT_STATE_UNSPECIFIED


def tier_from(tier: tier_pb2.Tier.ValueType) -> Tier:
    """A tier."""
    return Tier[tier_pb2.Tier.Name(tier).removeprefix("TIER_")]


def tier_to(tier: Tier) -> tier_pb2.Tier.ValueType:
    """A tier."""
    return _TIERS[tier]


def _held(holder: Holder) -> pb.CheckTenantKeyResponse.Obstacle.ValueType:
    return _Obstacle.OBSTACLE_QUARANTINED if holder.rest_time else _Obstacle.OBSTACLE_TAKEN


def _branding_from(message: tenant_pb2.Branding) -> Branding:
    return Branding(
        logo_uri=message.logo_uri,
        icon_uri=message.icon_uri,
        primary_color=message.primary_color,
        secondary_color=message.secondary_color,
        locale=message.locale,
    )
