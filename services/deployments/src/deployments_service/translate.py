"""Between the messages of the contract and the words of the domain. Pure, both ways."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Protocol

import protovalidate
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from deployments_service.model import (
    Deployment,
    Failure,
    FailureReason,
    Owner,
    Report,
    SignedReport,
    State,
    Tier,
)
from deployments_service.service import Wish
from faults import Fault, Invalid
from tenantmesh.common.v1 import ownership_pb2, tier_pb2
from tenantmesh.deployments.v1 import deployment_pb2
from tenantmesh.deployments.v1 import deployment_service_pb2 as pb

_DEEPEST = 8


class TenantRequest(Protocol):
    """A request about a tenant."""

    tenant_id: str


def tenant_from(request: TenantRequest) -> str:
    """Whose call it is. Some languages write identifiers in capitals."""
    return request.tenant_id.lower()


def wish_from(request: pb.EnsureDeploymentRequest) -> Wish:
    """What the caller wants to be so. Host names are the same in capitals, and in any order."""
    return Wish(
        tenant_id=tenant_from(request),
        operation_id=request.operation_id,
        app=request.app,
        tier=Tier[tier_pb2.Tier.Name(request.tier).removeprefix("TIER_")],
        version=request.version,
        image=request.image,
        hostnames=tuple(sorted({hostname.lower() for hostname in request.hostnames})),
        settings=dict(request.settings),
        references=dict(request.references),
        validate_only=request.validate_only,
    )


def signed_from(request: pb.ReportDeploymentRequest, metadata: Iterable[tuple[str, str | bytes]]) -> SignedReport:
    """A report as it came, and its signature. What is signed is the path as it was called, capitals included."""
    headers = {key: value for key, value in metadata if isinstance(value, str)}
    return SignedReport(
        request.tenant_id,
        request.app,
        request.rollout_id,
        request.body.data,
        headers.get("x-timestamp", ""),
        headers.get("x-signature", ""),
    )


def report_from(body: bytes) -> Report:
    """The report in a body.

    Raises:
        Invalid: REPORT_INVALID.
    """
    message = deployment_pb2.DeploymentReport()
    try:
        # A pipeline that knows a later contract may say more.
        json_format.Parse(body, message, ignore_unknown_fields=True, max_recursion_depth=_DEEPEST)
        protovalidate.validate(message)
    except protovalidate.ValidationError as broken:
        path = broken.violations[0].proto.field
        raise _invalid(".".join(field.field_name for field in path.elements) if path else "") from None
    except (json_format.ParseError, UnicodeDecodeError, ValueError, RecursionError):
        raise _invalid("") from None
    _check_texts(message)
    return Report(
        State[deployment_pb2.DeploymentState.Name(message.state).removeprefix("DEPLOYMENT_STATE_")],
        message.percent,
        _failure_from(message),
        message.app_url,
        message.admin_url,
        message.provider_deployment_id,
        message.web_url,
        message.status_url,
    )


def deployment_to(deployment: Deployment) -> deployment_pb2.Deployment:
    """A deployment as callers see it."""
    spec = deployment.spec
    return deployment_pb2.Deployment(
        tenant_id=deployment.tenant_id,
        app=deployment.app,
        tier=tier_pb2.Tier.Value(f"TIER_{spec.tier.name}"),
        version=spec.version,
        image=spec.image,
        previous_version=deployment.previous.version if deployment.previous else "",
        rollout_id=deployment.rollout.rollout_id,
        hostnames=spec.hostnames,
        settings=spec.settings,
        references=spec.references,
        state=state_to(deployment.state),
        percent=deployment.percent,
        failure=_failure_to(deployment.failure) if deployment.failure else None,
        app_url=deployment.app_url,
        admin_url=deployment.admin_url,
        ownership=_owner_to(deployment.owner) if deployment.owner else None,
        provider=deployment.provider,
        provider_deployment_id=deployment.provider_deployment_id,
        web_url=deployment.web_url,
        create_time=_time_to(deployment.create_time),
        update_time=_time_to(deployment.update_time),
    )


def state_to(state: State) -> deployment_pb2.DeploymentState.ValueType:
    """A state as callers see it."""
    return deployment_pb2.DeploymentState.Value(f"DEPLOYMENT_STATE_{state.name}")


def _check_texts(message: deployment_pb2.DeploymentReport) -> None:
    """No database keeps the character zero."""
    for field, value in message.ListFields():
        if isinstance(value, str) and "\0" in value:
            raise _invalid(field.name)
    if "\0" in message.failure.message:
        raise _invalid("failure.message")


def _failure_from(message: deployment_pb2.DeploymentReport) -> Failure | None:
    if message.state != deployment_pb2.DEPLOYMENT_STATE_FAILED:
        return None
    said = message.failure
    reason = FailureReason[deployment_pb2.DeploymentFailure.Reason.Name(said.reason).removeprefix("REASON_")]
    return Failure(reason, said.message or "The pipeline said that it failed.", said.retryable)


def _failure_to(failure: Failure) -> deployment_pb2.DeploymentFailure:
    reason = deployment_pb2.DeploymentFailure.Reason.Value(f"REASON_{failure.reason.name}")
    return deployment_pb2.DeploymentFailure(reason=reason, message=failure.message, retryable=failure.retryable)


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


def _invalid(field: str) -> Fault:
    return Invalid("The body is no report.", reason="REPORT_INVALID", facts={"field": field} if field else {})
