import asyncio
import dataclasses
import logging
from datetime import timedelta

import pytest

from faults import Exhausted, Internal, Timeout, Unavailable
from postgreskit import Database, DatabaseSettings, PoolStats
from postgreskit import pool as pools
from settingskit import Secret

SECOND = timedelta(seconds=1)


async def test_it_is_a_resource(settings):
    database = Database(settings, name="ledger", application="tenants")
    assert database.name == "ledger"
    async with database:
        await database.check()
        assert database.stats() == PoolStats(open=1, idle=1, max=4)
        async with database.transaction() as tx:
            assert await tx.fetchval("SHOW application_name") == "tenants"
            assert database.stats() == PoolStats(open=1, idle=0, max=4)
    with pytest.raises(RuntimeError, match="ledger is not open"):
        await database.check()


async def test_it_can_be_opened_again(settings):
    database = Database(settings)
    for _ in range(2):
        async with database:
            await database.check()


async def test_it_says_nothing_of_its_secrets(settings, database, caplog, admin, role):
    caplog.set_level(logging.DEBUG)
    assert "hunter2" not in repr(database) + repr(settings)
    await admin.execute(f"ALTER ROLE {role} PASSWORD 'changed'")
    with pytest.raises(Unavailable) as caught:
        async with Database(dataclasses.replace(settings, start_patience=timedelta(0))):
            pass
    assert "password authentication failed" in caplog.text
    assert "hunter2" not in caplog.text + repr(caught.value)
    assert caught.value.__cause__ is None


async def test_an_address_the_driver_refuses_is_not_shown(settings, caplog):
    odd = Secret("postgresql://me:hunter2@127.0.0.1/db?sslmode=hunter2")
    with pytest.raises(Internal) as caught:
        async with Database(dataclasses.replace(settings, url=odd)):
            pass
    assert "hunter2" not in caplog.text + repr(caught.value)
    assert "ClientConfigurationError" in caplog.text


async def test_options_of_the_address_are_obeyed(settings, address):
    strict = dataclasses.replace(settings, url=Secret(f"{address}?sslmode=require"), start_patience=timedelta(0))
    with pytest.raises(Unavailable):  # this server has no TLS
        async with Database(strict):
            pass


# --------------------------------------------------------------------------------------------------------- the start


async def test_a_start_waits_for_the_database(settings, admin, role):
    await admin.execute(f"ALTER ROLE {role} NOLOGIN")
    opening = asyncio.create_task(Database(settings).__aenter__())
    await asyncio.sleep(0.2)
    assert not opening.done()
    await admin.execute(f"ALTER ROLE {role} LOGIN")
    database = await opening
    await database.check()
    await database.__aexit__(None, None, None)


async def test_a_start_gives_up():
    nobody = DatabaseSettings(url=Secret("postgresql://me:hunter2@127.0.0.1:1/db"), start_patience=SECOND / 4)
    with pytest.raises(Unavailable) as caught:
        async with asyncio.timeout(5), Database(nobody, name="ledger"):
            pass
    assert (caught.value.reason, caught.value.facts) == ("DEPENDENCY_UNAVAILABLE", {"dependency": "ledger"})


async def test_a_start_can_be_cancelled():
    nobody = DatabaseSettings(url=Secret("postgresql://me:hunter2@127.0.0.1:1/db"))
    opening = asyncio.create_task(Database(nobody).__aenter__())
    await asyncio.sleep(0.05)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening


# ---------------------------------------------------------------------------------------------------------- the pool


async def test_a_full_pool_refuses_after_a_while(settings):
    small = dataclasses.replace(settings, pool_max=1, pool_wait=SECOND / 10)
    async with Database(small) as database, database.transaction():
        with pytest.raises(Exhausted) as caught:
            async with database.transaction():
                pass
    assert (caught.value.reason, caught.value.facts["limit"]) == ("OVERLOADED", "1")
    assert caught.value.retry_after == SECOND


async def test_connections_are_replaced_by_age(settings, until):
    young = dataclasses.replace(settings, max_age=SECOND / 20)
    async with Database(young) as database:
        seen = set()

        async def three_servers():
            async with database.transaction() as tx:
                seen.add(await tx.fetchval("SELECT pg_backend_pid()"))
            return len(seen) >= 3

        await until(three_servers)


async def test_idle_connections_are_closed(settings, until):
    impatient = dataclasses.replace(settings, pool_min=0, max_idle=SECOND / 20)
    async with Database(impatient) as database:
        await database.check()

        async def closed():
            return database.stats().open == 0

        await until(closed)
        await database.check()


async def test_closing_waits_for_transactions_that_end_soon(settings):
    database = await Database(settings).__aenter__()
    began = asyncio.Event()

    async def work():
        async with database.transaction() as tx:
            began.set()
            return await tx.fetchval("SELECT 'done' FROM pg_sleep(0.2)")

    task = asyncio.create_task(work())
    await began.wait()
    await database.__aexit__(None, None, None)
    assert await task == "done"


async def test_closing_cuts_transactions_that_do_not(settings, monkeypatch, caplog):
    monkeypatch.setattr("postgreskit.pool.CLOSE_PATIENCE", SECOND / 10)
    database = await Database(settings).__aenter__()
    began = asyncio.Event()

    async def work():
        async with database.transaction() as tx:
            began.set()
            await tx.fetchval("SELECT pg_sleep(60)")

    task = asyncio.create_task(work())
    await began.wait()
    await database.__aexit__(None, None, None)
    with pytest.raises(Unavailable):
        await task
    assert "were cut" in caplog.text


# ------------------------------------------------------------------------------------------------- a network that fails


async def test_a_connection_cut_in_the_middle_of_a_statement(proxied):
    async with proxied() as (proxy, database):
        with pytest.raises(Unavailable):
            async with database.transaction() as tx:
                statement = asyncio.create_task(tx.execute("SELECT pg_sleep(60)"))
                await asyncio.sleep(0.05)
                proxy.cut()
                await statement
        await database.check()


async def test_a_backend_that_is_terminated(database, admin):
    for when in ("before", "between"):
        with pytest.raises(Unavailable):
            async with database.transaction() as tx:
                pid = await tx.fetchval("SELECT pg_backend_pid()")
                await admin.execute("SELECT pg_terminate_backend($1, 5000)", pid)
                if when == "between":
                    await tx.execute("SELECT 1")
        await database.check()


async def test_a_connection_cut_while_it_was_idle_is_replaced(proxied, until, serves):
    async with proxied() as (proxy, database):
        proxy.cut()
        await until(serves(database))


async def test_a_connection_that_breaks_after_the_commit_is_no_failure(proxied, caplog):
    caplog.set_level(logging.INFO)
    async with proxied(pool_wait=SECOND / 10) as (proxy, database):
        pool = database._pool
        connection = await pools.acquire(pool, SECOND / 10, "ledger")
        await pool.expire_connections()
        proxy.blackhole = True
        await pools.release(pool, connection, "ledger")  # says goodbye to the server, and hears nothing
        assert "broke when it was given back" in caplog.text
        await proxy.heal()
        await database.check()


async def test_no_connection_in_time(proxied):
    async with proxied(pool_min=0, pool_wait=SECOND / 10) as (proxy, database):
        proxy.blackhole = True
        with pytest.raises(Unavailable):
            async with database.transaction():
                pass
        await proxy.heal()
        await database.check()


async def test_nobody_answers_new_connections(proxied):
    async with proxied(pool_min=0) as (proxy, database):
        await proxy.refuse()
        with pytest.raises(Unavailable):
            await database.check()
        await proxy.heal()
        await database.check()


async def test_a_network_that_swallows_everything_is_a_bounded_wait(proxied):
    async with proxied(command_timeout=SECOND / 10, pool_wait=SECOND / 5) as (proxy, database):
        with pytest.raises(Timeout):
            async with asyncio.timeout(5), database.transaction() as tx:
                proxy.blackhole = True
                await tx.execute("SELECT 1")
        await proxy.heal()
        await database.check()


@pytest.fixture
def serves():
    """Whether the database answers by now."""

    def serves(database):
        async def answer():
            try:
                await database.check()
            except Unavailable:
                return False
            return True

        return answer

    return serves


async def test_a_server_that_crashed_and_came_back(own_postgres, until, serves):
    async with Database(DatabaseSettings(url=Secret(own_postgres.dsn), pool_wait=SECOND)) as database:
        async with database.transaction() as tx:
            await tx.execute("CREATE TABLE kept ()")
        await own_postgres.kill()

        async def gone():  # not at once: its children notice that they are orphans
            return not await serves(database)()

        await until(gone)
        await own_postgres.start()
        await until(serves(database))
