"""Whom a call is for: from the client through workflow and activity to the metadata of the calls they make."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta

import grpc
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio import activity
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowFailureError, WorkflowUpdateStage
from temporalio.common import WorkflowIDConflictPolicy
from tests.integration.temporalkit.relay_workflows import Relay, look
from tests.integration.temporalkit.saga_workflows import Making, Plan
from tests.integration.temporalkit.worker_workflows import EnsuresRecord

from chassis import context
from chassis.client import faults_raised, open_channel
from chassis.context import CallContext
from temporalkit.activities import ActivityInterceptor
from temporalkit.plugin import mesh_plugin
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc

CALLER = CallContext(request_id="r-1", tenant_id="t-1")


@pytest.fixture
def spans():
    return InMemorySpanExporter()


@pytest.fixture
async def plugged(temporal, spans):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    plugin = mesh_plugin(tracer=provider.get_tracer("test"))
    return await Client.connect(temporal.address, namespace=temporal.namespace, plugins=[plugin])


@pytest.fixture
def serving(worker, plugged):
    interceptors = [ActivityInterceptor(timedelta(seconds=1))]
    return lambda **more: worker(client=plugged, interceptors=interceptors, **more)


@pytest.fixture
def relaying(serving):
    return serving(workflows=[Relay], activities=[look])


def start(client, how, run_id, queue):
    return client.start_workflow(Relay.run, how, id=run_id, task_queue=queue)


@pytest.mark.parametrize(
    ("how", "workflow_id", "tenant_id", "step"),
    [
        ("activity", "", "t-1", "the step"),
        ("local", "", "t-1", ""),
        ("child", "-child", "t-1", "the step"),
        ("again", "", "t-1", "the step"),
        ("act_for", "", "the tenant it found", "the step"),
    ],
)
async def test_the_callers_facts_reach_what_a_workflow_starts(  # noqa: PLR0917 - fixtures and cases
    relaying, plugged, run_id, queue, how, workflow_id, tenant_id, step
):
    async with relaying:
        with context.using(CALLER):
            handle = await start(plugged, how, run_id, queue)
        assert await handle.result() == {
            "request_id": "r-1",
            "tenant_id": tenant_id,
            "workflow_id": run_id + workflow_id,
            "step": step,
        }


async def test_a_run_that_nobody_in_the_mesh_started_is_its_own_request(relaying, plugged, run_id, queue):
    async with relaying:
        handle = await start(plugged, "activity", run_id, queue)
        facts = await handle.result()
    assert (facts["request_id"], facts["tenant_id"]) == (handle.result_run_id, "")


async def test_a_signal_and_an_update_bring_their_own(relaying, plugged, run_id, queue):
    async with relaying:
        with context.using(CALLER):
            handle = await start(plugged, "wait", run_id, queue)
        with context.using(CallContext(request_id="r-2")):
            await handle.signal(Relay.signalled)
        facts = await handle.result()
        assert (facts["request_id"], facts["tenant_id"]) == ("r-2", "t-1")

        with context.using(CALLER):
            handle = await start(plugged, "wait", f"{run_id}-2", queue)
        with context.using(CallContext(request_id="r-3")):
            facts = await handle.execute_update(Relay.updated)
        assert (facts["request_id"], facts["tenant_id"]) == ("r-3", "t-1")


async def test_an_update_that_starts_the_run_brings_its_own(relaying, plugged, run_id, queue):
    operation = WithStartWorkflowOperation(
        Relay.run, "wait", id=run_id, task_queue=queue, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
    )
    async with relaying:
        with context.using(CALLER):
            update = await plugged.start_update_with_start_workflow(
                Relay.updated, start_workflow_operation=operation, wait_for_stage=WorkflowUpdateStage.COMPLETED
            )
        facts = await update.result()
    assert (facts["request_id"], facts["tenant_id"], facts["workflow_id"]) == ("r-1", "t-1", run_id)


async def test_the_step_is_what_people_see_in_temporal(relaying, plugged, run_id, queue):
    async with relaying:
        handle = await start(plugged, "activity", run_id, queue)
        await handle.result()
    scheduled = [
        event
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert scheduled[0].user_metadata.summary.data == b'"the step"'


class Dns(rpc.DnsServiceServicer):
    """Remembers with what it was called."""

    def __init__(self):
        self.metadata = {}
        self.time_remaining = 0.0

    async def EnsureRecord(self, request, context):  # noqa: N802 - the contract's name
        self.metadata = dict(context.invocation_metadata())
        self.time_remaining = context.time_remaining()
        if request.name == "taken.example.com":
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, "It is taken.")
        return pb.EnsureRecordResponse(created=True)


@asynccontextmanager
async def dns_service():
    servicer, server = Dns(), grpc.aio.server()
    rpc.add_DnsServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with open_channel(f"127.0.0.1:{port}") as channel:
        yield servicer, rpc.DnsServiceStub(channel)
    await server.stop(None)


@asynccontextmanager
async def ensuring(serving, queue):
    async with dns_service() as (servicer, stub):

        @activity.defn
        async def ensure_record(request: pb.EnsureRecordRequest) -> pb.EnsureRecordResponse:
            with faults_raised():
                return await stub.EnsureRecord(request)

        async with (
            serving(workflows=[EnsuresRecord]),
            serving(activities=[ensure_record], task_queue=f"{queue}-dns"),
        ):
            yield servicer


async def test_the_callers_facts_reach_the_service_that_is_called(serving, plugged, run_id, queue, spans):
    async with ensuring(serving, queue) as dns:
        with context.using(CALLER):
            handle = await plugged.start_workflow(
                EnsuresRecord.run, pb.EnsureRecordRequest(name="a"), id=run_id, task_queue=queue
            )
        await handle.result()
    assert dns.metadata["x-request-id"] == "r-1"
    assert dns.metadata["x-tenant-id"] == "t-1"
    assert dns.metadata["x-workflow-id"] == run_id
    assert 0 < dns.time_remaining < 19.1  # of the activity's 20 s
    names = [span.name for span in spans.get_finished_spans()]
    assert names == [
        "StartWorkflow:EnsuresRecord",
        "RunWorkflow:EnsuresRecord",
        "StartActivity:ensure_record",
        "RunActivity:ensure_record",
        "CompleteWorkflow:EnsuresRecord",
    ]
    traces = {f"{span.context.trace_id:032x}" for span in spans.get_finished_spans()}
    assert traces == {dns.metadata["traceparent"].split("-")[1]}


async def test_what_the_service_answers_reaches_the_client_and_the_span(serving, plugged, run_id, queue, spans):
    async with ensuring(serving, queue):
        request = pb.EnsureRecordRequest(name="taken.example.com")
        with context.using(CALLER):
            handle = await plugged.start_workflow(EnsuresRecord.run, request, id=run_id, task_queue=queue)
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    [span] = [span for span in spans.get_finished_spans() if span.name == "RunActivity:ensure_record"]
    assert not span.status.is_ok
    described = {name: value for name, value in span.attributes.items() if name.startswith("tenantmesh.")}
    assert described == {
        "tenantmesh.activity": "ensure_record",
        "tenantmesh.attempt": 1,
        "tenantmesh.request_id": "r-1",
        "tenantmesh.tenant_id": "t-1",
        "tenantmesh.kind": "already_exists",
        "tenantmesh.reason": "ALREADY_EXISTS",
    }
    assert span.attributes["temporalWorkflowID"] == run_id
    assert span.end_time > span.start_time


async def test_spans_are_not_repeated_on_replay(worker, plugged, run_id, queue, spans):
    from tests.integration.temporalkit.saga_workflows import World

    world = World()
    activities = [world.make, world.remove, world.gone]
    async with worker(client=plugged, workflows=[Making], activities=activities, max_cached_workflows=0):
        await plugged.execute_workflow(Making.run, Plan(steps=["a", "b", "c"]), id=run_id, task_queue=queue)
    names = [span.name for span in spans.get_finished_spans()]
    assert names.count("StartActivity:make") == names.count("RunActivity:make") == 3
    assert names.count("RunWorkflow:Making") == 1
