"""All a service does, behind PgBouncer in transaction mode, where a connection is the client's for one transaction."""

import asyncio
import dataclasses
from datetime import timedelta
from importlib.resources import files
from uuid import uuid4

import asyncpg
import pytest
from tests.fixtures.certificates import Authority
from tests.fixtures.pooler import pooler

from faults import Unavailable
from pagekit import PageTokens
from postgreskit import Column, Database, Listener, Pages, Target, migrate, once, request_key, sweep
from postgreskit.migration_files import migrations_of
from settingskit import Secret

pytestmark = pytest.mark.usefixtures("notes")

INSERT = "INSERT INTO notes (tenant_id, text) VALUES ($1, $2)"
CLIENTS = 8


@pytest.fixture
async def pooled(settings, address, tmp_path):
    """The settings of a process behind the pooler."""
    async with pooler(address, tmp_path) as url:
        yield dataclasses.replace(settings, url=Secret(url), statement_cache=0, pool_max=CLIENTS)


async def test_tls_as_the_address_asks_for_it(settings, address, tmp_path):
    authority = Authority.new(tmp_path)
    async with pooler(address, tmp_path / "stack", tls=authority.issue("localhost")) as url:

        async def greet(options):
            trusting = dataclasses.replace(settings, url=Secret(f"{url}?{options}"), start_patience=timedelta(0))
            async with Database(trusting) as database:
                await database.check()

        await greet(f"sslmode=verify-full&sslrootcert={authority.ca_file}")
        with pytest.raises(Unavailable):
            await greet("sslmode=disable")
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        stranger = Authority.new(elsewhere)
        with pytest.raises(Unavailable):
            await greet(f"sslmode=verify-full&sslrootcert={stranger.ca_file}")


@pytest.fixture
async def through(pooled):
    async with Database(pooled) as database:
        yield database


async def test_this_pooler_is_one_that_bites(pooled):
    """Prepared statements are another client's here: with a cache of them the same work fails."""
    caching = dataclasses.replace(pooled, statement_cache=100)
    async with Database(caching) as database:

        async def look(number):
            async with database.transaction() as tx:
                await tx.fetchval(f"SELECT {number} + $1::int", number)

        with pytest.raises(Exception, match="An unexpected error"):
            for _ in range(20):
                await asyncio.gather(*(look(number) for number in range(CLIENTS)))


async def test_tenants_at_once_never_see_each_other(through, admin):
    tenants = [uuid4() for _ in range(CLIENTS)]
    await admin.executemany(INSERT, [(tenant, str(tenant)) for tenant in tenants])
    backends = set()

    async def look(tenant):
        for _ in range(10):
            async with through.tenant(tenant).transaction() as tx:
                assert await tx.fetchval("SELECT array_agg(text) FROM notes") == [str(tenant)]
                backends.add(await tx.fetchval("SELECT pg_backend_pid()"))
            async with through.transaction() as tx:
                assert await tx.fetchval("SELECT count(*) FROM notes") == 0

    await asyncio.gather(*map(look, tenants))
    assert through.stats().open == CLIENTS
    assert len(backends) <= 2


async def test_savepoints_and_isolation(through, admin):
    tenant = through.tenant(uuid4())
    async with tenant.transaction(isolation="serializable") as tx:
        await tx.execute(INSERT, tenant.tenant_id, "kept")
        with pytest.raises(asyncpg.UniqueViolationError):
            async with tx.transaction():
                await tx.execute(INSERT, tenant.tenant_id, "kept")
    assert await admin.fetchval("SELECT count(*) FROM notes") == 1


async def test_health_while_others_work(through):
    await asyncio.gather(*(through.check() for _ in range(CLIENTS * 4)))


async def test_requests_are_done_once(through, owner, role):
    ddl = files("postgreskit").joinpath("idempotency.sql").read_text()
    target = Target(identifiers={"application_role": role})
    await migrate(Secret(owner), migrations_of({"0001_idempotent_requests.sql": ddl}), target)
    tenant, done = through.tenant(uuid4()), []
    key = request_key(caller="me", method="/m", request_id=str(uuid4()), payload=b"", tenant_id=tenant.tenant_id)

    async def add():
        async with tenant.transaction() as tx:
            return await once(tx, key, work)

    async def work():
        done.append(1)
        return b"done"

    assert set(await asyncio.gather(*(add() for _ in range(CLIENTS * 2)))) == {b"done"}
    assert len(done) == 1
    async with through.transaction() as tx:
        assert await sweep(tx) == 0


async def test_pages(through, admin):
    tenant = through.tenant(uuid4())
    await admin.executemany(INSERT, [(tenant.tenant_id, str(number)) for number in range(7)])
    pages = Pages(PageTokens([b"k" * 32]), "/m")
    token, seen = "", []
    while True:
        page = pages.open(size=2, token=token, order=(Column("text", descending=True),))
        async with tenant.transaction() as tx:
            result = await page.fetch(tx, "SELECT * FROM notes")
        seen += [row["text"] for row in result.rows]
        token = result.next_token
        if not token:
            break
    assert seen == list("6543210")


async def test_wake_ups_go_past_it(pooled, settings, until):
    direct = dataclasses.replace(pooled, direct_url=settings.url)
    async with Listener(direct, "work") as listener:

        async def connected():
            return listener._connected.is_set()

        await until(connected)
        listener.wake()
        wakeups = listener.wakeups()
        for _ in range(2):
            await asyncio.wait_for(anext(wakeups), 20)
        await wakeups.aclose()
