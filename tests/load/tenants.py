"""What the tenants service costs beside its own SQL, and with much on record beside little, and what a second replica
adds; ratios within one run.

python -m tests.load.tenants [cost] [volume] [replicas]
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

import asyncpg
import grpc
from tests.fixtures.processes import service
from tests.fixtures.servers import Postgres, server
from tests.fixtures.tenants import environment
from tests.load.recorded import Recording, Script, recording
from tests.load.volume import EVENTS, Reader, fill
from tests.load.writes import compared

from chassis import running
from localstack.servers.postgres import POSTGRES
from postgreskit import Database
from tenantmesh.tenants.v1 import lead_service_pb2 as lead_pb
from tenantmesh.tenants.v1 import lead_service_pb2_grpc as lead_rpc
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb
from tenantmesh.tenants.v1 import tenant_service_pb2_grpc as tenant_rpc
from tenants_service import app

ROUNDS, CALLS = 20, 25
PATIENCE = 30.0
"""Seconds that a call may take. Every client of the mesh gives a deadline."""
Call = Callable[[], Awaitable[object]]
MILLISECONDS = 1e3
LIMITS = dict.fromkeys(("LEAD_LIMIT_NETWORK", "LEAD_LIMIT_EMAIL", "LEAD_LIMIT_TRIES"), "1000000000")


class Caller:
    """What visitors and operators ask of one process."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.leads = lead_rpc.LeadServiceStub(channel)
        self.tenants = tenant_rpc.TenantServiceStub(channel)

    async def create_lead(self, word: str = "") -> lead_pb.CreateLeadResponse:
        word = word or secrets.token_hex(6)
        address = {"country": "CH", "city": "Bern"}
        return await self.leads.CreateLead(
            lead_pb.CreateLeadRequest(
                email=f"ada@{word}.example", first_name="Ada", last_name="L", company_name=word, address=address
            ),
            timeout=PATIENCE,
        )

    async def verify_lead(self, lead: lead_pb.CreateLeadResponse) -> None:
        await self.leads.VerifyLead(lead_pb.VerifyLeadRequest(lead_id=lead.lead_id, key=lead.key), timeout=PATIENCE)

    async def create_tenant(self, word: str = "") -> None:
        word = word or secrets.token_hex(6)
        contact = {"first_name": "Ada", "last_name": "L", "email": f"ada@t{word}.example", "primary": True}
        await self.tenants.CreateTenant(
            tenant_pb.CreateTenantRequest(
                key=f"t{word}",
                display_name=word,
                tier="TIER_POOLED",
                contacts=[contact],
                domains=[f"t{word}.example"],
            ),
            timeout=PATIENCE,
        )


@asynccontextmanager
async def called(told: dict[str, str]) -> AsyncIterator[Caller]:
    """A process of its own, and its caller."""
    async with service("tenants", **told) as process, grpc.aio.insecure_channel(process.address) as channel:
        yield Caller(channel)


# -------------------------------------------------------------------------------------------------------------- cost
async def scripts(told: dict[str, str]) -> dict[str, Script]:
    """What the service sends for a lead, its verification, and a tenant."""
    free = {"RPC_PORT": "0", "OPS_PORT": "0", "DATABASE_POOL_MAX": "1"}
    settings = app.configured({"MESH_MODE": "development", **told, **free})
    async with Database(settings.database) as database:
        records, tail = app.opened(settings, database)
        servicers = app.servicers(settings, records, tail)
        async with (
            running("tenants", servicers=servicers, settings=settings.server) as one,
            grpc.aio.insecure_channel(one.address) as channel,
        ):
            return await record(Caller(channel), database._pool)


async def record(caller: Caller, pool: asyncpg.Pool) -> dict[str, Script]:
    """Record each kind of call twice, after it was done once."""
    made: dict[str, list[Recording]] = {"create lead": [], "verify lead": [], "create tenant": []}
    for _ in range(3):
        word = secrets.token_hex(6)
        async with recording(pool, word) as statements:
            lead = await caller.create_lead(word)
        made["create lead"].append(statements)
        async with recording(pool, word) as statements:
            await caller.verify_lead(lead)
        made["verify lead"].append(statements)
        async with recording(pool, word) as statements:
            await caller.create_tenant(word)
        made["create tenant"].append(statements)
    return {name: Script(*recordings[1:]) for name, recordings in made.items()}


async def cost(postgres: Postgres) -> None:
    """Each call over gRPC to a process, beside its SQL over a bare connection, one after the other."""
    told = await environment(postgres, **LIMITS)
    async with called(told) as caller:
        script = await scripts(told)
        recorded_lead = str(script["verify lead"].one.statements[4][1][1])
        bare = await asyncpg.connect(told["DATABASE_URL"])

        async def verify() -> None:
            await script["verify lead"].run(bare, {recorded_lead: leads.pop().lead_id})

        leads: list[lead_pb.CreateLeadResponse] = []
        calls: dict[str, tuple[Call, Call]] = {
            "create lead": (caller.create_lead, lambda: script["create lead"].run(bare)),
            "verify lead": (lambda: caller.verify_lead(leads.pop()), verify),
            "create tenant": (caller.create_tenant, lambda: script["create tenant"].run(bare)),
        }
        for name, (ours, theirs) in calls.items():
            times: tuple[list[float], list[float]] = [], []
            for _ in range(ROUNDS):
                if name == "verify lead":
                    leads += [await caller.create_lead() for _ in range(2 * CALLS)]
                for _ in range(CALLS):  # taking turns, so that both meet the same machine
                    for call, spent in zip((ours, theirs), times, strict=True):
                        spent.append(await timed(call))
            ours_p50, theirs_p50 = map(median, times)
            ours_p10, theirs_p10 = (quantiles(spent, n=10)[0] for spent in times)
            print(
                f"{name:14} p50 over gRPC {ours_p50 * MILLISECONDS:5.2f} ms   its SQL over asyncpg alone "
                f"{theirs_p50 * MILLISECONDS:5.2f} ms   ratio {ours_p50 / theirs_p50:.2f}   (reach 2; "
                f"{ours_p10 / theirs_p10:.2f} where nothing else was in the way, p10 {ours_p10 * MILLISECONDS:.2f} ms)"
            )
        await bare.close()


async def timed(call: Call) -> float:
    """Seconds that a call takes."""
    begun = perf_counter()
    await call()
    return perf_counter() - begun


# ------------------------------------------------------------------------------------------------------------ volume
async def volume(postgres: Postgres) -> None:
    """Reading with much on record, beside reading with little: both give answers of the same size."""
    async with filled(postgres, tenants=500) as little, filled(postgres, tenants=50_000) as much:
        for name in Reader.CALLS:
            times: tuple[list[float], list[float]] = [], []
            for _ in range(ROUNDS):
                for number in range(CALLS):
                    for reader, spent in zip((little, much), times, strict=True):
                        spent.append(await timed(partial(getattr(reader, name), number)))
            few, many = map(median, times)
            print(
                f"{name.replace('_', ' '):26} with {little.tenants} tenants {few * MILLISECONDS:6.2f} ms   "
                f"with {much.tenants} {many * MILLISECONDS:6.2f} ms   ratio {many / few:.2f}   (reach 1.2)"
            )


@asynccontextmanager
async def filled(postgres: Postgres, tenants: int) -> AsyncIterator[Reader]:
    """A process on a database with so many tenants and twenty times as many events."""
    told = await environment(postgres, **LIMITS)
    async with service("tenants", **told) as process, grpc.aio.insecure_channel(process.address) as channel:
        begun = perf_counter()
        names = await fill(told["ADMIN_DATABASE_URL"], tenants)
        print(f"{tenants} tenants and {tenants * EVENTS} events loaded in {perf_counter() - begun:.0f} s")
        reader = Reader(channel, names)
        await reader.prepare()
        yield reader


# ---------------------------------------------------------------------------------------------------------- replicas
async def replicas(postgres: Postgres) -> None:
    """Tenants made by many at once, at one process and at two on one database."""
    told = await environment(postgres, **LIMITS, DATABASE_POOL_MAX="16", DATABASE_POOL_WAIT="30s")
    async with AsyncExitStack() as stack:
        asked = []
        for _ in range(2):
            process = await stack.enter_async_context(service("tenants", **told))
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(process.address))
            asked.append((process.process.pid, Caller(channel).create_tenant))
        await compared(asked)


async def main(wanted: list[str]) -> None:
    """Start a server, measure what is wanted, stop it."""
    parts = {"cost": cost, "volume": volume, "replicas": replicas}
    with tempfile.TemporaryDirectory() as folder:
        async with server(POSTGRES, Path(folder)) as one:
            postgres = Postgres(one)
            for name in wanted or parts:
                await parts[name](postgres)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
