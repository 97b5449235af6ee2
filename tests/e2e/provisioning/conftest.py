"""Provisioning and tenants as processes, a worker here, real Temporal and PostgreSQL; the other services in memory."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import grpc
import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.worker import Worker
from tests.fixtures import processes, tenants
from tests.fixtures.memorymesh import MemoryMesh, serving

from chassis.errors import fault_of
from temporalkit import operations
from temporalkit.activities import ActivityInterceptor
from temporalkit.operations import ROLES, Queues
from temporalkit.plugin import mesh_plugin
from temporalkit.sandbox import workflow_runner
from temporalkit.search_attributes import add_search_attributes
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.provisioning.v1 import operation_requests_pb2 as pb
from tenantmesh.provisioning.v1 import provisioning_service_pb2_grpc as rpc
from tenantmesh.provisioning.v1.operation_state_pb2 import OperationState
from tenantmesh.provisioning.v1.tenant_requests_pb2 import ProvisionTenantRequest
from tenantmesh.tenants.v1 import catalog_service_pb2 as catalog
from tenantmesh.tenants.v1 import catalog_service_pb2_grpc as catalog_rpc
from tenantmesh.tenants.v1 import subscription_service_pb2 as subscriptions
from tenantmesh.tenants.v1 import subscription_service_pb2_grpc as subscriptions_rpc
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb
from tenantmesh.tenants.v1 import tenant_service_pb2_grpc as tenant_rpc
from tenantmesh.tenants.v1.tenant_pb2 import TenantState
from worker_service.app import work

_BEAT = timedelta(milliseconds=100)
FINAL = {"SUCCEEDED", "FAILED", "CANCELLED"}


@dataclass(slots=True)
class Mesh:
    """What a test talks to."""

    client: Client
    memory: MemoryMesh
    records: grpc.aio.Channel
    environment: dict[str, str]
    queues: Queues
    plans: dict[int, str]

    async def tenant(self, tier: int = tier_pb2.TIER_POOLED, *, subscribed: bool = True) -> str:
        """A tenant on record that may be provisioned."""
        key = f"t{uuid.uuid4().hex[:12]}"
        contact = {"first_name": "Ada", "last_name": "Lovelace", "email": f"ada@{key}.example", "primary": True}
        request = tenant_pb.CreateTenantRequest(
            key=key, display_name="Acme", tier=tier, contacts=[contact], domains=[f"{key}.example"]
        )
        tenant_id = (await tenant_rpc.TenantServiceStub(self.records).CreateTenant(request)).tenant.tenant_id
        if subscribed:
            wanted = subscriptions.CreateSubscriptionRequest(
                tenant_id=tenant_id, plan_id=self.plans[tier], activate=True
            )
            await subscriptions_rpc.SubscriptionServiceStub(self.records).CreateSubscription(wanted)
        return tenant_id

    async def state(self, tenant_id: str) -> str:
        request = tenant_pb.GetTenantRequest(tenant_id=tenant_id)
        tenant = (await tenant_rpc.TenantServiceStub(self.records).GetTenant(request)).tenant
        return TenantState.Name(tenant.state).removeprefix("TENANT_STATE_")

    @asynccontextmanager
    async def provisioning(self, **more: str) -> AsyncIterator[rpc.ProvisioningServiceStub]:
        """The provisioning service, as a process of its own."""
        async with (
            processes.service("provisioning", **{**self.environment, **more}) as process,
            grpc.aio.insecure_channel(process.address, [("grpc.use_local_subchannel_pool", 1)]) as channel,
        ):
            yield rpc.ProvisioningServiceStub(channel)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """A worker of all roles."""
        async with AsyncExitStack() as stack:
            memory = await stack.enter_async_context(grpc.aio.insecure_channel(self.memory.address))
            channels = {**dict.fromkeys(ROLES, memory), "tenants": self.records}
            whole = work(self.queues, ROLES, channels)
            for queue in whole.queues:
                one = Worker(
                    self.client, task_queue=queue.name, workflows=queue.workflows, activities=queue.activities,
                    interceptors=[ActivityInterceptor(_BEAT)], workflow_runner=workflow_runner(*whole.shared),
                    max_heartbeat_throttle_interval=_BEAT, sticky_queue_schedule_to_start_timeout=_BEAT,
                )  # fmt: skip
                await stack.enter_async_context(one)
            yield


@pytest_asyncio.fixture(scope="session")
async def mesh(postgres, temporal) -> AsyncIterator[Mesh]:
    """Everything but provisioning and the worker."""
    queues = Queues(f"test-{uuid.uuid4()}")
    client = await Client.connect(temporal.address, namespace=temporal.namespace, plugins=[mesh_plugin()])
    await add_search_attributes(client, operations.SEARCH_ATTRIBUTES)
    async with (
        serving(MemoryMesh()) as memory,
        processes.service("tenants", **await tenants.environment(postgres)) as process,
        grpc.aio.insecure_channel(process.address) as records,
    ):
        environment = {
            "TEMPORAL_ADDRESS": temporal.address, "TEMPORAL_NAMESPACE": temporal.namespace,
            "TEMPORAL_TASK_QUEUE": queues.prefix, "TENANTS_ADDRESS": process.address, "TENANT_ZONE": "mesh.example",
            "TENANT_DNS_TARGETS": "192.0.2.10", "TENANT_APP": "shop", "PAGE_TOKEN_KEY": "k" * 43,
            "DISPATCH_INTERVAL": "100ms", "WATCH_INTERVAL": "50ms",
        }  # fmt: skip
        plans = {tier: await _plan(records, tier) for tier in (tier_pb2.TIER_SILO, tier_pb2.TIER_POOLED)}
        yield Mesh(client, memory, records, environment, queues, plans)


@pytest_asyncio.fixture(scope="module")
async def alone(mesh, postgres) -> AsyncIterator[Mesh]:
    """With records and queues of its own: nobody else starts what waits in their outbox, or works on it."""
    queues = Queues(f"test-{uuid.uuid4()}")
    async with (
        processes.service("tenants", **await tenants.environment(postgres)) as process,
        grpc.aio.insecure_channel(process.address) as records,
    ):
        own = {"TENANTS_ADDRESS": process.address, "TEMPORAL_TASK_QUEUE": queues.prefix}
        plans = {tier_pb2.TIER_POOLED: await _plan(records, tier_pb2.TIER_POOLED)}
        yield replace(mesh, records=records, environment=mesh.environment | own, queues=queues, plans=plans)


@pytest_asyncio.fixture(scope="session")
async def working(mesh) -> AsyncIterator[Mesh]:
    """With a worker for the whole session."""
    async with mesh.worker():
        yield mesh


@pytest_asyncio.fixture(scope="session")
async def stub(working) -> AsyncIterator[rpc.ProvisioningServiceStub]:
    """With provisioning and a worker for the whole session."""
    async with working.provisioning() as one:
        yield one


async def _plan(records: grpc.aio.Channel, tier: int) -> str:
    request = catalog.CreatePlanRequest(
        key=f"p{uuid.uuid4().hex[:8]}", display_name="Standard", tier=tier, currency="EUR",
        billing_cycle="BILLING_CYCLE_MONTHLY",
    )  # fmt: skip
    return (await catalog_rpc.CatalogServiceStub(records).CreatePlan(request)).plan.plan_id


async def refused(call):
    """The fault a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return fault_of(caught.value)


def provision(tenant_id, **more):
    return ProvisionTenantRequest(tenant_id=tenant_id, **more)


def operation_id(tenant_id):
    return f"provision-tenant-{tenant_id}"


def state_of(operation):
    return OperationState.Name(operation.state).removeprefix("OPERATION_STATE_")


async def watched(stub, tenant_id, *, until=FINAL, **more):
    """What a watcher sees, until the operation is in one of these states."""
    call = stub.WatchOperation(pb.WatchOperationRequest(operation_id=operation_id(tenant_id), **more), timeout=60)
    seen = []
    try:
        async for answer in call:
            if answer.HasField("operation"):
                seen.append(answer)
                if state_of(answer.operation) in until:
                    break
    finally:
        call.cancel()
    return seen
