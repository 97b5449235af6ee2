import asyncio
import sys
from datetime import timedelta

import asyncpg
import pytest

from faults import Conflict, Internal, NotFound, Timeout, Unavailable
from postgreskit import MigrationReport, Newer, Target, migrate, migrate_on
from postgreskit.migration_files import migrations_of
from settingskit import Secret

FIRST = {"0001_things.sql": "CREATE TABLE things (id int PRIMARY KEY);"}
SECOND = {"0002_more.sql": "ALTER TABLE things ADD COLUMN name text; INSERT INTO things VALUES (1, 'one');"}
BOTH = migrations_of(FIRST | SECOND)
INDEX = """-- postgreskit: no transaction
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS things_name ON things (name);
"""


@pytest.fixture
def migrated(owner):
    async def migrated(migrations, **target):
        return await migrate(Secret(owner), migrations, Target(**target))

    return migrated


async def tables(admin, schema="public"):
    rows = await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1", schema)
    return [row[0] for row in rows]


async def test_files_run_once_and_in_order(migrated, admin):
    assert await migrated(BOTH) == MigrationReport("public", ("0001_things.sql", "0002_more.sql"))
    assert await migrated(BOTH) == MigrationReport("public")
    assert await admin.fetch("SELECT id, name FROM things") == [(1, "one")]
    rows = await admin.fetch(
        "SELECT version, file, took >= '0' AS timed, applied_at <= now() AS dated FROM schema_migrations"
    )
    assert [tuple(row) for row in rows] == [(1, "0001_things.sql", True, True), (2, "0002_more.sql", True, True)]


async def test_a_later_release_runs_what_is_new(migrated):
    await migrated(migrations_of(FIRST))
    assert (await migrated(BOTH)).applied == ("0002_more.sql",)


async def test_no_files_are_no_work(migrated, admin):
    assert await migrated(()) == MigrationReport("public")
    assert await tables(admin) == []


async def test_a_failing_file_leaves_nothing_of_itself_and_all_before_it(migrated, admin, caplog):
    broken = {"0003_broken.sql": "CREATE TABLE half (id int); SELECT nonsense;"}
    with pytest.raises(Internal) as caught:
        await migrated(migrations_of(FIRST | SECOND | broken))
    assert (caught.value.reason, caught.value.facts["file"]) == ("MIGRATION_FAILED", "0003_broken.sql")
    assert "nonsense" not in str(caught.value)
    assert 'column "nonsense" does not exist' in caplog.text
    assert await tables(admin) == ["schema_migrations", "things"]
    mended = {"0003_broken.sql": "CREATE TABLE half (id int);"}
    assert (await migrated(migrations_of(FIRST | SECOND | mended))).applied == ("0003_broken.sql",)


@pytest.mark.parametrize(
    ("files", "reason", "file"),
    [
        (FIRST | {"0002_more.sql": "SELECT 1;"}, "MIGRATION_EDITED", "0002_more.sql"),
        (FIRST | {"0002_renamed.sql": SECOND["0002_more.sql"]}, "MIGRATION_RENAMED", "0002_renamed.sql"),
    ],
)
async def test_a_past_that_changed_is_refused(migrated, files, reason, file):
    await migrated(BOTH)
    with pytest.raises(Conflict) as caught:
        await migrated(migrations_of(files))
    assert (caught.value.reason, caught.value.facts) == (reason, {"file": file})
    assert file in caught.value.message


async def test_a_hole_in_the_past_is_refused(migrated, admin):
    await migrated(BOTH)
    await admin.execute("DELETE FROM schema_migrations WHERE version = 1")
    with pytest.raises(Conflict) as caught:
        await migrated(BOTH)
    assert caught.value.reason == "MIGRATION_MISSING"


async def test_an_older_release_starts_beside_a_newer_one_unless_told_not_to(migrated):
    await migrated(BOTH)
    older = migrations_of(FIRST)
    assert await migrated(older) == MigrationReport("public", unknown=("0002_more.sql",))
    with pytest.raises(Conflict) as caught:
        await migrated(older, newer=Newer.REFUSE)
    assert (caught.value.reason, caught.value.facts) == ("MIGRATION_UNKNOWN", {"file": "0002_more.sql"})


# --------------------------------------------------------------------------------------------------------- schemas


async def test_each_schema_has_a_past_of_its_own(owner, admin):
    schemas = [f'tenant "{number}"' for number in range(6)]
    for schema in schemas:
        await admin.execute('CREATE SCHEMA "{}"'.format(schema.replace('"', '""')))

    async def some(mine):
        connection = await asyncpg.connect(owner)
        try:
            return [await migrate_on(connection, BOTH, Target(schema=schema)) for schema in mine]
        finally:
            await connection.close()

    reports = await asyncio.gather(some(schemas[::2]), some(schemas[1::2]))
    assert sorted(report.schema for group in reports for report in group) == schemas
    for schema in schemas:
        assert await tables(admin, schema) == ["schema_migrations", "things"]
    assert await tables(admin) == []


async def test_a_schema_that_is_not_there(migrated):
    with pytest.raises(NotFound) as caught:
        await migrated(BOTH, schema="nowhere")
    assert (caught.value.reason, caught.value.facts) == ("MIGRATION_SCHEMA_MISSING", {"schema": "nowhere"})


async def test_a_file_cannot_disturb_the_next_one_or_the_session(owner, admin):
    await admin.execute("CREATE SCHEMA ours")
    files = {
        "0001_dumped.sql": "SELECT set_config('search_path', '', false); SET lock_timeout = 1; CREATE TABLE ours.a ();",
        "0002_plain.sql": "CREATE TABLE b ();",
    }
    connection = await asyncpg.connect(owner)
    await migrate_on(connection, migrations_of(files), Target(schema="ours"))
    assert await tables(admin, "ours") == ["a", "b", "schema_migrations"]
    assert await connection.fetchval("SHOW lock_timeout") == "0"
    assert await connection.fetchval("SHOW search_path") == '"$user", public'
    await connection.close()


async def test_names_that_differ_between_places_are_filled_in(migrated, admin, role):
    files = FIRST | {"0002_grant.sql": 'GRANT SELECT ON things TO :"application_role";'}
    await migrated(migrations_of(files), identifiers={"application_role": role})
    assert await admin.fetchval("SELECT has_table_privilege($1, 'things', 'SELECT')", role)
    assert (await migrated(migrations_of(files), identifiers={"application_role": "another"})).applied == ()


# ------------------------------------------------------------------------------------------------------ side by side

REPLICA = """
import asyncio, sys
from postgreskit import Target, migrate
from postgreskit.migration_files import migrations_of
from settingskit import Secret
sys.stdin.readline()
files = {f"{n:04}_step.sql": f"SELECT pg_sleep(0.01); CREATE TABLE step_{n} ();" for n in range(1, 6)}
files["0006_index.sql"] = "-- postgreskit: no transaction\\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (id);"
files["0005_step.sql"] = "CREATE TABLE t (id int);"
print(len(asyncio.run(migrate(Secret(sys.argv[1]), migrations_of(files))).applied))
"""


async def test_eight_replicas_that_start_at_once(owner, admin):
    replicas = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", REPLICA, owner, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(8)
    ]
    outputs = await asyncio.gather(*(replica.communicate(b"go\n") for replica in replicas))
    assert [replica.returncode for replica in replicas] == [0] * 8
    assert sum(int(output) for output, _ in outputs) == 6
    assert await admin.fetchval("SELECT count(*) FROM schema_migrations") == 6
    assert await admin.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass")


async def test_the_wait_for_another_process_is_bounded(migrated, owner, until, admin):
    slow = migrations_of({"0001_slow.sql": "SELECT pg_sleep(60);"})
    first = asyncio.create_task(migrate(Secret(owner), slow))
    held = """
        SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE locktype = 'advisory' AND granted AND datname = current_database()"""
    await until(lambda: admin.fetchval(held))
    with pytest.raises(Timeout) as caught:
        await migrated(slow, patience=timedelta(milliseconds=200))
    assert caught.value.reason == "MIGRATION_LOCKED"
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await migrated(BOTH)).applied == ("0001_things.sql", "0002_more.sql")  # its lock went with it


async def test_the_wait_for_a_table_is_bounded(migrated, admin):
    await migrated(migrations_of(FIRST))
    async with admin.transaction():
        await admin.execute("LOCK TABLE things IN ACCESS SHARE MODE")
        with pytest.raises(Timeout) as caught:
            await migrated(BOTH, lock_timeout=timedelta(milliseconds=50))
    assert caught.value.facts["file"] == "0002_more.sql"
    assert (await migrated(BOTH)).applied == ("0002_more.sql",)


# ------------------------------------------------------------------------------------------------ without transaction


async def test_an_index_is_built_without_locking_its_table(migrated, admin):
    assert (await migrated(migrations_of(FIRST | SECOND | {"0003_index.sql": INDEX}))).applied[-1] == "0003_index.sql"
    assert await admin.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_name'::regclass")


async def test_an_index_whose_build_failed_is_built_again(migrated, admin):
    await migrated(BOTH)
    await admin.execute("INSERT INTO things VALUES (2, 'one')")  # a duplicate, so the build fails in the middle
    indexed = migrations_of(FIRST | SECOND | {"0003_index.sql": INDEX})
    with pytest.raises(Internal):
        await migrated(indexed)
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_name'::regclass"
    assert await admin.fetchval(valid) is False  # what IF NOT EXISTS would take for the index
    await admin.execute("DELETE FROM things WHERE id = 2")
    assert (await migrated(indexed)).applied == ("0003_index.sql",)
    assert await admin.fetchval(valid) is True


async def test_a_file_that_ran_but_was_not_recorded_runs_again(migrated, admin):
    indexed = migrations_of(FIRST | SECOND | {"0003_index.sql": INDEX})
    await migrated(indexed)
    await admin.execute("DELETE FROM schema_migrations WHERE version = 3")
    assert (await migrated(indexed)).applied == ("0003_index.sql",)


async def test_waiting_for_the_lock_does_not_stop_an_index_from_being_built(migrated, admin, owner, until):
    await migrated(BOTH)
    indexed = migrations_of(FIRST | SECOND | {"0003_index.sql": INDEX})
    async with admin.transaction():  # holds up the build, which waits for everybody who might still write
        await admin.execute("LOCK TABLE things IN ROW EXCLUSIVE MODE")
        replicas = [asyncio.create_task(migrate(Secret(owner), indexed)) for _ in range(3)]
        watch = await asyncpg.connect(owner)
        await until(lambda: watch.fetchval("SELECT count(*) FROM pg_stat_progress_create_index"))
        await watch.close()
        await asyncio.sleep(0.3)  # the others ask for the lock meanwhile
    applied = [report.applied for report in await asyncio.gather(*replicas)]
    assert sorted(applied) == [(), (), ("0003_index.sql",)]


# --------------------------------------------------------------------------------------------------------- the network


async def test_nobody_answers():
    with pytest.raises(Unavailable) as caught:
        await migrate(Secret("postgresql://me:hunter2@127.0.0.1:1/db"), BOTH)
    assert "hunter2" not in repr(caught.value)


async def test_a_connection_that_is_cut_leaves_a_whole_number_of_files(migrated, owner, admin, until):
    slow = migrations_of(FIRST | {"0002_slow.sql": "CREATE TABLE half (); SELECT pg_sleep(60);"})
    task = asyncio.create_task(migrate(Secret(owner), slow))
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    sleeping = f"{others} AND query LIKE '%pg_sleep(60)%'"
    await until(lambda: admin.fetchval(f"SELECT count(*) {sleeping}"))
    await admin.execute(f"SELECT pg_terminate_backend(pid) {sleeping}")
    with pytest.raises(Unavailable):
        await task
    assert await tables(admin) == ["schema_migrations", "things"]
    assert (await migrated(BOTH)).applied == ("0002_more.sql",)
