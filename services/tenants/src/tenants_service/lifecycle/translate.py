"""Between the messages about transitions and the words of the domain. Pure, both ways."""

from __future__ import annotations

from tenantmesh.tenants.v1 import tenant_pb2
from tenantmesh.tenants.v1 import tenant_service_pb2 as pb
from tenants_service.lifecycle.model import Move, Transition
from tenants_service.tenants.translate import failure_to, state_from, state_to
from tenants_service.translate import time_to


def move_from(request: pb.TransitionTenantRequest) -> Move:
    """Where a tenant should go."""
    return Move(
        to=state_from(request.state),
        reason=request.reason,
        suspension_reason=request.suspension_reason,
        failed_step=request.failed_step,
        root_cause=request.root_cause,
        operation_id=request.operation_id,
    )


def transition_to(transition: Transition) -> tenant_pb2.TenantTransition:
    """One step of a tenant as callers see it."""
    return tenant_pb2.TenantTransition(
        tenant_id=str(transition.tenant_id),
        sequence=transition.sequence,
        from_state=state_to(transition.from_state),
        to_state=state_to(transition.to_state),
        reason=transition.reason,
        suspension_reason=transition.suspension_reason,
        failure=failure_to(transition.failure),
        operation_id=transition.operation_id,
        principal=transition.principal,
        create_time=time_to(transition.create_time),
    )
