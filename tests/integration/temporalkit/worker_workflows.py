"""Workflows and activities that show what a worker does around them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import SearchAttributeKey

from temporalkit.retries import Preset
from tenantmesh.dns.v1 import dns_service_pb2 as pb

QUICK = Preset(
    start_to_close=timedelta(seconds=20),
    first_delay=timedelta(milliseconds=10),
    attempts=3,
    longest_delay=timedelta(milliseconds=20),
)
UNKNOWN = SearchAttributeKey.for_keyword("MeshNobodyRegistered")
COLOUR = SearchAttributeKey.for_keyword("MeshColour")


class Waiting:
    """An activity that calls something that does not answer. It has no line about heartbeats."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()

    @activity.defn
    async def wait(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@workflow.defn
class WaitsForEver:
    """Waits for an answer, for as long as its caller says."""

    @workflow.run
    async def run(self, heartbeats: bool) -> None:  # noqa: FBT001 - the one input
        more = {} if heartbeats else {"heartbeat_timeout": None}
        await workflow.execute_activity_method(Waiting.wait, **QUICK.options(**more))


@activity.defn
async def ensure_record(request: pb.EnsureRecordRequest) -> pb.EnsureRecordResponse:
    """Answers what it was asked."""
    response = pb.EnsureRecordResponse(created=True)
    response.record.name = request.name
    return response


@workflow.defn
class EnsuresRecord:
    """Messages in, messages through, messages out; its activity on a queue of its own."""

    @workflow.run
    async def run(self, request: pb.EnsureRecordRequest) -> pb.EnsureRecordResponse:
        queue = f"{workflow.info().task_queue}-dns"
        response = await workflow.execute_activity(ensure_record, request, **QUICK.options(task_queue=queue))
        assert isinstance(response, pb.EnsureRecordResponse)
        return response


@workflow.defn
class Colours:
    """Sets a search attribute."""

    @workflow.run
    async def run(self) -> str:
        workflow.upsert_search_attributes([COLOUR.value_set("blue")])
        return "done"


@workflow.defn
class SetsUnknown:
    """Sets a search attribute that the namespace does not know."""

    @workflow.run
    async def run(self) -> None:
        workflow.upsert_search_attributes([UNKNOWN.value_set("blue")])


@workflow.defn(name="Versioned")
class VersionedOld:
    """What the old build does, until it is let go."""

    def __init__(self) -> None:
        self._go = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self._go)
        return "old"

    @workflow.signal
    def go(self) -> None:
        self._go = True


@workflow.defn(name="Versioned")
class VersionedNew:
    """What the new build does: something that would not replay the old one's history."""

    @workflow.run
    async def run(self) -> str:
        await workflow.sleep(timedelta(milliseconds=1))
        return "new"
