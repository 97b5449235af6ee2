"""While Temporal is away an accepted operation waits, and is started when it is back. A watch outlives a worker."""

import asyncio

from tests.e2e.provisioning.conftest import operation_id, provision, state_of, watched
from tests.fixtures.faultproxy import fault_proxy
from tests.fixtures.memorymesh import Hanging

from tenantmesh.provisioning.v1 import operation_requests_pb2 as pb


async def test_an_accepted_operation_waits_for_temporal(alone, temporal):
    tenant_id = await alone.tenant()
    async with (
        alone.worker(),
        fault_proxy(temporal.address) as proxy,
        alone.provisioning(TEMPORAL_ADDRESS=proxy.address) as stub,
    ):
        await proxy.refuse()
        answer = await stub.ProvisionTenant(provision(tenant_id))
        assert (answer.started, state_of(answer.operation)) == (True, "PENDING")
        read = await stub.GetOperation(pb.GetOperationRequest(operation_id=operation_id(tenant_id)))
        assert state_of(read.operation) == "PENDING"
        await proxy.heal()
        await until_active(alone, tenant_id)


async def until_active(alone, tenant_id):
    """Wait for what the dispatcher starts, asking the records: the way to Temporal may take a moment to heal."""
    async with asyncio.timeout(90):
        while await alone.state(tenant_id) != "ACTIVE":  # noqa: ASYNC110 - the record tells nobody when it changes
            await asyncio.sleep(0.1)


async def test_a_watch_goes_on_over_a_restart_of_the_worker(alone):
    tenant_id = await alone.tenant()
    hanging = Hanging(after_effect=True)
    alone.memory.misbehave("EnsureDeployment", tenant_id, hanging)
    async with alone.provisioning() as stub:
        async with alone.worker():
            await stub.ProvisionTenant(provision(tenant_id))
            await hanging.entered.wait()
        async with alone.worker():
            assert state_of((await watched(stub, tenant_id))[-1].operation) == "SUCCEEDED"
