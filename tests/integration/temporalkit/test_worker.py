"""What a worker process does around workflows and activities, within this process."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from contextlib import asynccontextmanager

import aiohttp
import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode
from tests.integration.temporalkit.unshared_workflow import Careless
from tests.integration.temporalkit.worker_workflows import (
    COLOUR,
    Colours,
    EnsuresRecord,
    VersionedNew,
    VersionedOld,
    Waiting,
    WaitsForEver,
    ensure_record,
)

from chassis import telemetry
from chassis.resources import StartFailed
from chassis.tracing import TelemetrySettings
from settingskit import load
from temporalkit.client import TemporalClient
from temporalkit.deployments import promote
from temporalkit.search_attributes import add_search_attributes, missing_search_attributes
from temporalkit.settings import WorkerSettings
from temporalkit.worker import _says_more, run_worker, working
from temporalkit.workers import Queue, Work, Workers
from tenantmesh.dns.v1 import dns_service_pb2 as pb


@pytest.fixture
def environ(temporal):
    return {
        "TEMPORAL_ADDRESS": temporal.address,
        "TEMPORAL_NAMESPACE": temporal.namespace,
        "WORKER_HEARTBEAT_INTERVAL": "100ms",
        "SHUTDOWN_GRACE": "0s",
        "HEALTH_INTERVAL": "50ms",
    }


@pytest.fixture
def settings(environ):
    return load(WorkerSettings, environ)


async def get(process, page):
    async with aiohttp.ClientSession() as session, session.get(f"http://{process.ops_address}{page}") as answer:
        return answer.status, await answer.text()


async def until(condition):
    while not await condition():  # noqa: ASYNC110 - a server is asked
        await asyncio.sleep(0.02)


async def test_messages_through_two_queues_of_one_process(client, queue, run_id, settings):
    work = Work([Queue(queue, workflows=[EnsuresRecord]), Queue(f"{queue}-dns", activities=[ensure_record])])
    async with working(work, settings=settings) as process:
        assert (await get(process, "/ready"))[0] == 200
        request = pb.EnsureRecordRequest(name="acme.example.com")
        result = await client.execute_workflow(EnsuresRecord.run, request, id=run_id, task_queue=queue)
    assert result.record.name == "acme.example.com"


async def test_it_tells_its_operators(client, queue, run_id, settings):
    work = Work([Queue(queue, workflows=[EnsuresRecord]), Queue(f"{queue}-dns", activities=[ensure_record])])
    async with (
        telemetry.observed(load(TelemetrySettings, {}), service="worker"),
        working(work, settings=settings) as process,
    ):
        assert await get(process, "/health") == (200, '{"status":"alive"}\n')
        await client.execute_workflow(EnsuresRecord.run, pb.EnsureRecordRequest(), id=run_id, task_queue=queue)

        async def counted():
            _, text = await get(process, "/metrics")
            return "temporal_activity_execution_latency_seconds_count{" in text and "temporal_num_pollers{" in text

        await until(counted)


async def test_it_is_ready_at_the_first_check_and_not_while_temporal_is_away(temporal, queue, settings):
    work = Work([Queue(queue, workflows=[EnsuresRecord])])
    async with working(work, settings=settings) as process:
        assert (await get(process, "/ready"))[0] == 200
        await temporal.stop()

        async def not_ready():
            return (await get(process, "/ready"))[0] == 503

        await until(not_ready)
        assert (await get(process, "/health"))[0] == 200
        await temporal.start()

        async def ready():
            return (await get(process, "/ready"))[0] == 200

        await until(ready)
        assert not process.ended.done()


async def test_it_starts_while_temporal_is_away_and_works_once_it_is_there(temporal, client, queue, run_id, settings):
    work = Work([Queue(queue, workflows=[EnsuresRecord]), Queue(f"{queue}-dns", activities=[ensure_record])])
    await temporal.stop()
    async with working(work, settings=settings) as process:
        status, text = await get(process, "/ready")
        assert (status, '"workers": {"status": "unusable"' in text) == (503, True)
        await temporal.start()
        request = pb.EnsureRecordRequest(name="acme.example.com")
        await client.execute_workflow(EnsuresRecord.run, request, id=run_id, task_queue=queue)


async def test_it_can_be_stopped_while_temporal_is_away(temporal, queue, settings):
    await temporal.stop()
    try:
        async with working(Work([Queue(queue, workflows=[EnsuresRecord])]), settings=settings):
            pass
    finally:
        await temporal.start()


@pytest.fixture
def waiting(client, queue, run_id, settings):
    @asynccontextmanager
    async def starting(*, heartbeats: bool):
        waiting = Waiting()
        work = Work([Queue(queue, workflows=[WaitsForEver], activities=[waiting.wait])])
        async with working(work, settings=settings):
            handle = await client.start_workflow(WaitsForEver.run, heartbeats, id=run_id, task_queue=queue)
            await waiting.started.wait()
            yield handle, waiting

    return starting


async def test_a_cancellation_reaches_an_activity_that_only_waits(waiting):
    async with waiting(heartbeats=True) as (handle, activity):
        begun = time.monotonic()
        await handle.cancel()
        await activity.cancelled.wait()
        assert time.monotonic() - begun < 8  # the heartbeat time-out is 10 s, its interval 0.1 s
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED


async def test_without_heartbeats_a_cancellation_never_arrives(waiting):
    """Why every preset has a heartbeat time-out."""
    async with waiting(heartbeats=False) as (handle, activity):
        await handle.cancel()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(activity.cancelled.wait(), 1)
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        await handle.terminate()
    assert activity.cancelled.is_set()  # the worker stopped


async def test_what_a_workflow_imports_is_said_or_it_is_refused_at_the_start(queue, settings):
    careless = Queue(queue, workflows=[Careless])
    async with working(Work([careless]), settings=settings) as process:
        with pytest.raises(RuntimeError, match="Failed validating workflow Careless") as caught:
            await asyncio.wait_for(asyncio.shield(process.ended), 5)
    assert "unshared_module" in str(caught.value.__cause__)


async def test_what_is_said_to_be_shared_is_shared(client, queue, run_id, settings):
    module = "tests.integration.temporalkit.unshared_module"
    async with working(Work([Queue(queue, workflows=[Careless])], shared=[module]), settings=settings):
        assert await client.execute_workflow(Careless.run, id=run_id, task_queue=queue) == "hello"


async def test_a_resource_that_does_not_open_stops_the_start(queue, settings):
    class Broken:
        name = "identity"

        async def __aenter__(self):
            raise OSError("no such host")

        async def __aexit__(self, *_):
            pytest.fail("it was never open")

        async def check(self):
            pytest.fail("it was never open")

    work = Work([Queue(queue, workflows=[EnsuresRecord])])
    with pytest.raises(StartFailed, match="identity does not open"):
        async with working(work, resources=[Broken()], settings=settings):
            pytest.fail("it must not work")


async def test_a_search_attribute_nobody_registered_is_waited_for_and_not_run_into(
    client, queue, run_id, settings, temporal
):
    assert await missing_search_attributes(client, [COLOUR]) == ["MeshColour"]
    work = Work([Queue(queue, workflows=[Colours])], search_attributes=[COLOUR])
    async with working(work, settings=settings) as process:
        status, text = await get(process, "/ready")
        assert (status, "lacks search attributes: MeshColour" in text) == (503, True)
        handle = await client.start_workflow(Colours.run, id=run_id, task_queue=queue)
        await add_search_attributes(client, [COLOUR])
        assert await handle.result() == "done"
    assert (await handle.describe()).typed_search_attributes[COLOUR] == "blue"
    await add_search_attributes(client, [COLOUR])  # again changes nothing
    assert await missing_search_attributes(client, [COLOUR]) == []
    assert await missing_search_attributes(client, []) == []
    assert temporal.namespace == client.namespace


async def test_a_run_stays_with_the_build_it_began_under(client, queue, run_id, environ):
    def build(name, workflow):
        more = {"WORKER_BUILD_ID": name, "WORKER_DEPLOYMENT": queue, "WORKER_PROMOTE": "true"}
        return working(Work([Queue(queue, workflows=[workflow])]), settings=load(WorkerSettings, {**environ, **more}))

    async def current():
        handle = await client.start_workflow("Versioned", id=f"{run_id}-probe", task_queue=queue)
        return (await handle.describe()).raw_description.workflow_execution_info

    async with build("build-1", VersionedOld) as one:
        old = await client.start_workflow("Versioned", id=run_id, task_queue=queue)
        await until(lambda: pinned_to(old, "build-1"))
        async with build("build-2", VersionedNew) as two:
            await until(lambda: runs_under(client, queue, "build-2"))
            assert await client.execute_workflow("Versioned", id=f"{run_id}-2", task_queue=queue) == "new"
            await old.signal("go")
            assert await old.result() == "old"  # its worker never met the new code
            await promote(client, queue, "build-1")  # the way back
            again = await client.start_workflow("Versioned", id=f"{run_id}-3", task_queue=queue)
            await again.signal("go")
            assert await again.result() == "old"
            assert not one.ended.done()
            assert not two.ended.done()


async def pinned_to(handle, build_id):
    description = await handle.describe()
    info = description.raw_description.workflow_execution_info.versioning_info
    return info.deployment_version.build_id == build_id


async def runs_under(client, deployment, build_id):
    from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentRequest

    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=deployment)
    answer = await client.workflow_service.describe_worker_deployment(request)
    return answer.worker_deployment_info.routing_config.current_deployment_version.build_id == build_id


async def test_a_build_that_never_comes_up_cannot_be_promoted(client, queue, monkeypatch):
    monkeypatch.setattr("temporalkit.deployments._ATTEMPTS", 2)
    with pytest.raises(Exception, match="no Worker Deployment found"):
        await promote(client, queue, "build-9")


async def test_a_worker_runs_until_it_is_told_to_stop(queue, environ, capfd):
    settings = load(WorkerSettings, {**environ, "OPS_PORT": "0"})
    running = asyncio.create_task(run_worker("worker", Work([Queue(queue, workflows=[Colours])]), settings=settings))

    async def works():
        said.append(capfd.readouterr().out)
        return '"message":"working"' in "".join(said)

    said = []
    await until(works)
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    assert all(json.loads(line)["service"] == "worker" for line in "".join(said).splitlines())


async def test_a_worker_that_breaks_ends_its_process(queue, environ):
    settings = load(WorkerSettings, environ)
    with pytest.raises(RuntimeError, match="Failed validating workflow"):
        await run_worker("worker", Work([Queue(queue, workflows=[Careless])]), settings=settings)


def test_what_the_sdk_would_log_a_second_time_is_left_out():
    record = logging.makeLogRecord({"__temporal_error_identifier": "ActivityFailure"})
    assert not _says_more(record)
    assert _says_more(logging.makeLogRecord({"msg": "anything else"}))


async def test_a_namespace_that_does_not_tell_its_search_attributes_is_believed_to_have_them(client, monkeypatch):
    def refusing(status):
        async def list_search_attributes(_):
            raise RPCError("no", status, b"")

        monkeypatch.setattr(client.operator_service, "list_search_attributes", list_search_attributes)

    refusing(RPCStatusCode.PERMISSION_DENIED)
    assert await missing_search_attributes(client, [COLOUR]) == []
    refusing(RPCStatusCode.UNAVAILABLE)
    with pytest.raises(RPCError):
        await missing_search_attributes(client, [COLOUR])


async def test_workers_that_are_not_open_have_not_ended(settings):
    with pytest.raises(RuntimeError, match="not open"):
        _ = Workers(TemporalClient(settings.temporal), Work([]), settings).ended
