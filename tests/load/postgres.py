"""What postgreskit costs beside bare asyncpg, on the real server of the local stack; ratios within one run.

python tests/load/postgres.py
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg

from localstack.servers.postgres import POSTGRES, dsn
from localstack.settings import StackSettings
from localstack.stack import plan, running
from pagekit import PageTokens
from postgreskit import Database, DatabaseSettings, Target, migrate, once, request_key
from postgreskit.migration_files import migrations_of
from postgreskit.positions import position_of, values_of
from settingskit import Secret

ROUNDS = 20
CALLS = 60  # of each in a round
TENANT = uuid4()
MICROSECONDS = 1e6

NOTES = """
CREATE TABLE notes (
    tenant_id uuid NOT NULL, note_id uuid NOT NULL DEFAULT uuidv7(), text text NOT NULL,
    PRIMARY KEY (tenant_id, note_id)
);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON notes USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO :"application_role";
"""
READ = "SELECT text FROM notes WHERE tenant_id = $1 LIMIT 1"
WRITE = "INSERT INTO notes (tenant_id, text) VALUES ($1, 'x')"
SET_TENANT = "SELECT set_config('app.tenant_id', $1, true)"

Call = Callable[[], Awaitable[object]]


class Bare:
    """What somebody would write with asyncpg alone."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def plain(self) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.fetch(READ, TENANT)

    async def tenant(self, statement: str = READ) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(SET_TENANT, str(TENANT))
            await connection.fetch(statement, TENANT)

    async def write(self) -> None:
        await self.tenant(WRITE)


class Ours:
    """The same with postgreskit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tenant = database.tenant(TENANT)

    async def plain(self) -> None:
        async with self._database.transaction() as tx:
            await tx.fetch(READ, TENANT)

    async def tenant(self) -> None:
        async with self._tenant.transaction() as tx:
            await tx.fetch(READ, TENANT)

    async def write(self) -> None:
        async with self._tenant.transaction() as tx:
            await tx.fetch(WRITE, TENANT)

    async def write_once(self, request_id: UUID | None = None) -> None:
        key = request_key(
            caller="spiffe://mesh/worker",
            method="/notes.v1.NoteService/CreateNote",
            request_id=str(request_id or uuid4()),
            payload=b"x" * 200,
            tenant_id=TENANT,
        )
        async with self._tenant.transaction() as tx:

            async def work() -> bytes:
                await tx.fetch(WRITE, TENANT)
                return b"x" * 200

            await once(tx, key, work)


async def measure(calls: dict[str, Call]) -> dict[str, float]:
    """Microseconds of each call: the median of rounds in which they take turns, so that all meet the same machine."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():  # warm
        for _ in range(CALLS):
            await call()
    for _ in range(ROUNDS):
        for name, call in calls.items():
            gc.collect()
            begun = perf_counter()
            for _ in range(CALLS):
                await call()
            times[name].append((perf_counter() - begun) / CALLS * MICROSECONDS)
    return {name: statistics.median(values) for name, values in times.items()}


def page_costs() -> tuple[float, float]:
    """Microseconds to sign a position of two columns, and to read it back."""
    tokens, values, scope = (
        PageTokens([b"k" * 32]),
        (uuid4(), "a name of some length"),
        '["/m","a ASC, b ASC","filter"]',
    )
    token = tokens.sign(position_of(values), scope=scope)

    def timed(work: Callable[[], object]) -> float:
        begun = perf_counter()
        for _ in range(5000):
            work()
        return (perf_counter() - begun) / 5000 * MICROSECONDS

    signing = timed(lambda: tokens.sign(position_of(values), scope=scope))
    return signing, timed(lambda: values_of(tokens.open(token, scope=scope) or ()))


async def compare(owner: str) -> None:
    """Prepare the database, measure, print."""
    admin = await asyncpg.connect(owner)
    await admin.execute("CREATE ROLE app LOGIN PASSWORD 'app'")
    await admin.close()
    ddl = files("postgreskit").joinpath("idempotency.sql").read_text()
    migrations = migrations_of({"0001_notes.sql": NOTES, "0002_requests.sql": ddl})
    await migrate(Secret(owner), migrations, Target(identifiers={"application_role": "app"}))

    parts = urlsplit(owner)
    address = f"postgresql://app:app@{parts.hostname}:{parts.port}{parts.path}"
    settings = DatabaseSettings(url=Secret(address), pool_max=1)
    async with asyncpg.create_pool(address, min_size=1, max_size=1) as pool, Database(settings) as database:
        bare, ours, seen = Bare(pool), Ours(database), uuid4()
        await ours.write_once(seen)
        report(
            await measure(
                {
                    "bare plain": bare.plain,
                    "plain": ours.plain,
                    "bare tenant": bare.tenant,
                    "tenant": ours.tenant,
                    "bare write": bare.write,
                    "write": ours.write,
                    "write once": ours.write_once,
                    "replay": lambda: ours.write_once(seen),
                }
            )
        )


def report(cost: dict[str, float]) -> None:
    """Print each cost beside what it stands in for."""
    signing, reading = page_costs()
    rows = [
        ("transaction, one read", "plain", "asyncpg alone", "bare plain"),
        ("tenant's transaction, one read", "tenant", "asyncpg alone, set_config", "bare tenant"),
        ("tenant's transaction, one read", "tenant", "transaction of no tenant", "plain"),
        ("tenant's transaction, one write", "write", "asyncpg alone, set_config", "bare write"),
        ("the same, done once", "write once", "not kept", "write"),
        ("the same, given again", "replay", "not kept", "write"),
    ]
    for name, ours, other, theirs in rows:
        ratio = cost[ours] / cost[theirs]
        print(f"{name:34} {cost[ours]:7.0f} us   {other:26} {cost[theirs]:7.0f} us   ratio {ratio:.2f}")
    print(f"{'page token: sign, read':34} {signing:7.1f} us   {reading:.1f} us")


async def main() -> None:
    """Start a server, compare, stop it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = StackSettings(state=Path(folder), usual_ports=False)
        async with running(plan([POSTGRES], settings)) as stack:
            await compare(dsn(stack.plan.sites[POSTGRES.name]))


if __name__ == "__main__":
    asyncio.run(main())
