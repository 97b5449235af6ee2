"""While Temporal is away an accepted operation waits, and is started when it is back. A watch outlives a worker."""

import pytest_asyncio
from temporalio.client import Client
from tests.e2e.provisioning.conftest import operation_id, provision, state_of, watched
from tests.fixtures.memorymesh import Hanging
from tests.fixtures.servers import TEMPORAL, Temporal, server

from temporalkit import operations
from temporalkit.plugin import mesh_plugin
from temporalkit.search_attributes import add_search_attributes
from tenantmesh.provisioning.v1 import operation_requests_pb2 as pb


@pytest_asyncio.fixture(loop_scope="session")
async def temporary(tmp_path):
    """A Temporal of this test alone, to be stopped."""
    async with server(TEMPORAL, tmp_path) as one:
        yield Temporal(one)


async def test_an_accepted_operation_waits_for_temporal(mesh, temporary):
    tenant_id = await mesh.tenant()
    client = await Client.connect(temporary.address, namespace=temporary.namespace, plugins=[mesh_plugin()])
    await add_search_attributes(client, operations.SEARCH_ATTRIBUTES)
    async with mesh.provisioning(TEMPORAL_ADDRESS=temporary.address) as stub:
        await temporary.stop()
        answer = await stub.ProvisionTenant(provision(tenant_id))
        assert (answer.started, state_of(answer.operation)) == (True, "PENDING")
        assert not (await stub.ProvisionTenant(provision(tenant_id))).started
        read = await stub.GetOperation(pb.GetOperationRequest(operation_id=operation_id(tenant_id)))
        assert state_of(read.operation) == "PENDING"
        await temporary.start()
        client = await Client.connect(temporary.address, namespace=temporary.namespace, plugins=[mesh_plugin()])
        mesh.client, before = client, mesh.client
        try:
            async with mesh.worker():
                assert state_of((await watched(stub, tenant_id))[-1].operation) == "SUCCEEDED"
        finally:
            mesh.client = before


async def test_a_watch_goes_on_over_a_restart_of_the_worker(mesh):
    tenant_id = await mesh.tenant()
    hanging = Hanging(after_effect=True)
    mesh.memory.misbehave("EnsureDeployment", tenant_id, hanging)
    # Its own queues: the session's worker would go on with the run.
    queues, mesh.queues = mesh.queues, operations.Queues(f"{mesh.queues.prefix}x")
    try:
        async with mesh.provisioning(TEMPORAL_TASK_QUEUE=mesh.queues.prefix) as stub:
            async with mesh.worker():
                await stub.ProvisionTenant(provision(tenant_id))
                await hanging.entered.wait()
            async with mesh.worker():
                assert state_of((await watched(stub, tenant_id))[-1].operation) == "SUCCEEDED"
    finally:
        mesh.queues = queues
