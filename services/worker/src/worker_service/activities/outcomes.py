"""Answers that say of something long that it failed, as the faults they are."""

from __future__ import annotations

from typing import NoReturn

import faults
from temporalkit.operations import DOMAIN
from tenantmesh.deployments.v1 import deployment_pb2
from tenantmesh.dns.v1 import dns_service_pb2 as dns
from tenantmesh.dns.v1 import verification_pb2
from tenantmesh.infrastructure.v1 import run_pb2

_FOUND = frozenset({verification_pb2.Verification.STATE_VERIFIED, verification_pb2.Verification.STATE_NOT_LOOKED_UP})
_APPLIED = frozenset({run_pb2.Run.STATE_APPLIED, run_pb2.Run.STATE_PLANNED_AND_FINISHED})

STANDING = frozenset({deployment_pb2.DEPLOYMENT_STATE_READY, deployment_pb2.DEPLOYMENT_STATE_SKIPPED})
"""It serves, or nobody is to deploy anything here."""


def verified(answer: dns.VerifyRecordResponse, hostname: str) -> dns.VerifyRecordResponse:
    """The answer, if every server had the name."""
    if answer.verification.state in _FOUND:
        return answer
    raise faults.Timeout(
        "The record of a DNS name did not reach the servers in time.",
        reason="DNS_NOT_PROPAGATED",
        facts={"hostname": hostname, "lagging": answer.verification.detail[:512]},
        domain=DOMAIN,
    )


def applied(run: run_pb2.Run) -> run_pb2.Run:
    """The run, if it did what it was to do."""
    if run.state in _APPLIED:
        return run
    return _failed(run.failure.message, "infrastructure", run.stack_name, retryable=run.failure.retryable)


def serving(deployment: deployment_pb2.Deployment) -> deployment_pb2.Deployment:
    """The deployment, if it serves."""
    if deployment.state in STANDING:
        return deployment
    failure = deployment.failure
    return _failed(failure.message, "deployments", deployment.app, retryable=failure.retryable)


def _failed(message: str, system: str, name: str, *, retryable: bool) -> NoReturn:
    kind = faults.Unavailable if retryable else faults.Conflict
    facts = {"system": system, "name": name}
    raise kind(message or "It did not come to stand.", reason="VERIFICATION_FAILED", facts=facts, domain=DOMAIN)
