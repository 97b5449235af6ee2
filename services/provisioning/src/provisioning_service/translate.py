"""Between requests, inputs of workflows, what Temporal knows of a run, and operations as callers see them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.client import WorkflowExecution, WorkflowExecutionStatus

from provisioning_service.installation import InstallationSettings
from provisioning_service.model import OF_WORKFLOW, Kind
from temporalkit import operations
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.provisioning.v1 import operation_pb2, operation_requests_pb2, operation_state_pb2, root_cause_pb2
from tenantmesh.provisioning.v1.installation_pb2 import Installation
from tenantmesh.provisioning.v1.operation_pb2 import Operation
from tenantmesh.provisioning.v1.origin_pb2 import Origin
from tenantmesh.provisioning.v1.progress_pb2 import Progress
from tenantmesh.provisioning.v1.provision_tenant_pb2 import (
    FAILURE_POLICY_HOLD,
    FAILURE_POLICY_UNDO,
    ProvisionTenantInput,
    ProvisionTenantResult,
)
from tenantmesh.provisioning.v1.step_pb2 import Step
from tenantmesh.provisioning.v1.tenant_requests_pb2 import ProvisionTenantRequest

SUCCEEDED: Final = operation_state_pb2.OPERATION_STATE_SUCCEEDED
FAILED: Final = operation_state_pb2.OPERATION_STATE_FAILED
CANCELLED: Final = operation_state_pb2.OPERATION_STATE_CANCELLED
FINAL: Final = frozenset({SUCCEEDED, FAILED, CANCELLED})
INPUTS: Final[Mapping[str, Any]] = {"PROVISION_TENANT": ProvisionTenantInput}
RESULTS: Final[Mapping[str, Any]] = {"PROVISION_TENANT": ProvisionTenantResult}
_SETTLED: Final = frozenset({Step.STATE_DONE, Step.STATE_SKIPPED})
_STATES: Final = {
    WorkflowExecutionStatus.COMPLETED: SUCCEEDED,
    WorkflowExecutionStatus.CANCELED: CANCELLED,
    WorkflowExecutionStatus.FAILED: FAILED,
    WorkflowExecutionStatus.TERMINATED: FAILED,
    WorkflowExecutionStatus.TIMED_OUT: FAILED,
}
_FROM_OUTSIDE: Final = {
    WorkflowExecutionStatus.TERMINATED: ("TERMINATED", "An operator ended it from outside."),
    WorkflowExecutionStatus.TIMED_OUT: ("TIMED_OUT", "It did not end in the time it had."),
}


def installation_to(settings: InstallationSettings) -> Installation:
    """What runs are told of the installation."""
    return Installation(
        zone=settings.zone,
        dns_targets=settings.dns_targets,
        suspended_targets=settings.suspended_targets,
        app=settings.app,
        admin_role=settings.admin_role,
        seed_template=settings.seed_template,
        approval_patience=_duration(settings.approval_patience.total_seconds()),
        dns_patience=_duration(settings.dns_patience.total_seconds()),
    )


def provision_input(
    request: ProvisionTenantRequest, tier: str, settings: InstallationSettings, *, dedicated: bool, approved: bool
) -> ProvisionTenantInput:
    """What a run is started with. What the settings say of the tier is settled here, once."""
    policy = request.failure_policy or (FAILURE_POLICY_HOLD if tier in settings.hold_tiers else FAILURE_POLICY_UNDO)
    return ProvisionTenantInput(
        tenant_id=request.tenant_id.lower(),
        subscription_id=request.subscription.id,
        admin_credential_id=request.admin_credential_id,
        require_approval=request.require_approval or approved or tier in settings.approval_tiers,
        failure_policy=policy,
        skip_steps=sorted(request.skip_steps),
        tags=sorted(request.tags),
        installation=installation_to(settings),
        infrastructure=dedicated or tier in settings.infrastructure_tiers,
    )


def tier_name(tier: tier_pb2.Tier.ValueType) -> str:
    """A tier as queues and search attributes call it."""
    return tier_pb2.Tier.Name(tier).removeprefix("TIER_").lower()


def first_difference(before: Message, after: Message) -> str:
    """The first field that two inputs differ in; empty where they are the same."""
    for field in before.DESCRIPTOR.fields:
        if field.name not in {"origin", "resumption", "installation"} and getattr(before, field.name) != getattr(
            after, field.name
        ):
            return field.name
    return ""


def pending(kind: Kind, operation_id: str, tenant_id: str, origin: Origin) -> Operation:
    """An operation that is accepted and waits to be started."""
    return Operation(
        operation_id=operation_id,
        kind=kind_to(kind),
        tenant_id=tenant_id,
        state=operation_state_pb2.OPERATION_STATE_PENDING,
        origin=origin,
        create_time=origin.request_time,
        update_time=origin.request_time,
        details="It was accepted and waits to be started.",
    )


def kind_to(kind: Kind) -> operation_pb2.OperationKind.ValueType:
    """A kind as callers see it."""
    return operation_pb2.OperationKind.Value(f"OPERATION_KIND_{kind.name}")


def operation_to(run: WorkflowExecution, memo: Mapping[str, Any] | None = None) -> Operation:
    """What Temporal itself knows of a run."""
    kind, attributes = OF_WORKFLOW[run.workflow_type], run.typed_search_attributes
    tier = attributes.get(operations.TIER) or "unspecified"
    operation = Operation(
        operation_id=run.id,
        run_id=run.run_id,
        kind=kind_to(kind),
        tenant_id=attributes.get(operations.TENANT_ID) or "",
        tenant_key=attributes.get(operations.TENANT_KEY) or "",
        tier=tier_pb2.Tier.Value(f"TIER_{tier.upper()}"),
        state=_state(run),
        percent=100 if _state(run) == SUCCEEDED else 0,  # how far one is that runs, only the run itself can say
        step=attributes.get(operations.STEP) or "",
        failed_step=attributes.get(operations.FAILED_STEP) or "",
        create_time=_time(run.start_time),
        start_time=_time(run.start_time),
        update_time=_time(run.close_time or run.start_time),
        end_time=_time(run.close_time),
    )
    for name, value in (memo or {}).items():
        if name == "origin":
            operation.origin.CopyFrom(value)
    if run.status in _FROM_OUTSIDE:
        reason, message = _FROM_OUTSIDE[run.status]
        operation.root_cause.CopyFrom(
            root_cause_pb2.RootCause(
                kind=root_cause_pb2.RootCause.KIND_CONFLICT, reason=reason, domain=operations.DOMAIN, message=message
            )
        )
    return operation


def with_progress(operation: Operation, progress: Progress) -> Operation:
    """The operation, with what the run says of itself."""
    operation.state, operation.percent = progress.state, progress.progress
    operation.step, operation.details, operation.failed_step = progress.step, progress.details, progress.failed_step
    operation.steps.extend(progress.steps)
    operation.update_time.CopyFrom(progress.update_time)
    if progress.HasField("wait"):
        operation.wait.CopyFrom(progress.wait)
    if progress.HasField("root_cause"):
        operation.root_cause.CopyFrom(progress.root_cause)
    return operation


def with_result(operation: Operation, kind: Kind, result: Any) -> Operation:
    """The operation that has ended, with what came of it."""
    outcome = result.outcome if "outcome" in result.DESCRIPTOR.fields_by_name else result
    getattr(operation, kind.name.lower()).CopyFrom(result)
    operation.steps.extend(outcome.steps)
    settled = sum(step.state in _SETTLED for step in outcome.steps)
    operation.percent = 100 if outcome.success else 100 * settled // max(len(outcome.steps), 1)
    operation.failed_step = outcome.failed_step
    operation.step = ""
    if outcome.HasField("root_cause"):
        operation.root_cause.CopyFrom(outcome.root_cause)
        operation.details = outcome.error[:512]
    return operation


def query_from(request: operation_requests_pb2.ListOperationsRequest) -> str:
    """What Temporal's visibility is asked."""
    kinds = [name for name in map(_workflow, request.kinds) if name] or sorted(OF_WORKFLOW)
    terms = [f"WorkflowType IN ({_quoted(kinds)})", "TenantId IS NOT NULL"]
    if request.tenant_id:
        terms.append(f"TenantId = '{request.tenant_id.lower()}'")
    if request.states:
        names = [_short(operation_state_pb2.OperationState.Name(state), "OPERATION_STATE_") for state in request.states]
        terms.append(f"OperationState IN ({_quoted(names)})")
    if request.failed_step:
        terms.append(f"FailedStep = '{request.failed_step}'")
    if request.tier:
        terms.append(f"Tier = '{tier_name(request.tier)}'")
    if request.HasField("min_start_time"):
        terms.append(f"StartTime >= '{request.min_start_time.ToJsonString()}'")
    if request.HasField("max_start_time"):
        terms.append(f"StartTime < '{request.max_start_time.ToJsonString()}'")
    return " AND ".join(terms)


def scope_of(request: operation_requests_pb2.ListOperationsRequest) -> str:
    """What a page token is good for: the same list."""
    return f"provisioning.ListOperations|{query_from(request)}"


def _state(run: WorkflowExecution) -> operation_state_pb2.OperationState.ValueType:
    if run.status in _STATES:
        return _STATES[run.status]
    known = run.typed_search_attributes.get(operations.STATE) or "running"
    return operation_state_pb2.OperationState.Value(f"OPERATION_STATE_{known.upper()}")


def _workflow(kind: operation_pb2.OperationKind.ValueType) -> str:
    name = operation_pb2.OperationKind.Name(kind).removeprefix("OPERATION_KIND_")
    return next((each.workflow for each in OF_WORKFLOW.values() if each.name == name), "none")


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _short(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()


def _time(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def _duration(seconds: float) -> Duration:
    return Duration(seconds=int(seconds))
