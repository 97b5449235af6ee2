import asyncpg
import pytest
from temporalio.client import Client


async def test_each_database_is_fresh(postgres):
    first, second = await postgres.database(), await postgres.database()
    assert first != second
    connection = await asyncpg.connect(first)
    await connection.execute("create table only_here (n int)")
    await connection.close()
    connection = await asyncpg.connect(second)
    assert await connection.fetchval("select to_regclass('only_here')") is None
    await connection.close()


async def test_texts_are_utf8_and_ordered_alike_everywhere(postgres):
    connection = await asyncpg.connect(postgres.dsn)
    row = await connection.fetchrow(
        "select pg_encoding_to_char(encoding) as encoding, datlocprovider as provider, datlocale as locale,"
        " upper('straße é') as upper from pg_database where datname = current_database()"
    )
    await connection.close()
    assert tuple(row) == ("UTF8", b"b", "C.UTF-8", "STRAßE É")


async def test_postgres_keeps_its_data_over_a_stop_and_a_crash(postgres):
    dsn = await postgres.database()
    connection = await asyncpg.connect(dsn)
    await connection.execute("create table kept as select 1 as n")
    await connection.execute("checkpoint")
    await connection.close()
    for end in (postgres.stop, postgres.kill):
        await end()
        with pytest.raises(ConnectionRefusedError):
            await asyncpg.connect(dsn)
        await postgres.start()
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("select n from kept") == 1
        await connection.close()


async def test_temporal_serves_its_namespace_after_a_restart(temporal):
    client = await Client.connect(temporal.address, namespace=temporal.namespace)
    assert await client.count_workflows() is not None
    await temporal.stop()
    await temporal.start()
    client = await Client.connect(temporal.address, namespace=temporal.namespace)
    assert (await client.count_workflows()).count == 0
