import asyncio
from datetime import timedelta

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.failure.v1 import Failure
from temporalio.client import RPCTimeoutOrCancelledError, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.converter import DataConverter
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    RetryState,
    ServerError,
    TerminatedError,
    TimeoutType,
    WorkflowAlreadyStartedError,
)
from temporalio.exceptions import TimeoutError as TemporalTimeoutError
from temporalio.service import RPCError, RPCStatusCode

import faults
from faults import Fault, Kind, Violation
from temporalkit.converter import data_converter
from temporalkit.failures import application_error, fault_of, faults_raised, run_failure
from temporalkit.ledger import Ledger


def activity_error(cause):
    error = ActivityError(
        "Activity task failed",
        scheduled_event_id=5,
        started_event_id=6,
        identity="1@host",
        activity_type="make",
        activity_id="1",
        retry_state=RetryState.MAXIMUM_ATTEMPTS_REACHED,
    )
    error.__cause__ = cause
    return error


def child_error(cause):
    error = ChildWorkflowError(
        "Child Workflow execution failed",
        namespace="default",
        workflow_id="w",
        run_id="r",
        workflow_type="Child",
        initiated_event_id=1,
        started_event_id=2,
        retry_state=None,
    )
    error.__cause__ = cause
    return error


def facts_of(fault):
    return fault.kind, fault.reason, fault.domain, fault.facts, fault.violations, fault.retry_after, fault.message


def through_the_wire(error, converter=None):
    converter = converter or data_converter()
    failure = Failure()
    converter.failure_converter.to_failure(error, converter.payload_converter, failure)
    arrived = Failure.FromString(failure.SerializeToString())
    return converter.failure_converter.from_failure(arrived, converter.payload_converter)


@pytest.mark.parametrize("kind", Fault.__subclasses__(), ids=lambda kind: kind.__name__)
def test_every_kind_arrives_as_it_left(kind):
    fault = kind(
        "A sentence.",
        reason="SOME_REASON",
        domain="dns.tenantmesh",
        facts={"name": "x.example", "limit": 3},
        violations=[Violation("name", "is too long", "string.max_len")],
        retry_after=timedelta(seconds=7),
    )
    arrived = through_the_wire(application_error(fault))
    assert facts_of(fault_of(arrived)) == facts_of(fault)
    assert arrived.type == kind.kind.value
    assert arrived.non_retryable is not kind.kind.retryable
    assert arrived.next_retry_delay == timedelta(seconds=7)


def test_there_is_a_class_for_every_kind():
    assert {kind.kind for kind in Fault.__subclasses__()} == set(Kind)


def test_a_delay_stays_within_the_budget_of_the_call():
    fault = faults.Exhausted("Slow down.", reason="RATE_LIMITED", retry_after=timedelta(hours=1))
    assert application_error(fault, longest_delay=timedelta(minutes=2)).next_retry_delay == timedelta(minutes=2)
    assert application_error(fault).next_retry_delay == timedelta(hours=1)


SECRET_WORDS = ("hunter", "two")


def raised_from_a_vendor_error():
    try:
        int("-".join(SECRET_WORDS))
    except ValueError as vendor:
        fault = faults.Denied("No.", reason="NOT_HERE")
        fault.__cause__ = vendor
        return fault.with_traceback(vendor.__traceback__)


def test_a_fault_raised_by_a_workflow_needs_no_translation_and_takes_no_vendor_text_along():
    converter, failure = data_converter(), Failure()
    converter.failure_converter.to_failure(raised_from_a_vendor_error(), converter.payload_converter, failure)
    assert "hunter-two" not in str(failure)
    assert "raised_from_a_vendor_error" in failure.stack_trace
    assert fault_of(through_the_wire(raised_from_a_vendor_error())).reason == "NOT_HERE"


def test_other_errors_are_left_to_the_sdk():
    assert through_the_wire(ValueError("a mistake")).message == "a mistake"


@pytest.mark.parametrize("wrap", [activity_error, child_error, lambda cause: child_error(activity_error(cause))])
def test_the_root_is_told_and_not_the_wrapper(wrap):
    error = wrap(application_error(faults.AlreadyExists("It is taken.", reason="TAKEN", domain="dns.tenantmesh")))
    for outer in (error, WorkflowFailureError(cause=error), WorkflowUpdateFailedError(error)):
        fault = fault_of(outer)
        assert (fault.kind, fault.reason, fault.message) == (Kind.ALREADY_EXISTS, "TAKEN", "It is taken.")


@pytest.mark.parametrize(
    "error",
    [
        asyncio.CancelledError(),
        CancelledError(),
        activity_error(CancelledError()),
        child_error(CancelledError()),
        WorkflowFailureError(cause=CancelledError()),
        WorkflowFailureError(cause=child_error(activity_error(CancelledError()))),
    ],
)
def test_a_cancellation_is_no_fault(error):
    assert fault_of(error) is None


@pytest.mark.parametrize("kind", TimeoutType)
def test_a_time_out_says_which(kind):
    fault = fault_of(activity_error(TemporalTimeoutError("timed out", type=kind, last_heartbeat_details=[])))
    assert (fault.kind, fault.reason, fault.facts) == (
        Kind.TIMEOUT,
        "DEADLINE_EXCEEDED",
        {"timeout": kind.name.lower()},
    )


def test_a_time_out_of_no_kind():
    assert fault_of(TemporalTimeoutError("x", type=None, last_heartbeat_details=[])).facts == {"timeout": "unknown"}


def test_errors_of_other_software_keep_their_message_and_type():
    fault = fault_of(activity_error(ApplicationError("From a Go worker.", type="SomethingElse")))
    assert (fault.kind, fault.reason, fault.facts) == (Kind.INTERNAL, "UNEXPECTED", {"type": "SomethingElse"})
    assert fault.message == "From a Go worker."


@pytest.mark.parametrize("details", [(), ("text",), ({"facts": {}},)])
def test_a_failure_without_a_reason_is_unexpected_whatever_it_calls_itself(details):
    fault = fault_of(ApplicationError("x", *details, type="not_found"))
    assert (fault.kind, fault.reason) == (Kind.INTERNAL, "UNEXPECTED")


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (ServerError("x"), Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"),
        (TerminatedError("x"), Kind.INTERNAL, "UNEXPECTED"),
        (RPCTimeoutOrCancelledError("x"), Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"),
        (WorkflowAlreadyStartedError("w", "T"), Kind.ALREADY_EXISTS, "ALREADY_EXISTS"),
        (activity_error(None), Kind.INTERNAL, "UNEXPECTED"),
        (ValueError("secret"), Kind.INTERNAL, "UNEXPECTED"),
        (RuntimeError("secret"), Kind.INTERNAL, "UNEXPECTED"),
        (RuntimeError("Failed client connect: secret"), Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"),
    ],
)
def test_what_else_temporal_raises(error, kind, reason):
    fault = fault_of(error)
    assert (fault.kind, fault.reason) == (kind, reason)
    assert "secret" not in f"{fault!r}{fault.facts}"


def rpc_error(status, *, detail=None):
    raw = GrpcStatus(code=status.value, message="vendor text")
    if detail:
        raw.details.append(Any(type_url=f"type.googleapis.com/temporal.api.errordetails.v1.{detail}"))
    return RPCError("vendor text", status, raw.SerializeToString())


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (RPCStatusCode.UNAVAILABLE, Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"),
        (RPCStatusCode.DEADLINE_EXCEEDED, Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"),
        (RPCStatusCode.RESOURCE_EXHAUSTED, Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"),
        (RPCStatusCode.UNAUTHENTICATED, Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"),
        (RPCStatusCode.PERMISSION_DENIED, Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE"),
        (RPCStatusCode.NOT_FOUND, Kind.NOT_FOUND, "NOT_FOUND"),
        (RPCStatusCode.INVALID_ARGUMENT, Kind.INTERNAL, "UNEXPECTED"),
        (RPCStatusCode.UNIMPLEMENTED, Kind.INTERNAL, "UNEXPECTED"),
    ],
)
def test_what_a_call_to_temporal_raises(status, kind, reason):
    fault = fault_of(rpc_error(status))
    assert (fault.kind, fault.reason) == (kind, reason)
    assert "vendor text" not in fault.message


def test_a_missing_namespace_is_not_a_missing_run():
    fault = fault_of(rpc_error(RPCStatusCode.NOT_FOUND, detail="NamespaceNotFoundFailure"))
    assert fault.kind is Kind.UNAVAILABLE


def test_what_a_call_to_a_service_raises():
    error = grpc.aio.AioRpcError(grpc.StatusCode.ABORTED, grpc.aio.Metadata(), grpc.aio.Metadata(), details="Lost.")
    fault = fault_of(error)
    assert (fault.kind, fault.reason, fault.message) == (Kind.ABORTED, "ABORTED", "Lost.")


@pytest.mark.parametrize(
    "error",
    [
        rpc_error(RPCStatusCode.UNAVAILABLE),
        RuntimeError("Failed client connect: x"),
        WorkflowFailureError(cause=application_error(faults.Unavailable("Away.", reason="AWAY"))),
    ],
)
def test_calls_to_temporal_raise_faults(error):
    with pytest.raises(faults.Unavailable) as caught, faults_raised():
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [WorkflowFailureError(cause=CancelledError()), RuntimeError("a mistake"), ValueError("a mistake")]
)
def test_what_is_no_failure_of_temporal_stays_what_it_is(error):
    with pytest.raises(type(error)) as caught, faults_raised():
        raise error
    assert caught.value is error


def test_a_run_fails_with_its_root_cause_and_the_step():
    ledger = Ledger(["a", "b"], clock=lambda: None)
    fault = faults.Conflict("It is taken.", reason="TAKEN", facts={"name": "x"})
    ledger.begin("b")
    ledger.fail("b", fault)
    ledger.end("b")
    failure = run_failure(activity_error(application_error(fault)), ledger)
    assert failure.message == "b: It is taken."
    assert (failure.type, failure.non_retryable) == ("conflict", True)
    assert failure.details[0] == {"reason": "TAKEN", "domain": "", "facts": {"name": "x", "step": "b"}}
    assert failure.details[1] == [{"step": "a", "state": "pending"}, {"step": "b", "state": "failed"}]
    assert fault_of(through_the_wire(failure)).facts == {"name": "x", "step": "b"}
    assert fault.facts == {"name": "x"}


def test_the_default_converter_would_lose_the_reason():
    """Why there is a converter of our own."""
    lost = through_the_wire(faults.Denied("No.", reason="NOT_HERE"), DataConverter.default)
    assert (lost.type, lost.details) == ("Denied", ())
