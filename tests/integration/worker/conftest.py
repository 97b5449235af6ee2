"""A worker in this process, on queues of its own, over services in memory; and Temporal, which is real."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import grpc
import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.worker import Worker
from tests.fixtures.memorymesh import MemoryMesh, serving

from temporalkit import operations
from temporalkit.activities import ActivityInterceptor
from temporalkit.operations import ROLES, Queues
from temporalkit.plugin import mesh_plugin
from temporalkit.sandbox import workflow_runner
from temporalkit.search_attributes import add_search_attributes
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.provisioning.v1.installation_pb2 import Installation
from tenantmesh.provisioning.v1.progress_pb2 import Progress
from tenantmesh.provisioning.v1.provision_tenant_pb2 import ProvisionTenantInput
from worker_service.app import work

BEAT = timedelta(milliseconds=100)


@pytest_asyncio.fixture(scope="session")
async def client(temporal) -> Client:
    """Connected, to a namespace that knows the search attributes."""
    client = await Client.connect(temporal.address, namespace=temporal.namespace, plugins=[mesh_plugin()])
    await add_search_attributes(client, operations.SEARCH_ATTRIBUTES)
    return client


@pytest_asyncio.fixture(scope="session")
async def mesh() -> AsyncIterator[MemoryMesh]:
    """All services, in memory. Each test has tenants of its own."""
    async with serving(MemoryMesh()) as one:
        yield one


@asynccontextmanager
async def working(client: Client, address: str, queues: Queues, **more: Any) -> AsyncIterator[None]:
    """A worker of all roles, with short heartbeats."""
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        whole = work(queues, ROLES, dict.fromkeys(ROLES, channel))
        for queue in whole.queues:
            one = Worker(
                client,
                task_queue=queue.name,
                workflows=queue.workflows,
                activities=queue.activities,
                interceptors=[ActivityInterceptor(BEAT)],
                workflow_runner=workflow_runner(*whole.shared),
                max_heartbeat_throttle_interval=BEAT,
                **more,
            )
            await stack.enter_async_context(one)
        yield


@pytest_asyncio.fixture(scope="session")
async def queues(client, mesh) -> AsyncIterator[Queues]:
    """The queues of a worker that is there for the whole session."""
    queues = Queues(f"test-{uuid.uuid4()}")
    async with working(client, mesh.address, queues):
        yield queues


@dataclass(slots=True)
class Provisioning:
    """A tenant of its own, and the run that provisions it."""

    client: Client
    mesh: MemoryMesh
    queues: Queues
    tier: int = tier_pb2.TIER_POOLED
    tenant_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    key: str = field(default_factory=lambda: f"t{secrets.token_hex(6)}")

    def __post_init__(self) -> None:
        self.mesh.tenant(self.tenant_id, self.key, self.tier)

    @property
    def operation_id(self) -> str:
        return f"provision-tenant-{self.tenant_id}"

    @property
    def host(self) -> str:
        return f"{self.key}.mesh.example"

    async def start(self, workflow: str = "ProvisionTenant", request: Any = None, **more: Any) -> WorkflowHandle:
        """Start it, as the provisioning service would."""
        request = request or self.request(**more)
        tier = tier_pb2.Tier.Name(self.tier).removeprefix("TIER_").lower()
        known = {
            operations.TENANT_ID: self.tenant_id, operations.TENANT_KEY: self.key, operations.TIER: tier,
            operations.STATE: "running", operations.STEP: "validate",
        }  # fmt: skip
        kind = workflow.removesuffix("Tenant").lower()
        return await self.client.start_workflow(
            workflow,
            request,
            id=f"{kind}-tenant-{self.tenant_id}",
            task_queue=self.queues.of(tier),
            search_attributes=TypedSearchAttributes([SearchAttributePair(key, known[key]) for key in known]),
            result_type=None,
        )

    def request(self, **more: Any) -> ProvisionTenantInput:
        return ProvisionTenantInput(tenant_id=self.tenant_id, installation=installation(), **more)

    @property
    def left(self) -> list[tuple[str, str]]:
        return self.mesh.left(self.tenant_id)

    @property
    def state(self) -> str:
        return self.mesh.state(self.tenant_id)


def installation(**more: Any) -> Installation:
    wanted = {"zone": "mesh.example", "dns_targets": ["192.0.2.10"], "app": "shop", "admin_role": "admin", **more}
    return Installation(**wanted)


@pytest.fixture
def provisioning(client, mesh, queues) -> Provisioning:
    return Provisioning(client, mesh, queues)


async def progress_of(handle: WorkflowHandle) -> Progress:
    return await handle.query("getStatus", result_type=Progress)
