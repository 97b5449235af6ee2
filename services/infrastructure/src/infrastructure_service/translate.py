"""Between the messages of the contract and the words of the domain. Pure, both ways."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from infrastructure_service.model import Failure, Owner, Plan, Run, Stack, Tier
from infrastructure_service.service import Wish
from tenantmesh.common.v1 import ownership_pb2, tier_pb2
from tenantmesh.infrastructure.v1 import infrastructure_service_pb2 as pb
from tenantmesh.infrastructure.v1 import run_pb2, stack_pb2

# A provider may say anything, but the contract bounds what we pass on.
_MOST_DESTROYED = 100


class TenantRequest(Protocol):
    """A request about a tenant."""

    tenant_id: str


def tenant_from(request: TenantRequest) -> str:
    """Whose call it is. Some languages write identifiers in capitals."""
    return request.tenant_id.lower()


def wish_from(request: pb.EnsureStackRequest) -> Wish:
    """What the caller wants to be so."""
    return Wish(
        tenant_id=tenant_from(request),
        operation_id=request.operation_id,
        name=request.name,
        tier=Tier[tier_pb2.Tier.Name(request.tier).removeprefix("TIER_")],
        template=request.template,
        variables=dict(request.variables),
        hold=request.hold_for_approval,
        validate_only=request.validate_only,
    )


def stack_to(stack: Stack) -> stack_pb2.Stack:
    """A stack as callers see it."""
    return stack_pb2.Stack(
        tenant_id=stack.owner.tenant_id if stack.owner else "",
        name=stack.spec.name,
        tier=tier_pb2.Tier.Value(f"TIER_{stack.spec.tier.name}"),
        template=stack.spec.template,
        variables=stack.spec.variables,
        outputs=stack.outputs,
        secret_outputs=stack.secret_outputs,
        state=stack_pb2.Stack.State.Value(f"STATE_{stack.state.name}"),
        latest_run_id=stack.latest_run_id,
        resource_count=stack.resource_count,
        shared=stack.shared,
        ownership=_owner_to(stack.owner) if stack.owner else None,
        provider=stack.provider,
        provider_stack_id=stack.provider_stack_id,
        create_time=_time_to(stack.create_time),
        update_time=_time_to(stack.update_time),
    )


def run_to(run: Run) -> run_pb2.Run:
    """A run as callers see it."""
    return run_pb2.Run(
        run_id=run.run_id,
        tenant_id=run.owner.tenant_id,
        stack_name=run.spec.name,
        kind=run_pb2.Run.Kind.Value(f"KIND_{run.kind.name}"),
        state=run_pb2.Run.State.Value(f"STATE_{run.state.name}"),
        plan=_plan_to(run.plan) if run.plan else None,
        failure=_failure_to(run.failure) if run.failure else None,
        detail=run.detail,
        decision_reason=run.decision_reason,
        ownership=_owner_to(run.owner),
        provider=run.provider,
        web_url=run.web_url,
        create_time=_time_to(run.create_time),
        start_time=_time_to(run.start_time),
        end_time=_time_to(run.end_time),
    )


def _plan_to(plan: Plan) -> run_pb2.PlanSummary:
    destroyed = plan.destroyed[:_MOST_DESTROYED]
    return run_pb2.PlanSummary(add=plan.add, change=plan.change, destroy=plan.destroy, destroyed=destroyed)


def _failure_to(failure: Failure) -> run_pb2.RunFailure:
    return run_pb2.RunFailure(
        reason=run_pb2.RunFailure.Reason.Value(f"REASON_{failure.reason.name}"),
        message=failure.message,
        resource=failure.resource,
        retryable=failure.retryable,
    )


def _owner_to(owner: Owner) -> ownership_pb2.Ownership:
    return ownership_pb2.Ownership(
        tenant_id=owner.tenant_id, operation_id=owner.operation_id, create_time=_time_to(owner.time)
    )


def _time_to(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time.astimezone(UTC))
    return message
