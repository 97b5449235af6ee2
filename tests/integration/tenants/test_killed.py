"""A process of the service is killed while a thousand writes are underway, and another one takes over.

Nothing that was acknowledged is lost, nothing is done twice, and who watches sees each event once.
"""

import asyncio
from collections import Counter
from uuid import uuid4

import grpc
import pytest
from tests.fixtures.processes import service
from tests.fixtures.tenants import environment, person

from tenantmesh.tenants.v1 import event_pb2
from tenantmesh.tenants.v1 import event_service_pb2 as pb
from tenantmesh.tenants.v1 import event_service_pb2_grpc as rpc
from tenantmesh.tenants.v1 import invitation_service_pb2 as invitation_pb
from tenantmesh.tenants.v1 import invitation_service_pb2_grpc as invitation_rpc
from tenantmesh.tenants.v1 import lead_service_pb2_grpc as lead_rpc
from tenantmesh.tenants.v1 import resource_service_pb2 as resource_pb
from tenantmesh.tenants.v1 import resource_service_pb2_grpc as resource_rpc
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb
from tenantmesh.tenants.v1 import tenant_service_pb2_grpc as tenant_rpc
from tenants_service import app
from tenants_service.migrations import schema

WRITES = 1000
ACKNOWLEDGED = 300
GONE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


class Caller:
    """What one process is asked, over one connection."""

    def __init__(self, channel):
        self.events = rpc.EventServiceStub(channel)
        self._calls = {
            "CreateLeadRequest": lead_rpc.LeadServiceStub(channel).CreateLead,
            "CreateTenantRequest": tenant_rpc.TenantServiceStub(channel).CreateTenant,
            "AppendEventsRequest": self.events.AppendEvents,
            "RecordResourcesRequest": resource_rpc.ResourceServiceStub(channel).RecordResources,
            "CreateInvitationsRequest": invitation_rpc.InvitationServiceStub(channel).CreateInvitations,
            "TransitionTenantRequest": tenant_rpc.TenantServiceStub(channel).TransitionTenant,
        }

    async def write(self, request):
        return await self._calls[request.DESCRIPTOR.name](request, timeout=60)


class Watcher:
    """Somebody who watches every event, and goes on behind the last one when the stream ends."""

    def __init__(self):
        self.seen = []
        self.token = ""

    async def watch(self, events):
        call = events.WatchEvents(pb.WatchEventsRequest(resume_token=self.token))
        try:
            async for message in call:
                if message.HasField("event"):
                    self.seen.append(message.event.event_id)
                self.token = message.resume_token
        except grpc.aio.AioRpcError as error:
            assert error.code() in GONE, error.details()


@pytest.fixture
def writes(application, draft):
    """A thousand writes that differ, each with a request id: leads, tenants, and what belongs to one more tenant."""

    def writes(tenant_id):
        cause = event_pb2.EventMetadata(run_id="run", activity_id="1")
        for number in range(WRITES):
            one = {"tenant_id": tenant_id, "request_id": str(uuid4())}
            event = pb.NewEvent(event_type="tenant.noticed", aggregate_type="tenant", aggregate_id=str(number))
            thing = resource_pb.MadeResource(type="bucket", provider="s3", identifier=str(number))
            match number % 7:
                case 0 | 1:
                    yield application(request_id=one["request_id"])
                case 2 | 3:
                    yield draft(request_id=one["request_id"])
                case 4:
                    yield pb.AppendEventsRequest(events=[event], metadata=cause, **one)
                case 5:
                    yield resource_pb.RecordResourcesRequest(resources=[thing], operation_id="provision", **one)
                case _:
                    yield invitation_pb.CreateInvitationsRequest(invitees=[person()], **one)

    return writes


@pytest.fixture
async def settled(postgres):
    """The environment of every process of a service whose tables are there."""
    settled = await environment(
        postgres,
        PAGE_TOKEN_KEY="the same for all replicas",
        LEAD_LIMIT_NETWORK="1000000",
        RPC_MAX_CONCURRENT="2000",
        DATABASE_POOL_WAIT="60s",
    )
    async with schema(app.configured({"MESH_MODE": "development", **settled})):
        return settled


async def test_what_was_acknowledged_is_there_once_after_a_kill(settled, writes, draft, owner_of):
    watcher, answers = Watcher(), {}
    async with service("tenants", **settled) as first, grpc.aio.insecure_channel(first.address) as channel:
        caller = Caller(channel)
        tenant = (await caller.write(draft())).tenant
        for state in ("TENANT_STATE_PROVISIONING", "TENANT_STATE_ACTIVE"):
            await caller.write(tenant_pb.TransitionTenantRequest(tenant_id=tenant.tenant_id, state=state))
        requests = list(writes(tenant.tenant_id))
        watching = asyncio.create_task(watcher.watch(caller.events))

        async def write(request):
            answers[request.request_id] = await caller.write(request)
            if len(answers) == ACKNOWLEDGED:
                first.process.kill()

        ends = await asyncio.gather(*map(write, requests), return_exceptions=True)
        assert {end.code() for end in ends if end is not None} <= GONE
        await watching
    assert ACKNOWLEDGED <= len(answers) < WRITES

    async with service("tenants", **settled) as second, grpc.aio.insecure_channel(second.address) as channel:
        caller = Caller(channel)
        watching = asyncio.create_task(watcher.watch(caller.events))
        again = await asyncio.gather(*map(caller.write, requests))
        for request, answer in zip(requests, again, strict=True):
            assert answers.get(request.request_id, answer) == answer
        async with owner_of(settled) as owner:
            kinds = Counter(request.DESCRIPTOR.name for request in requests)
            for table, expected in (
                ("leads", kinds["CreateLeadRequest"]),
                ("tenants", kinds["CreateTenantRequest"] + 1),
                ("resources", kinds["RecordResourcesRequest"]),
                ("invitations", kinds["CreateInvitationsRequest"]),
            ):
                assert await owner.fetchval(f"SELECT count(*) FROM {table}") == expected, table
            on_record = [
                str(row[0]) for row in await owner.fetch("SELECT event_id FROM domain_events ORDER BY position")
            ]
            assert len(on_record) == WRITES + 3
        async with asyncio.timeout(20):
            while len(watcher.seen) < len(on_record):  # noqa: ASYNC110 - the stream tells nobody
                await asyncio.sleep(0.01)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert watcher.seen == on_record
