"""Requests to the tenants service."""

from __future__ import annotations

from tenantmesh.provisioning.v1.provisioned_resource_pb2 import System
from tenantmesh.tenants.v1 import resource_service_pb2 as resources
from tenantmesh.tenants.v1 import tenant_pb2 as states
from tenantmesh.tenants.v1 import tenant_service_pb2 as pb
from worker_service.operation.run import Run


def get(run: Run) -> pb.GetTenantRequest:
    """The tenant the run is about."""
    return pb.GetTenantRequest(tenant_id=run.input.tenant_id)


def keep_tenant(run: Run, answer: pb.GetTenantResponse | pb.TransitionTenantResponse) -> None:
    """Know the tenant."""
    run.tenant.CopyFrom(answer.tenant)


def begin(run: Run) -> pb.TransitionTenantRequest:
    """The tenant is being provisioned."""
    return _move(run, states.TENANT_STATE_PROVISIONING, "mark_provisioning", reason=run.input.origin.reason)


def give_up(run: Run) -> pb.TransitionTenantRequest:
    """Provisioning has failed; or it was cancelled, and nothing is left to be taken up again."""
    if run.cancelled and not run.left_behind:
        return _move(run, states.TENANT_STATE_CANCELLED, "cancelled", reason=run.root_cause)
    return _move(
        run,
        states.TENANT_STATE_PROVISION_FAILED,
        "provision_failed",
        failed_step=run.failed_step or "validate",
        root_cause=run.root_cause,
    )


def activate(run: Run) -> pb.TransitionTenantRequest:
    """The tenant can be used."""
    return _move(run, states.TENANT_STATE_ACTIVE, "activate")


def is_active(answer: pb.GetTenantResponse) -> bool:
    """Whether the tenant is active after all."""
    return answer.tenant.state == states.TENANT_STATE_ACTIVE


def record(run: Run) -> resources.RecordResourcesRequest:
    """Everything the run has made."""
    made = [
        resources.MadeResource(
            type=thing.type,
            provider=thing.provider,
            identifier=thing.external_identifier,
            metadata={**thing.metadata, "system": System.Name(thing.system).removeprefix("SYSTEM_").lower()},
        )
        for thing in run.made.resources
    ]
    return resources.RecordResourcesRequest(
        tenant_id=run.tenant.tenant_id,
        operation_id=run.operation_id,
        resources=made,
        request_id=run.request_id("resource_records"),
    )


def forget(run: Run) -> resources.RemoveResourcesRequest:
    """What the operation has noted."""
    return resources.RemoveResourcesRequest(
        tenant_id=run.tenant.tenant_id, operation_id=run.operation_id, request_id=run.request_id("forget")
    )


def _move(run: Run, state: states.TenantState.ValueType, step: str, **more: str) -> pb.TransitionTenantRequest:
    return pb.TransitionTenantRequest(
        tenant_id=run.tenant.tenant_id or run.input.tenant_id,
        state=state,
        operation_id=run.operation_id,
        request_id=run.request_id(step),
        **more,
    )
