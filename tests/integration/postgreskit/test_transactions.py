import asyncio
import dataclasses
import logging
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from faults import Aborted, AlreadyExists, Exhausted, Internal, NotFound, Timeout, Unavailable
from postgreskit import Database, PoolStats, constraint_faults, retrying
from postgreskit.pool import is_gone

pytestmark = pytest.mark.usefixtures("notes")

INSERT = "INSERT INTO notes (tenant_id, text) VALUES ($1, $2)"


def taken():
    return AlreadyExists("That text is taken.", reason="TEXT_TAKEN")


@pytest.fixture
def acme(database):
    return database.tenant(uuid4())


async def texts(admin):
    return [row["text"] for row in await admin.fetch("SELECT text FROM notes ORDER BY text")]


async def test_a_block_that_ends_is_committed(acme, admin):
    async with acme.transaction() as tx:
        await tx.execute(INSERT, acme.tenant_id, "kept")
    assert await texts(admin) == ["kept"]


async def test_a_block_that_raises_is_rolled_back_and_its_fault_passes_unchanged(acme, admin):
    fault = NotFound("No.", reason="NOTE_NOT_FOUND")
    with pytest.raises(NotFound) as caught:
        async with acme.transaction() as tx:
            await tx.execute(INSERT, acme.tenant_id, "lost")
            raise fault
    assert caught.value is fault
    assert await texts(admin) == []


async def test_a_cancelled_block_is_rolled_back_and_its_connection_serves_on(acme, admin, until):
    async def sleeper():
        async with acme.transaction() as tx:
            await tx.execute(INSERT, acme.tenant_id, "lost")
            started.set()
            await tx.execute("SELECT pg_sleep(60)")

    started = asyncio.Event()
    task = asyncio.create_task(sleeper())
    await started.wait()
    here = "FROM pg_stat_activity WHERE datname = current_database()"
    await until(lambda: admin.fetchval(f"SELECT count(*) {here} AND query = 'SELECT pg_sleep(60)'"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await texts(admin) == []
    async with acme.transaction() as tx:
        assert await tx.fetchval("SELECT count(*) FROM notes") == 0


async def test_a_nested_transaction_is_a_savepoint(acme, admin):
    async with acme.transaction() as tx:
        await tx.execute(INSERT, acme.tenant_id, "kept")
        with pytest.raises(AlreadyExists), constraint_faults({"notes_text_key": taken}):
            async with tx.transaction():
                await tx.execute(INSERT, acme.tenant_id, "undone")
                await tx.execute(INSERT, acme.tenant_id, "kept")
        await tx.execute(INSERT, acme.tenant_id, "after")
    assert await texts(admin) == ["after", "kept"]


# --------------------------------------------------------------------------------------------------------- tenants


async def test_a_tenant_sees_its_own_rows_alone(database, admin):
    one, other = uuid4(), uuid4()
    await admin.executemany(INSERT, [(one, "mine"), (other, "theirs")])
    async with database.tenant(one).transaction() as tx:
        assert await tx.fetchval("SELECT string_agg(text, ',') FROM notes") == "mine"
        assert await tx.execute("UPDATE notes SET text = 'seen'") == "UPDATE 1"
        assert await tx.execute("DELETE FROM notes WHERE tenant_id = $1", other) == "DELETE 0"


async def test_without_a_tenant_nothing_is_seen_even_after_one(database, admin):
    tenant = uuid4()
    await admin.execute(INSERT, tenant, "mine")
    for _ in range(3):  # the same connection, since nobody else uses the pool
        async with database.tenant(str(tenant)).transaction() as tx:
            assert await tx.fetchval("SELECT count(*) FROM notes") == 1
        async with database.transaction() as tx:
            assert await tx.fetchval("SELECT count(*) FROM notes") == 0
    assert database.stats().open == 1


async def test_transactions_of_a_session_follow_each_other_on_one_connection(database, admin):
    one, other = uuid4(), uuid4()
    async with database.session() as session:
        for tenant in (one, other):
            async with session.transaction(tenant) as tx:
                await tx.execute(INSERT, tenant, str(tenant))
                assert await tx.fetchval("SELECT count(*) FROM notes") == 1
        with pytest.raises(AlreadyExists):
            async with session.transaction(one, constraints={"notes_text_key": taken}) as tx:
                await tx.execute(INSERT, one, str(one))
        async with session.transaction(readonly=True) as tx:  # of no tenant, and what was refused is no hindrance
            assert await tx.fetchval("SELECT count(*) FROM notes") == 0
    assert await texts(admin) == sorted(map(str, (one, other)))
    assert database.stats() == PoolStats(open=1, idle=1, max=4)


async def test_a_session_whose_connection_breaks_says_so_until_it_ends(database, admin):
    async with database.session() as session:
        with pytest.raises(Unavailable):
            async with session.transaction() as tx:
                await admin.execute("SELECT pg_terminate_backend($1)", tx.get_server_pid())
                await tx.execute("SELECT 1")
        with pytest.raises(Unavailable):
            async with session.transaction():
                pytest.fail("there is no connection to begin on")
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT 1") == 1


async def test_a_transaction_that_is_stopped_before_it_sees_its_tenant_is_no_hindrance(database, monkeypatch):
    execute, stopped = asyncpg.Connection.execute, []

    async def stop(connection, query, *arguments, **options):
        if query.startswith("SET LOCAL") and not stopped:
            stopped.append(query)
            raise asyncio.CancelledError
        return await execute(connection, query, *arguments, **options)

    monkeypatch.setattr(asyncpg.Connection, "execute", stop)
    async with database.session() as session:
        with pytest.raises(asyncio.CancelledError):
            async with session.transaction(uuid4()):
                pytest.fail("it has not begun")
        async with session.transaction(uuid4()) as tx:
            assert await tx.fetchval("SELECT count(*) FROM notes") == 0
    assert len(stopped) == 1


async def test_writing_for_another_tenant_fails_and_tells_nothing(acme, admin, caplog):
    with pytest.raises(Internal) as caught:
        async with acme.transaction() as tx:
            await tx.execute(INSERT, uuid4(), "planted")
    assert "row-level" not in str(caught.value)
    assert "row-level security" in caplog.text
    assert await texts(admin) == []


def test_a_tenant_id_is_a_uuid(database):
    with pytest.raises(ValueError, match="badly formed"):
        database.tenant("x'; DROP TABLE notes; --")
    assert database.tenant(UUID(int=1)) == database.tenant(str(UUID(int=1)))


async def test_tenants_at_once_never_see_each_other(database, admin):
    tenants = [uuid4() for _ in range(8)]
    await admin.executemany(INSERT, [(tenant, str(tenant)) for tenant in tenants])

    async def look(tenant):
        for _ in range(10):
            async with database.tenant(tenant).transaction() as tx:
                assert await tx.fetchval("SELECT array_agg(text) FROM notes") == [str(tenant)]

    async with asyncio.TaskGroup() as group:
        for tenant in tenants:
            group.create_task(look(tenant))


# --------------------------------------------------------------------------------------------------- what goes wrong


async def test_a_broken_constraint_is_the_fault_its_caller_names(acme):
    with pytest.raises(AlreadyExists) as caught:
        async with acme.transaction(constraints={"notes_text_key": taken}) as tx:
            await tx.execute(INSERT, acme.tenant_id, "same")
            await tx.execute(INSERT, acme.tenant_id, "same")
    assert caught.value.reason == "TEXT_TAKEN"


async def test_a_constraint_that_is_checked_at_the_commit_is_the_same_fault(acme):
    with pytest.raises(AlreadyExists):
        async with acme.transaction(constraints={"notes_text_key": taken}) as tx:
            await tx.execute("SET CONSTRAINTS ALL DEFERRED")
            await tx.execute(INSERT, acme.tenant_id, "same")
            await tx.execute(INSERT, acme.tenant_id, "same")


async def test_a_constraint_nobody_names_is_a_bug_of_ours_and_the_row_stays_out_of_the_log(acme, caplog):
    with pytest.raises(Internal) as caught:
        async with acme.transaction(constraints={"notes_text_key": taken}) as tx:
            await tx.execute(INSERT, acme.tenant_id, "")
    assert (caught.value.reason, caught.value.domain) == ("UNEXPECTED", "tenantmesh")
    assert "notes_text_not_empty" in caplog.text
    assert str(acme.tenant_id) not in caplog.text  # "Failing row contains (…)"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_a_constraint_of_a_block_leaves_others_alone(acme):
    with pytest.raises(Internal):
        async with acme.transaction() as tx:
            with constraint_faults({"notes_text_key": taken}):
                await tx.execute(INSERT, acme.tenant_id, "")


async def test_a_value_that_is_none_stays_out_of_the_log(database, caplog):
    for statement, argument in (("SELECT $1::text::uuid", "hunter2"), ("SELECT $1::int", "hunter2")):
        with pytest.raises(Internal):
            async with database.transaction() as tx:
                await tx.fetchval(statement, argument)
    assert "hunter2" not in caplog.text
    assert "invalid input" in caplog.text


async def test_a_statement_that_takes_too_long(settings):
    quick = dataclasses.replace(settings, command_timeout=timedelta(milliseconds=100))
    async with Database(quick, name="ledger") as database:
        with pytest.raises(Timeout) as caught:
            async with database.transaction() as tx:
                await tx.execute("SELECT pg_sleep(30)")
        assert (caught.value.reason, caught.value.facts) == ("DEPENDENCY_TIMED_OUT", {"dependency": "ledger"})
        await database.check()


@pytest.mark.parametrize(
    ("setting", "statement"),
    [("statement_timeout", "SELECT pg_sleep(30)"), ("lock_timeout", "SELECT FROM notes FOR UPDATE")],
)
async def test_limits_of_the_server_itself(acme, admin, setting, statement):
    await admin.execute(INSERT, acme.tenant_id, "held")
    async with admin.transaction():
        await admin.execute("SELECT FROM notes FOR UPDATE")
        with pytest.raises(Timeout):
            async with acme.transaction() as tx:
                await tx.execute(f"SET LOCAL {setting} = '50ms'")
                await tx.execute(statement)


async def test_a_session_left_idle_in_its_transaction(acme, until):
    with pytest.raises(Unavailable):
        async with acme.transaction() as tx:
            await tx.execute("SET LOCAL idle_in_transaction_session_timeout = '20ms'")

            async def cut():
                return is_gone(tx)

            await until(cut)
            await tx.execute("SELECT 1")


async def test_writing_where_only_reading_is_allowed(acme):
    with pytest.raises(Unavailable):  # as on a server that is no longer the primary
        async with acme.transaction(readonly=True) as tx:
            await tx.execute(INSERT, acme.tenant_id, "lost")


async def test_no_room_left(acme):
    with pytest.raises(Exhausted) as caught:
        async with acme.transaction() as tx:
            await tx.execute("DO $$ BEGIN RAISE SQLSTATE '53100' USING MESSAGE = 'disk full'; END $$")
    assert caught.value.reason == "DEPENDENCY_EXHAUSTED"
    assert caught.value.retry_after is not None


async def test_every_connection_the_server_allows_is_taken(admin, role, settings):
    await admin.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0")
    with pytest.raises(Exhausted):
        async with Database(dataclasses.replace(settings, start_patience=timedelta(0))):
            pass


# ------------------------------------------------------------------------------------------------------------- races


async def test_a_deadlock_is_done_again_and_both_changes_happen(database, admin):
    tenant = uuid4()
    await admin.executemany(INSERT, [(tenant, "a"), (tenant, "b")])
    each_holds_one = asyncio.Barrier(2)
    tries = []

    async def change(tx, letter, mark):
        await tx.execute("UPDATE notes SET text = text || $2 WHERE starts_with(text, $1)", letter, mark)

    async def work(first, second, mark):
        tries.append(mark)
        async with database.tenant(tenant).transaction() as tx:
            await change(tx, first, mark)
            if len(tries) <= 2:
                await each_holds_one.wait()
            await change(tx, second, mark)

    async with asyncio.TaskGroup() as group:
        group.create_task(retrying(lambda: work("a", "b", "1")))
        group.create_task(retrying(lambda: work("b", "a", "2")))
    assert len(tries) == 3
    winner = "12" if tries[-1] == "2" else "21"
    assert await texts(admin) == [f"a{winner}", f"b{winner}"]


async def test_serializable_transactions_that_lose_are_done_again(database, admin):
    tenant = uuid4()

    async def add():
        async with database.tenant(tenant).transaction(isolation="serializable") as tx:
            count = await tx.fetchval("SELECT count(*) FROM notes")
            await tx.execute(INSERT, tenant, str(count))

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(retrying(add, attempts=20))
    assert await texts(admin) == ["0", "1", "2", "3"]


async def test_a_lost_race_is_not_tried_again_unless_asked(acme, admin):
    await admin.execute(INSERT, acme.tenant_id, "first")
    with pytest.raises(Aborted) as caught:
        async with acme.transaction(isolation="repeatable_read") as tx:
            await tx.fetch("SELECT FROM notes")
            await admin.execute("UPDATE notes SET text = 'faster'")
            await tx.execute("UPDATE notes SET text = 'slower'")
    assert caught.value.reason == "CONCURRENT_CHANGE"
    assert await texts(admin) == ["faster"]


async def test_expected_trouble_is_no_error_in_the_log(database, caplog):
    caplog.set_level(logging.INFO)
    with pytest.raises(Aborted):
        async with database.transaction() as tx:
            await tx.execute("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")
    assert [record.levelname for record in caplog.records if record.name == "postgreskit.errors"] == ["INFO"]
    assert asyncpg.SerializationError.__name__ in caplog.text
