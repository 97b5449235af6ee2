"""Faults on Temporal: what an activity or a workflow raises becomes a failure with kind, reason and facts, and back.

Failures stand in histories for weeks and are shown to people. So only a fault's own neutral text goes in; the text of
any other exception, and whatever a fault was raised from, stays in the log of the process it happened in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import grpc
from temporalio.api.failure.v1 import Failure
from temporalio.client import RPCTimeoutOrCancelledError
from temporalio.converter import (
    DefaultFailureConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadConverter,
)
from temporalio.exceptions import (
    ApplicationError,
    ServerError,
    TemporalError,
    TerminatedError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)
from temporalio.exceptions import TimeoutError as TemporalTimeoutError
from temporalio.service import RPCError, RPCStatusCode

import chassis.errors
import faults
from faults import Fault, Violation
from temporalkit.ledger import Ledger, as_data

_DOMAIN = chassis.errors.DOMAIN
_GRPC_DOMAIN = chassis.errors.GRPC_DOMAIN
_CLASSES: Mapping[str, type[Fault]] = {fault.kind.value: fault for fault in Fault.__subclasses__()}
_CALLERS_MISTAKES = frozenset(
    {
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.OUT_OF_RANGE,
        RPCStatusCode.UNIMPLEMENTED,
    }
)


def application_error(fault: Fault, *, longest_delay: timedelta | None = None) -> ApplicationError:
    """The fault as Temporal knows it: its type is the kind, and the kind alone decides whether a retry makes sense.

    Args:
        fault: what went wrong.
        longest_delay: the longest wait before the next attempt that the caller's budget allows.
    """
    delay = fault.retry_after
    if delay is not None and longest_delay is not None:
        delay = min(delay, longest_delay)
    return ApplicationError(
        fault.message,
        _details(fault),
        type=fault.kind.value,
        non_retryable=not fault.kind.retryable,
        next_retry_delay=delay,
    )


def run_failure(error: BaseException, ledger: Ledger) -> ApplicationError:
    """What a run closes with: the root cause, the step it happened in (fact `step`), and what became of every step."""
    fault = fault_of(error) or unexpected(error)
    facts, prefix = fault.facts, ""
    if ledger.ended_by is not None:
        facts, prefix = {**facts, "step": ledger.ended_by.name}, f"{ledger.ended_by.name}: "
    return ApplicationError(
        prefix + fault.message,
        {**_details(fault), "facts": facts},
        as_data(ledger),
        type=fault.kind.value,
        non_retryable=True,
    )


def fault_of(error: BaseException) -> Fault | None:
    """The fault at the root of an error, or None when the work was cancelled: a cancellation is no failure.

    It understands what a call to a service raises (`grpc.RpcError`), what a call to Temporal raises (`RPCError`), and
    every wrapper between a workflow, its activities and a client. Wrapper text is dropped, the root's is kept.
    """
    if is_cancelled_exception(error):
        return None
    while error.__cause__ is not None and not isinstance(error, _ROOTS):
        error = error.__cause__
        if is_cancelled_exception(error):
            return None
    translate = next((translate for kind, translate in _TRANSLATORS if isinstance(error, kind)), unexpected)
    return translate(error)


@contextmanager
def faults_raised() -> Iterator[None]:
    """Turn what calls to Temporal raise inside the block into faults; a cancelled run stays what it was."""
    try:
        yield
    except (TemporalError, RuntimeError) as error:
        fault = fault_of(error)
        if fault is None or fault.facts.get("exception"):  # cancelled, or no error of Temporal's
            raise
        raise fault from error


def unexpected(error: BaseException) -> Fault:
    """What may be told of an exception nobody foresaw: the name of its class. Its text may hold anything."""
    return faults.Internal(
        "Something unexpected failed; the log has the rest.",
        reason="UNEXPECTED",
        facts={"exception": type(error).__name__},
        domain=_DOMAIN,
    )


def _of_application(error: ApplicationError) -> Fault:
    known: Mapping[str, Any] = error.details[0] if error.details and isinstance(error.details[0], dict) else {}
    kind = _CLASSES.get(error.type or "")
    if kind is None or "reason" not in known:
        return faults.Internal(error.message, reason="UNEXPECTED", facts={"type": error.type or ""}, domain=_DOMAIN)
    return kind(
        error.message,
        reason=known["reason"],
        domain=known.get("domain", ""),
        facts=known.get("facts", {}),
        violations=[Violation(**violation) for violation in known.get("violations", [])],
        retry_after=error.next_retry_delay,
    )


def _of_rpc(error: RPCError) -> Fault:
    """A refusal to do what was asked is the caller's to understand; everything else means that Temporal is away."""
    if error.status is RPCStatusCode.NOT_FOUND and not _namespace_missing(error):
        return faults.NotFound("Temporal knows no such run.", reason="NOT_FOUND", domain=_GRPC_DOMAIN)
    if error.status in _CALLERS_MISTAKES:
        return faults.Internal(
            "Temporal refused the request.",
            reason="UNEXPECTED",
            facts={"status": error.status.name},
            domain=_DOMAIN,
        )
    return _temporal_unavailable(error)


def _namespace_missing(error: RPCError) -> bool:
    return any(detail.type_url.endswith("NamespaceNotFoundFailure") for detail in error.grpc_status.details)


def _temporal_unavailable(_: BaseException) -> Fault:
    return faults.Unavailable(
        "Temporal cannot be reached.",
        reason="DEPENDENCY_UNAVAILABLE",
        facts={"dependency": "temporal"},
        domain=_DOMAIN,
    )


def _details(fault: Fault) -> dict[str, Any]:
    """The part of a fault that a failure has no field of its own for."""
    details: dict[str, Any] = {"reason": fault.reason, "domain": fault.domain, "facts": fault.facts}
    if fault.violations:
        details["violations"] = [
            {"field": violation.field, "description": violation.description, "rule": violation.rule}
            for violation in fault.violations
        ]
    return details


def _of_connecting(error: RuntimeError) -> Fault:
    """A client that connects when it is first used says with no class of its own that it cannot."""
    return _temporal_unavailable(error) if str(error).startswith("Failed client connect") else unexpected(error)


def _of_timeout(error: TemporalTimeoutError) -> Fault:
    facts = {"timeout": error.type.name.lower() if error.type else "unknown"}
    return faults.Timeout("It did not answer in time.", reason="DEADLINE_EXCEEDED", facts=facts, domain=_DOMAIN)


def _of_running_already(error: WorkflowAlreadyStartedError) -> Fault:
    facts = {"workflow_id": error.workflow_id}
    return faults.AlreadyExists("It runs already.", reason="ALREADY_EXISTS", facts=facts, domain=_GRPC_DOMAIN)


def _of_termination(_: TerminatedError) -> Fault:
    return faults.Internal("The run was terminated.", reason="UNEXPECTED", domain=_DOMAIN)


_TRANSLATORS: tuple[tuple[type[BaseException], Callable[[Any], Fault]], ...] = (
    (Fault, lambda fault: fault),
    (grpc.RpcError, chassis.errors.fault_of),
    (RPCError, _of_rpc),
    (RuntimeError, _of_connecting),
    (RPCTimeoutOrCancelledError, _temporal_unavailable),
    (ApplicationError, _of_application),
    (TemporalTimeoutError, _of_timeout),
    (ServerError, _temporal_unavailable),
    (WorkflowAlreadyStartedError, _of_running_already),
    (TerminatedError, _of_termination),
)
_ROOTS = tuple(kind for kind, _ in _TRANSLATORS)


class FaultFailureConverter(DefaultFailureConverter):
    """Lets workflows and updates raise faults: they fail with kind, reason and facts instead of a class name."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """See base class."""
        super().to_failure(_presentable(exception), payload_converter, failure)


class EncodedFaultFailureConverter(DefaultFailureConverterWithEncodedAttributes):
    """The same, with messages and stack traces moved to where the payload codec encrypts them."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """See base class."""
        super().to_failure(_presentable(exception), payload_converter, failure)


def _presentable(exception: BaseException) -> BaseException:
    """A fault without what it was raised from: that is a vendor's text."""
    if not isinstance(exception, Fault):
        return exception
    return application_error(exception).with_traceback(exception.__traceback__)
