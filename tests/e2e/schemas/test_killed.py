"""The process killed at every step of EnsureSchema: another one completes what it began, and Delete leaves nothing."""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import asyncpg
import grpc
import pytest
from tests.fixtures.faultproxy import CHUNK, FaultProxy, free_port
from tests.fixtures.processes import service
from tests.integration.schemas.conftest import LEFT

from tenantmesh.common.v1 import tier_pb2
from tenantmesh.storage.v1 import schema_pb2
from tenantmesh.storage.v1 import schema_service_pb2_grpc as rpc

# What the process says to the server, and how many pieces later it is done; then the process is killed, before it hears
# of it. A statement that is new to a connection takes two pieces.
STEPS = {
    "begin": (b"BEGIN", 0),
    "lock": (b"pg_advisory_xact_lock", 0),
    "look": (b"pg_advisory_xact_lock", 1),
    "role and schema": (b"CREATE ROLE", 0),
    "tables": (b"CREATE TABLE companies", 0),
    "record": (b"INSERT INTO tenantmesh.places", 1),
    "commit": (b"COMMIT", 0),
}
OWN_DATABASE_STEPS = {
    "lock the name": (b"pg_advisory_lock", 0),
    "reserve the name": (b"INSERT INTO tenantmesh.own_databases", 1),
    "make the database": (b"CREATE DATABASE", 0),
    "close and stamp the database": (b"REVOKE ALL ON DATABASE", 0),
    "role and schema in it": (b"CREATE ROLE", 0),
    "commit in it": (b"CREATE TABLE companies", 3),
}


@dataclass(slots=True)
class DeadlyProxy(FaultProxy):
    """Ends who speaks through it when what is marked was answered, and lets the answer go nowhere."""

    mark: bytes = b""
    further: int = 0
    end: Callable[[], None] = lambda: None
    marked: bool = False

    async def _pump(self, reader, writer, *, reply):
        while data := await reader.read(CHUNK):
            if not reply and self.marked:
                self.further -= 1
            self.marked = self.marked or (not reply and bool(self.mark) and self.mark in data)
            if reply and self.marked and self.further <= 0:
                self.end()
                return
            writer.write(data)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()


@dataclass(frozen=True, slots=True)
class Setting:
    """A database, the environment of processes over it, and one of them that lives."""

    dsn: str
    environment: dict[str, str]
    living: rpc.SchemaServiceStub


@asynccontextmanager
async def setting(postgres, **changes):
    dsn = await postgres.database()
    role = f"pooled_{uuid.uuid4().hex[:8]}"
    environment = {"SCHEMA_PROVIDER": "postgres", "SCHEMA_POOLED_ROLE": role, "TENANT_DATABASE_URL": dsn, **changes}
    async with (
        service("storage", **environment) as process,
        grpc.aio.insecure_channel(process.address) as channel,
    ):
        yield Setting(dsn, environment, rpc.SchemaServiceStub(channel))


@pytest.fixture(scope="module")
async def common(postgres):
    async with setting(postgres) as made:
        yield made


@pytest.fixture(scope="module")
async def lone(postgres):
    async with setting(postgres, SCHEMA_OWN_DATABASES="true") as made:
        yield made


@asynccontextmanager
async def deadly(postgres):
    proxy = DeadlyProxy("127.0.0.1", free_port(), ("127.0.0.1", postgres.port))
    await proxy.heal()
    try:
        yield proxy
    finally:
        await proxy.close()


async def killed(postgres, setting, tenant, step):
    """Let a process begin EnsureSchema, and kill it when that step has had its effect."""
    async with deadly(postgres) as proxy:
        through = setting.dsn.replace(f":{postgres.port}/", f":{proxy.port}/")
        async with (
            service("storage", **setting.environment | {"TENANT_DATABASE_URL": through}) as process,
            grpc.aio.insecure_channel(process.address) as channel,
        ):
            stub = rpc.SchemaServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError):  # there is none; after this nothing is new to the process
                await stub.GetSchema(schema_pb2.GetSchemaRequest(**tenant))
            proxy.mark, proxy.further = step
            proxy.end = process.process.kill
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.EnsureSchema(ensuring(tenant))
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert await process.ended() < 0


def ensuring(tenant):
    return schema_pb2.EnsureSchemaRequest(**tenant, operation_id="provision-1")


async def left(setting, tenant):
    """What the server itself lists of a tenant, in whatever database."""
    own = f"tenant_{tenant['tenant_key']}"
    connection = await asyncpg.connect(setting.dsn)
    try:
        return [row[0] for row in await connection.fetch(LEFT, f"^{own}$", f"^{tenant['tenant_key']}$")]
    finally:
        await connection.close()


async def completed(setting, tenant, *, made):
    """A repeat completes it, or confirms it if it was `made`; it can be used; a Delete leaves nothing."""
    again = await setting.living.EnsureSchema(ensuring(tenant))
    assert (again.created, again.schema.version) == (not made, 1)
    assert not (await setting.living.EnsureSchema(ensuring(tenant))).created
    variables = {"company_name": "Acme"}
    seeded = await setting.living.SeedSchema(
        schema_pb2.SeedSchemaRequest(**tenant, operation_id="provision-1", variables=variables)
    )
    assert seeded.seed.rows["roles"] == 3
    assert (await setting.living.DeleteSchema(schema_pb2.DeleteSchemaRequest(**tenant))).existed
    assert await left(setting, tenant) == []


def somebody(tier):
    # One in each process of the tests: names of roles and databases belong to the whole server.
    return {"tenant_id": str(uuid.uuid4()), "tenant_key": f"k{uuid.uuid4().hex[:12]}", "tier": tier}


@pytest.mark.chaos
@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_each_step_a_repeat_completes(postgres, common, step):
    tenant = somebody(tier_pb2.TIER_BRIDGE)
    await killed(postgres, common, tenant, STEPS[step])
    await completed(common, tenant, made=step == "commit")


@pytest.mark.chaos
@pytest.mark.parametrize("step", OWN_DATABASE_STEPS)
async def test_killed_at_each_step_that_makes_a_database_a_repeat_completes(postgres, lone, step):
    tenant = somebody(tier_pb2.TIER_SILO)
    await killed(postgres, lone, tenant, OWN_DATABASE_STEPS[step])
    await completed(lone, tenant, made=step == "commit in it")


@pytest.mark.chaos
@pytest.mark.parametrize("step", ["reserve the name", "make the database", "role and schema in it"])
async def test_killed_in_the_middle_a_delete_alone_leaves_nothing(postgres, lone, step):
    tenant = somebody(tier_pb2.TIER_SILO)
    await killed(postgres, lone, tenant, OWN_DATABASE_STEPS[step])
    async with asyncio.timeout(30):
        await lone.living.DeleteSchema(schema_pb2.DeleteSchemaRequest(**tenant))
    assert await left(lone, tenant) == []
