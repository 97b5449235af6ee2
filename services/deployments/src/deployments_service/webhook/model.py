"""What is said to a pipeline, what it answers, and when it is asked again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from http import HTTPStatus
from uuid import UUID

from deployments_service.model import Deployment, FailureReason, Report, State, failed
from faults import Fault

_PUT_OFF = frozenset({408, 409, 425, 429})


class AddressRefused(OSError):  # noqa: N818 - names what happened
    """An address that is not to be called, such as that of a cloud's metadata."""


@dataclass(frozen=True, slots=True)
class Job:
    """A rollout that has to be looked after now. `claim` tells who took it on from who took it over later."""

    claim: UUID
    deployment: Deployment
    called: bool
    status_url: str
    attempts: int
    overdue: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What a pipeline answered."""

    status: int
    body: bytes = b""
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to make of it: a report where there is one, whether the call was taken, when to come back at the soonest."""

    report: Report | None = None
    taken: bool = False
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What becomes of a job."""

    report: Report | None
    """What the pipeline said, if it said something."""
    called: bool
    """Whether the pipeline has taken the call."""
    again_in: timedelta | None
    """When to look again; None leaves it to the pipeline to report, until time is up."""


def body_of(deployment: Deployment, report_url: str) -> bytes:
    """What a pipeline is told: for one rollout always the very same bytes."""
    rollout = deployment.rollout
    said = {
        **asdict(deployment.spec),
        "tier": deployment.spec.tier.name,
        "action": rollout.action.value,
        "tenantId": deployment.tenant_id,
        "app": deployment.app,
        "rolloutId": rollout.rollout_id,
        "operationId": rollout.operation_id,
        "previousVersion": deployment.previous.version if deployment.previous else "",
        "reportUrl": report_url,
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def verdict_on(answer: Answer, *, call: bool, reading: Callable[[bytes], Report]) -> Verdict:
    """What to make of an answer to a call, or of one at a status address.

    A call that is put off is made again under the same key, so a pipeline that took it knows it again.
    """
    status = answer.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _accepted(answer, call=call, reading=reading)
    unknown_yet = status == HTTPStatus.NOT_FOUND and not call
    if unknown_yet or status in _PUT_OFF or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Verdict(retry_after=answer.retry_after)
    if status < HTTPStatus.BAD_REQUEST:
        return _refused("The pipeline sent us elsewhere, which is not followed.")
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return _refused(f"The pipeline refused our signature ({status}).", FailureReason.PROVIDER_FAILED)
    told = _read(answer.body, reading)
    if told is not None and told.state is State.FAILED:
        return Verdict(told)
    return _refused(f"The pipeline refused the call ({status}).")


def pause_before(attempt: int, *, first: timedelta, longest: timedelta) -> timedelta:
    """How long to wait after that many attempts: twice as long each time."""
    return min(first * (1 << min(attempt, 30)), longest)


def _accepted(answer: Answer, *, call: bool, reading: Callable[[bytes], Report]) -> Verdict:
    if not answer.body.strip():
        return Verdict(taken=True, retry_after=answer.retry_after)
    told = _read(answer.body, reading)
    if told is None and call:  # a page for people, such as one to log in: nobody has taken the call
        return _refused("What the pipeline answered is no report.", retryable=True)
    return Verdict(told, taken=True, retry_after=answer.retry_after)


def _read(body: bytes, reading: Callable[[bytes], Report]) -> Report | None:
    try:
        return reading(body)
    except Fault:
        return None


def _refused(
    message: str, reason: FailureReason = FailureReason.PIPELINE_FAILED, *, retryable: bool = False
) -> Verdict:
    return Verdict(failed(reason, message, retryable=retryable))
