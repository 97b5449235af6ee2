"""What schemas of tenants cost, beside the same statements sent directly; ratios within one run.

The first direct script sends exactly the statements that the service sends, its looks, locks and records included; the
second those that somebody would write by hand who looks at nothing, locks nothing, and counts nothing.

python tests/load/storage_schemas.py [schemas] [migrated]
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import count
from pathlib import Path
from time import perf_counter
from uuid import uuid4

# In place of this folder, whose dns.py is not the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import asyncpg
from tests.fixtures.processes import service

from chassis.client import open_channel
from localstack.servers.postgres import POSTGRES, dsn, programs
from localstack.settings import StackSettings
from localstack.stack import plan
from localstack.stack import running as stack_running
from settingskit import Secret
from storage_service.blueprint.model import Blueprint, Migration, Script
from storage_service.blueprint.providers.folder import BlueprintSettings, load
from storage_service.rollouts.service import Rollouts
from storage_service.schemas.model import Limits, Tenant, Tier
from storage_service.schemas.providers.connections import ConnectionSettings
from storage_service.schemas.providers.place import _grants
from storage_service.schemas.providers.postgres import PostgresDatabases, PostgresSettings
from storage_service.schemas.service import Rules, Schemas
from storage_service.servers.providers.settings import ServersSettings
from tenantmesh.storage.v1 import schema_pb2
from tenantmesh.storage.v1 import schema_service_pb2_grpc as rpc

ROUNDS = 60
LIMITS = Limits(20, timedelta(minutes=1), timedelta(minutes=5))
COMPANY = {"company_name": "Acme"}
ADDED = "ALTER TABLE preferences ADD changed_at timestamptz NOT NULL DEFAULT now();"
_numbers = count(1)


def tenant(prefix: str) -> Tenant:
    return Tenant(str(uuid4()), f"{prefix}-{next(_numbers)}", Tier.BRIDGE)


async def by_hand(connection: asyncpg.Connection, blueprint: Blueprint) -> None:
    """The same schema, role, grants, migrations and rows, as somebody would write it who knows asyncpg."""
    whose = tenant("hand")
    schema = f'"{whose.own_name}"'
    async with connection.transaction():
        await connection.execute(
            f"CREATE ROLE {schema} LOGIN CONNECTION LIMIT 20; COMMENT ON ROLE {schema} IS '{whose.tenant_id}';"
            f"ALTER ROLE {schema} SET search_path = {schema}; ALTER ROLE {schema} SET statement_timeout = '60s';"
            f"ALTER ROLE {schema} SET idle_in_transaction_session_timeout = '300s';"
            f"CREATE SCHEMA {schema}; COMMENT ON SCHEMA {schema} IS '{whose.tenant_id}';"
            + ";".join(_grants(schema, schema))
        )
        await connection.execute(f"SET LOCAL search_path = {schema}")
        for migration in blueprint.migrations:
            await connection.execute(migration.script.sql)
            await connection.execute(
                "INSERT INTO by_hand.migrations VALUES ($1, $2, $3)",
                whose.own_name, migration.version, migration.script.sha256,
            )  # fmt: skip
        await connection.execute("INSERT INTO by_hand.tenants VALUES ($1, $2, now())", whose.own_name, whose.tenant_id)
    template = blueprint.templates["default"]
    async with connection.transaction():
        await connection.execute(f"SET LOCAL search_path = {schema}")
        for name, value in {"app.tenant_id": whose.tenant_id, **prefixed(template.values(COMPANY))}.items():
            await connection.execute("SELECT set_config($1, $2, true)", name, value)
        for script in template.scripts:
            await connection.execute(script.sql)
        await connection.execute("UPDATE by_hand.tenants SET seeded_at = now() WHERE name = $1", whose.own_name)


class Replay:
    """The very statements that the service sent for one tenant, sent for others."""

    def __init__(self) -> None:
        self._sent: list[tuple[str, tuple[object, ...]]] = []
        self._whose = tenant("service")

    async def record(self, databases: PostgresDatabases, schemas: Schemas) -> None:
        await by_service(schemas)  # what is only so at first is nobody's cost
        async with databases._home._opened().acquire() as connection:
            connection.add_query_logger(self._heard)
        self._whose = await by_service(schemas)
        async with databases._home._opened().acquire() as connection:
            connection.remove_query_logger(self._heard)
        assert {"BEGIN;", "COMMIT;"} <= {query for query, _ in self._sent}

    async def send(self, connection: asyncpg.Connection) -> None:
        other = tenant("replay")

        def of_other(what: object) -> object:
            if not isinstance(what, str):
                return what
            named = what.replace(self._whose.own_name, other.own_name).replace(self._whose.key, other.key)
            return named.replace(self._whose.tenant_id, other.tenant_id)

        for query, arguments in self._sent:
            if arguments:
                await connection.fetch(of_other(query), *map(of_other, arguments))
            else:
                await connection.execute(of_other(query))

    def _heard(self, query: asyncpg.connection.LoggedQuery) -> None:
        self._sent.append((query.query, tuple(query.args)))


def prefixed(values: dict[str, str]) -> dict[str, str]:
    return {f"seed.{name}": value for name, value in values.items()}


async def by_service(schemas: Schemas) -> Tenant:
    whose = tenant("service")
    await schemas.ensure(whose, operation_id="load-1", limits=Limits())
    await schemas.seed(whose, template="", variables=COMPANY)
    return whose


async def by_call(stub: rpc.SchemaServiceStub) -> None:
    whose = tenant("call")
    about = {"tenant_id": whose.tenant_id, "tenant_key": whose.key, "tier": 2, "operation_id": "load-1"}
    await stub.EnsureSchema(schema_pb2.EnsureSchemaRequest(**about))
    await stub.SeedSchema(schema_pb2.SeedSchemaRequest(**about, variables=COMPANY))


async def in_turns(calls: dict[str, Callable[[], Awaitable[object]]]) -> dict[str, float]:
    """Milliseconds of each, in rounds in which they take turns, in another order each time.

    The lower quartile: whatever else the machine does only adds.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(ROUNDS + 5):
        for name, call in random.sample(list(calls.items()), len(calls)):
            gc.collect()
            begun = perf_counter()
            await call()
            if number >= 5:
                times[name].append((perf_counter() - begun) * 1000)
    return {name: statistics.quantiles(values, n=4)[0] for name, values in times.items()}


def private_megabytes(pid: int) -> float:
    """What a server process holds for itself."""
    rollup = Path(f"/proc/{pid}/smaps_rollup")
    lines = rollup.read_text().splitlines() if rollup.exists() else ()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


async def largest_backend(connection: asyncpg.Connection) -> float:
    pids = await connection.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = 'tenantmesh-storage'")
    return max((private_megabytes(row[0]) for row in pids), default=0.0)


async def many(schemas: Schemas, connection: asyncpg.Connection, number: int) -> None:
    """Make so many, and watch the memory of the server's processes meanwhile."""
    memory = []
    for done in range(number):
        await by_service(schemas)
        if done % 50 == 49:
            memory.append(await largest_backend(connection))
    print(f"{number} schemas: memory of the largest pooled server process: after 100 {memory[1]:.0f} MB, "
          f"largest {max(memory):.0f} MB, at the end {memory[-1]:.0f} MB")  # fmt: skip


async def old_and_young(old: Schemas, young: Schemas, number: int) -> None:
    """The cost of one more in a database of many beside that in one of a hundred, in turns."""
    for _ in range(100):
        await by_service(young)
    costs = await in_turns({"old": lambda: by_service(old), "young": lambda: by_service(young)})
    print(f"  one more costs {costs['old']:.1f} ms beside {number}, {costs['young']:.1f} ms beside 100: "
          f"{costs['old'] / costs['young']:.2f} x")  # fmt: skip


async def migrate(databases: PostgresDatabases, blueprint: Blueprint, address: str, names: Sequence[str]) -> None:
    """Migrations a second, 8 at a time, against psql doing one schema after another."""
    next_one = Migration(blueprint.newest + 1, Script("9999_added.sql", ADDED))
    newer = Blueprint((*blueprint.migrations, next_one), blueprint.templates)
    begun = perf_counter()
    async for progress in Rollouts(databases, newer).migrate(None, parallelism=8):
        last = progress
    ours = last.done / (perf_counter() - begun)
    assert last.failed == 0
    begun = perf_counter()
    for name in names:
        sql = f'BEGIN; SET LOCAL search_path = "{name}"; {ADDED.replace("changed_at", "changed_by_hand")} COMMIT'
        process = await asyncio.create_subprocess_exec(
            str(programs() / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-d", address, "-c", sql
        )
        assert await process.wait() == 0
    hand = len(names) / (perf_counter() - begun)
    print(f"migrating {last.done} schemas: {ours:.0f} a second 8 at a time, psql one after another {hand:.0f} "
          f"(measured on {len(names)}): {ours / hand:.1f} x")  # fmt: skip


def settings_of(address: str, **connections: int) -> PostgresSettings:
    return PostgresSettings(
        servers=ServersSettings(url=Secret(address), limit=100_000), connections=ConnectionSettings(**connections)
    )


async def main(number: int, migrated: int) -> None:
    blueprint = load(BlueprintSettings())
    async with AsyncExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        started = await stack.enter_async_context(
            stack_running(plan([POSTGRES], StackSettings(state=state, usual_ports=False)), lambda *_: None)
        )
        superuser = dsn(started.plan.sites["postgres"])
        connection = await asyncpg.connect(superuser)
        stack.push_async_callback(connection.close)
        for name in ("load", "young", "forgetful", "migrated"):
            await connection.execute(f"CREATE DATABASE {name}")
        address = superuser.rpartition("/")[0]

        databases = await stack.enter_async_context(PostgresDatabases(settings_of(f"{address}/load")))
        schemas = Schemas(databases, blueprint, Rules(LIMITS))
        process = await stack.enter_async_context(
            service("storage", SCHEMA_PROVIDER="postgres", TENANT_DATABASE_URL=f"{address}/load")
        )
        channel = await stack.enter_async_context(open_channel(process.address))
        hand = await asyncpg.connect(f"{address}/load")
        stack.push_async_callback(hand.close)
        await hand.execute(
            "CREATE SCHEMA by_hand; CREATE TABLE by_hand.tenants"
            " (name text PRIMARY KEY, tenant_id uuid, created_at timestamptz, seeded_at timestamptz);"
            "CREATE TABLE by_hand.migrations (name text, version int, sha256 text, PRIMARY KEY (name, version))"
        )
        replay = Replay()
        await replay.record(databases, schemas)
        direct = await asyncpg.connect(f"{address}/load")
        stack.push_async_callback(direct.close)
        costs = await in_turns({
            "the same statements directly": lambda: replay.send(direct),
            "fewer, by hand": lambda: by_hand(hand, blueprint),
            "in process": lambda: by_service(schemas),
            "the process over gRPC": lambda: by_call(rpc.SchemaServiceStub(channel)),
        })  # fmt: skip
        print("EnsureSchema + SeedSchema:")
        same, by_hand_cost, *_ = costs.values()
        for name, cost in costs.items():
            print(f"  {name:<30} {cost:6.1f} ms  {cost / same:5.2f} x  {cost / by_hand_cost:5.2f} x by hand")
        await many(schemas, connection, number)
        async with PostgresDatabases(settings_of(f"{address}/young")) as other:
            await old_and_young(schemas, Schemas(other, blueprint, Rules(LIMITS)), number)

        forgetful = settings_of(f"{address}/forgetful", max_statements=1_000_000_000)
        async with PostgresDatabases(forgetful) as other:
            print("the same, and no connection is ever replaced:")
            await many(Schemas(other, blueprint, Rules(LIMITS)), connection, min(number, 500))

        async with PostgresDatabases(settings_of(f"{address}/migrated")) as other:
            made = [tenant("migrated") for _ in range(migrated)]
            for whose in made:
                await Schemas(other, blueprint, Rules(LIMITS)).ensure(whose, operation_id="load-1", limits=Limits())
            await migrate(other, blueprint, f"{address}/migrated", [one.own_name for one in made[:100]])


if __name__ == "__main__":
    asyncio.run(main(*(int(one) for one in (sys.argv[1:] or ["2000", "500"]))))
