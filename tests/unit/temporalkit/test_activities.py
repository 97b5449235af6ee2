import asyncio
import dataclasses
import logging
from datetime import timedelta

import grpc
import pytest
from temporalio import activity
from temporalio.activity import ActivityCancellationDetails
from temporalio.common import RetryPolicy
from temporalio.converter import PayloadConverter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ActivityOutboundInterceptor, ExecuteActivityInput

import faults
from chassis import context
from temporalkit.activities import ActivityInterceptor
from temporalkit.propagation import HEADER, PropagationInterceptor, step

LOGGER = "temporalkit.activities"


class Activity(ActivityInboundInterceptor):
    """The end of the chain: what the author of an activity wrote."""

    def __init__(self, work):
        self._work = work

    def init(self, outbound):
        self.outbound = outbound

    async def execute_activity(self, _):
        return await self._work()


class Outbound(ActivityOutboundInterceptor):
    def __init__(self):
        self.beats = []

    def heartbeat(self, *details):
        self.beats.append(details)


@pytest.fixture
def environment():
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(
        environment.info,
        activity_type="ensure_bucket",
        attempt=2,
        workflow_id="provision-tenant-1",
        start_to_close_timeout=timedelta(seconds=100),
        retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=2)),
    )
    return environment


@pytest.fixture
def run(environment):
    async def running(work, headers=None):
        async def chain():
            inner = ActivityInterceptor(timedelta(seconds=1)).intercept_activity(Activity(work))
            outer = PropagationInterceptor().intercept_activity(inner)
            outer.init(Outbound())
            return await outer.execute_activity(ExecuteActivityInput(work, [], None, headers or {}))

        return await environment.run(chain)

    return running


def header(**facts):
    return {HEADER: PayloadConverter.default.to_payload(facts)}


def lines(caplog):
    return [
        (record.levelname, record.message, getattr(record, "kind", None), getattr(record, "reason", None))
        for record in caplog.records
        if record.name == LOGGER
    ]


async def test_a_success_leaves_two_lines(run, caplog):
    caplog.set_level(logging.INFO)

    async def work():
        return 7

    assert await run(work, header(step="bucket")) == 7
    assert lines(caplog) == [
        ("INFO", "activity started", None, None),
        ("INFO", "activity succeeded", None, None),
    ]
    record = caplog.records[-1]
    assert (record.activity, record.step, record.attempt) == ("ensure_bucket", "bucket", 2)
    assert record.seconds >= 0


async def test_the_facts_are_the_context_of_what_it_calls(run):
    async def work():
        return context.current(), context.current().remaining(), step()

    call, left, at = await run(work, header(request_id="r1", tenant_id="t1", step="bucket"))
    assert (call.request_id, call.tenant_id, call.workflow_id) == ("r1", "t1", "provision-tenant-1")
    assert call.method == "activity/ensure_bucket"
    assert 90 < left <= 95  # a little less than the activity has
    assert at == "bucket"
    assert context.current() is None


async def test_without_facts_and_time_out_it_runs_too(run, environment):
    environment.info = dataclasses.replace(environment.info, start_to_close_timeout=None, workflow_id=None)

    async def work():
        return context.current()

    call = await run(work)
    assert (call.request_id, call.tenant_id, call.workflow_id, call.deadline) == ("", "", "", None)


async def failure(run, error):
    async def work():
        raise error

    with pytest.raises(ApplicationError) as caught:
        await run(work)
    return caught.value


async def test_a_fault_becomes_a_failure_with_kind_reason_and_facts(run, caplog):
    fault = faults.AlreadyExists("It is taken.", reason="TAKEN", facts={"name": "x"})
    caught = await failure(run, fault)
    assert (caught.type, caught.non_retryable, caught.message) == ("already_exists", True, "It is taken.")
    assert caught.details == ({"reason": "TAKEN", "domain": "", "facts": {"name": "x"}},)
    assert lines(caplog)[-1] == ("WARNING", "activity failed", "already_exists", "TAKEN")


async def test_what_a_service_answers_is_passed_on(run):
    error = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "Away.")
    caught = await failure(run, error)
    assert (caught.type, caught.non_retryable) == ("unavailable", False)


async def test_the_text_of_anything_else_stays_in_the_log(run, caplog):
    caught = await failure(run, ValueError("password=hunter2"))
    assert (caught.type, caught.non_retryable) == ("internal", False)
    assert "hunter2" not in f"{caught} {caught.details}"
    assert caught.__suppress_context__
    assert caught.details[0]["facts"] == {"exception": "ValueError"}
    assert lines(caplog)[-1] == ("ERROR", "activity failed", "internal", "UNEXPECTED")
    assert caplog.records[-1].exc_info[1].args == ("password=hunter2",)


async def test_an_application_error_is_left_as_its_author_wrote_it(run):
    error = ApplicationError("As I say.", 1, type="Mine", non_retryable=True)
    assert await failure(run, error) is error


async def test_a_provider_cannot_ask_for_more_patience_than_the_call_has(run):
    fault = faults.Exhausted("Slow down.", reason="RATE_LIMITED", retry_after=timedelta(hours=1))
    assert (await failure(run, fault)).next_retry_delay == timedelta(minutes=2)


async def test_without_a_policy_its_word_is_taken(run, environment):
    environment.info = dataclasses.replace(environment.info, retry_policy=None)
    fault = faults.Exhausted("Slow down.", reason="RATE_LIMITED", retry_after=timedelta(hours=1))
    assert (await failure(run, fault)).next_retry_delay == timedelta(hours=1)


async def cancelled(run, environment, details, error):
    async def work():
        started.set()
        await asyncio.Event().wait()

    started = asyncio.Event()
    task = asyncio.create_task(run(work))
    await started.wait()
    environment.cancel(details)
    with pytest.raises(error) as caught:
        await task
    return caught.value


async def test_a_cancellation_stays_one(run, environment, caplog):
    caplog.set_level(logging.INFO)
    await cancelled(run, environment, ActivityCancellationDetails(cancel_requested=True), asyncio.CancelledError)
    assert lines(caplog)[-1] == ("INFO", "activity cancelled", None, None)


async def test_a_worker_that_stops_lets_another_try_at_once(run, environment):
    details = ActivityCancellationDetails(worker_shutdown=True)
    caught = await cancelled(run, environment, details, ApplicationError)
    assert (caught.type, caught.non_retryable) == ("unavailable", False)
    assert caught.details[0]["reason"] == "SHUTTING_DOWN"
    assert caught.next_retry_delay < timedelta(seconds=1)


async def test_a_cancellation_of_no_cause_stays_one(run):
    async def work():
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await run(work)


async def test_progress_reaches_the_server(run, environment):
    async def work():
        return activity.info().heartbeat_details

    environment.info = dataclasses.replace(environment.info, heartbeat_details=["run-7"])
    assert await run(work) == ["run-7"]
