"""What nobody needs any more goes by itself, and what is needed stays."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import aiohttp
import grpc
import pytest
from tests.fixtures.processes import service
from tests.fixtures.tenants import environment

from faults import Kind
from tenantmesh.tenants.v1 import lead_service_pb2 as pb
from tenantmesh.tenants.v1 import lead_service_pb2_grpc as rpc
from tenants_service.sweeping import store

ALL = ["requests", "limits", "lead keys", "signing keys"]
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('tenants sweep', 0))"


@pytest.fixture
def sweep(settings, records, clock):
    """Forgets everything there is to forget, and says how much that was."""
    sweeps = store.sweeps(records, token_life=settings.leads.token_life, clock=clock)
    assert list(sweeps) == ALL

    async def sweep(limit=1000):
        return [await one(limit) for one in sweeps.values()]

    return sweep


async def test_what_is_old_goes_and_what_is_not_stays(leads, application, sign_up, sweep, clock):
    await sign_up()
    await leads.CreateLead(application())
    assert await sweep() == [0, 0, 0, 0]
    clock.forward(hours=2)
    requests, limits, *rest = await sweep()
    assert (requests, limits >= 2, rest) == (0, True, [0, 0])
    clock.forward(days=1)
    assert await sweep() == [0, 0, 1, 0]
    clock.forward(days=31)
    assert await sweep() == [0, 0, 0, 1]
    assert await sweep() == [0, 0, 0, 0]


async def test_an_answer_goes_when_it_is_kept_no_longer(leads, application, sweep, admin):
    await leads.CreateLead(application(request_id=str(uuid4())))
    assert (await sweep())[0] == 0
    await admin.execute("UPDATE idempotent_requests SET expires_at = now()")
    assert (await sweep())[0] == 1


async def test_it_goes_in_batches(leads, application, sweep, clock):
    clock.forward(days=2)
    await sweep()
    for _ in range(3):
        await leads.CreateLead(application())
    clock.forward(days=2)
    counts = [(await sweep(2))[2] for _ in range(3)]
    assert counts == [2, 1, 0]


async def test_one_replica_sweeps_at_a_time(sweep, admin, leads, application, clock):
    await leads.CreateLead(application())
    clock.forward(days=2)
    async with admin.transaction():
        await admin.execute(LOCK)
        assert await sweep() == [None] * 4
    assert sum(await sweep())


async def test_a_lead_whose_key_is_forgotten_asks_for_another(leads, application, sweep, clock, refused):
    lead = await leads.CreateLead(application())
    verify = pb.VerifyLeadRequest(lead_id=lead.lead_id, key=lead.key)
    clock.forward(minutes=6)
    with refused("LEAD_KEY_EXPIRED", Kind.UNAUTHENTICATED):
        await leads.VerifyLead(verify)
    clock.forward(days=1)
    await sweep()
    with refused("LEAD_KEY_INVALID", Kind.UNAUTHENTICATED):
        await leads.VerifyLead(verify)
    verify.key = (await leads.ResendLeadKey(pb.ResendLeadKeyRequest(lead_id=lead.lead_id))).key
    assert (await leads.VerifyLead(verify)).token


async def test_a_process_sweeps_by_itself_and_counts(postgres, application, owner_of):
    told = await environment(postgres, TENANTS_SWEEP_INTERVAL="100ms")
    async with service("tenants", **told) as process, grpc.aio.insecure_channel(process.address) as channel:
        await rpc.LeadServiceStub(channel).CreateLead(application(request_id=str(uuid4())))
        async with owner_of(told) as owner, asyncio.timeout(30):
            await owner.execute("UPDATE idempotent_requests SET expires_at = now()")
            await owner.execute("UPDATE leads SET key_expire_time = now() - $1::interval", timedelta(days=2))
            while {"requests", "lead keys"} - {record.get("what") for record in process.records}:  # noqa: ASYNC110 - it tells nobody else
                await asyncio.sleep(0.02)
            assert not await owner.fetchval("SELECT count(*) FROM idempotent_requests")
            assert not await owner.fetchval("SELECT count(*) FROM leads WHERE key_digest IS NOT NULL")
        async with aiohttp.ClientSession() as session:
            numbers = await (await session.get(f"http://{process.ops_address}/metrics")).text()
        assert 'tenants_swept_total{what="requests"} 1.0' in numbers
        assert 'tenants_swept_total{what="lead keys"} 1.0' in numbers
        process.process.terminate()
        assert await process.ended() == 0
