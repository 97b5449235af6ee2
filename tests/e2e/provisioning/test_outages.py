"""While Temporal is away an accepted operation waits, and is started when it is back. A watch outlives a worker."""

import asyncio

from tests.e2e.provisioning.conftest import operation_id, provision, state_of, watched
from tests.fixtures.faultproxy import fault_proxy
from tests.fixtures.memorymesh import Hanging

from temporalkit import operations
from tenantmesh.provisioning.v1 import operation_requests_pb2 as pb


async def test_an_accepted_operation_waits_for_temporal(working, temporal):
    tenant_id = await working.tenant()
    async with fault_proxy(temporal.address) as proxy, working.provisioning(TEMPORAL_ADDRESS=proxy.address) as stub:
        await proxy.refuse()
        answer = await stub.ProvisionTenant(provision(tenant_id))
        assert (answer.started, state_of(answer.operation)) == (True, "PENDING")
        read = await stub.GetOperation(pb.GetOperationRequest(operation_id=operation_id(tenant_id)))
        assert state_of(read.operation) == "PENDING"
        await proxy.heal()
        await until_active(working, tenant_id)


async def until_active(working, tenant_id):
    """Wait for what the dispatcher starts, asking the records: the way to Temporal may take a moment to heal."""
    async with asyncio.timeout(90):
        while await working.state(tenant_id) != "ACTIVE":  # noqa: ASYNC110 - the record tells nobody when it changes
            await asyncio.sleep(0.1)


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
