"""What one tenant can see and do of another's: nothing, tried as the tenant itself."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from storage_service.schemas.model import Limits, Tier

DENIED = (asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedTableError)


@pytest.fixture(scope="module")
async def pair(world):
    """Two tenants with schemas of their own, both seeded, and the first one signed in."""
    first, second = [await world.made(Tier.SILO, seeded=True) for _ in range(2)]
    async with world.connected(await world.signed_in(first)) as connection:
        yield first, second, connection


async def test_a_tenant_uses_its_own_schema(pair):
    first, _, connection = pair
    await connection.execute(f"SET app.tenant_id = '{first.tenant_id}'")
    assert await connection.fetchval("SELECT name FROM companies") == "Acme"
    assert await connection.fetchval("INSERT INTO companies (name) VALUES ('Two') RETURNING tenant_id::text") == (
        first.tenant_id
    )
    assert await connection.execute("UPDATE companies SET name = 'Three' WHERE name = 'Two'") == "UPDATE 1"
    assert await connection.execute("DELETE FROM companies WHERE name = 'Three'") == "DELETE 1"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM {other}.companies",
        "SELECT count(*) FROM {other}.companies",
        "INSERT INTO {other}.companies (tenant_id, name) VALUES (gen_random_uuid(), 'x')",
        "UPDATE {other}.companies SET name = 'x'",
        "DELETE FROM {other}.companies",
        "MERGE INTO {other}.companies AS c USING (SELECT 1) AS s ON false WHEN NOT MATCHED THEN DO NOTHING",
        "TRUNCATE {other}.companies",
        "DO $$ BEGIN LOCK TABLE {other}.companies; END $$",
        "COPY {other}.companies TO STDOUT",
        "ANALYZE {other}.companies",
        "CREATE TABLE {other}.x (x int)",
        "CREATE VIEW x AS SELECT * FROM {other}.companies",
        "CREATE TEMP TABLE x AS SELECT * FROM {other}.companies",
        "ALTER TABLE {other}.companies ADD x int",
        "DROP TABLE {other}.companies",
        "DROP SCHEMA {other}",
        "ALTER SCHEMA {other} RENAME TO mine",
        "GRANT USAGE ON SCHEMA {other} TO CURRENT_USER",
        "SET ROLE {other}",
        "ALTER ROLE {other} PASSWORD 'x'",
        "SELECT pg_relation_filepath('{other}.companies')",
        "SELECT * FROM tenantmesh.places",
        "SELECT * FROM tenantmesh.applied_migrations",
        "SELECT tenantmesh.current_tenant()",
        "CREATE TABLE public.x (x int)",
        "CREATE TABLE x (x int)",
        "CREATE SCHEMA x",
        "CREATE ROLE x",
        "ALTER ROLE CURRENT_USER CONNECTION LIMIT 1000",
        "SELECT * FROM pg_authid",
        "COPY (SELECT 1) TO '/tmp/x'",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
async def test_a_tenant_cannot_reach_what_is_not_its_own(pair, statement):
    _, second, connection = pair
    with pytest.raises(DENIED):
        await connection.execute(statement.format(other=second.own_name))


async def test_a_tenant_sees_nothing_of_the_other_in_the_information_schema(pair):
    first, second, connection = pair
    for view, column in (
        ("schemata", "schema_name"), ("tables", "table_schema"), ("columns", "table_schema"),
        ("table_constraints", "table_schema"), ("table_privileges", "table_schema"),
    ):  # fmt: skip
        seen = {row[0] for row in await connection.fetch(f"SELECT {column}::text FROM information_schema.{view}")}
        assert second.own_name not in seen
        if view in {"tables", "columns", "table_privileges"}:
            assert first.own_name in seen


async def test_no_password_works_before_it_was_claimed(world):
    tenant = await world.made()
    address = world.superuser.replace("postgres:", f"{tenant.own_name}:", 1)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(address)


async def test_the_server_never_saw_the_password(world):
    tenant = await world.made()
    address = await world.signed_in(tenant)
    async with world.connected() as connection:
        kept = await connection.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = $1", tenant.own_name)
    assert kept.startswith("SCRAM-SHA-256$4096:")
    async with world.connected(address) as connection:
        assert await connection.fetchval("SELECT current_user") == tenant.own_name


async def test_the_limits_hold(world):
    tenant = world.tenant()
    await world.ensure(tenant, limits=Limits(2, timedelta(seconds=1), timedelta(seconds=1)))
    address = await world.signed_in(tenant)
    async with world.connected(address) as first, world.connected(address) as second:
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await asyncpg.connect(address)
        with pytest.raises(asyncpg.QueryCanceledError):
            await first.execute("SELECT pg_sleep(60)")
        await second.execute("BEGIN")
        async with asyncio.timeout(30):
            while not second.is_closed():  # noqa: ASYNC110 - the server ends it
                await asyncio.sleep(0.05)


async def test_a_suspended_tenant_is_out_at_once(world):
    tenant = await world.made()
    address = await world.signed_in(tenant)
    async with world.connected(address) as connection:
        await connection.execute("BEGIN; LOCK TABLE companies IN ACCESS SHARE MODE")
        assert (await world.schemas.set_access(tenant, enabled=False))[2] == 1
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await connection.fetchval("SELECT 1")
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await asyncpg.connect(address)
    await world.schemas.set_access(tenant, enabled=True)
    async with world.connected(address) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_schema_in_use_can_be_deleted(world):
    tenant = await world.made(seeded=True)
    async with world.connected(await world.signed_in(tenant)) as connection:
        await connection.execute("BEGIN; SELECT * FROM companies FOR UPDATE")
        assert await world.schemas.delete(tenant)
    assert await world.left(tenant) == []


@pytest.fixture(scope="module")
async def pool(world):
    """Two pooled tenants, both seeded, and a connection of the product's role, which stands between them."""
    first, second = [await world.made(Tier.POOLED, seeded=True) for _ in range(2)]
    role = f"product_{uuid4().hex[:8]}"
    async with world.connected() as superuser:
        await superuser.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'word' IN ROLE {world.settings.pooled_role}")
    database = world.superuser.partition("@")[2]
    async with world.connected(f"postgresql://{role}:word@{database}") as connection:
        await connection.execute("SET search_path = tenants_pooled")
        yield first, second, connection


async def act_for(connection, tenant):
    await connection.execute(f"SET app.tenant_id = '{tenant.tenant_id if tenant else ''}'")


async def test_pooled_rows_never_cross_whatever_the_statement(world, pool):
    first, second, connection = pool
    await act_for(connection, first)
    tables = [row[0] for row in await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'tenants_pooled'::regnamespace AND relkind = 'r'"
    )]  # fmt: skip
    assert len(tables) == 7
    for table in tables:
        assert {row[0] for row in await connection.fetch(f"SELECT tenant_id::text FROM {table}")} == {first.tenant_id}
        assert await connection.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = $1", second.tenant_id) == 0
        assert await connection.execute(f"DELETE FROM {table} WHERE tenant_id = $1", second.tenant_id) == "DELETE 0"
        locked = await connection.fetch(f"SELECT 1 FROM {table} WHERE tenant_id = $1 FOR UPDATE", second.tenant_id)
        assert locked == []
        changed = f"UPDATE {table} SET tenant_id = tenant_id WHERE tenant_id = $1"
        assert await connection.execute(changed, second.tenant_id) == "UPDATE 0"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"UPDATE {table} SET tenant_id = $1", second.tenant_id)
        for statement in ("TRUNCATE {}", "ALTER TABLE {} DISABLE ROW LEVEL SECURITY", "DROP TABLE {}",
                          "CREATE RULE r AS ON INSERT TO {} DO NOTHING"):  # fmt: skip
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement.format(table))
    async with world.connected() as superuser:
        kept = await superuser.fetchval(
            "SELECT count(*) FROM tenants_pooled.roles WHERE tenant_id = $1", second.tenant_id
        )
    assert kept == 3


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO companies (tenant_id, name) VALUES ($1, 'x')",
        "INSERT INTO companies (tenant_id, name) SELECT $1, name FROM companies",
        """INSERT INTO preferences (tenant_id, preference, value) VALUES ($1, 'locale', '1')
           ON CONFLICT (tenant_id, preference) DO UPDATE SET value = excluded.value""",
        """MERGE INTO companies AS c USING (SELECT $1::uuid AS t) AS s ON c.tenant_id = s.t
           WHEN MATCHED THEN UPDATE SET name = 'x' WHEN NOT MATCHED THEN INSERT (tenant_id, name) VALUES (s.t, 'x')""",
        "WITH moved AS (UPDATE companies SET tenant_id = $1 RETURNING 1) SELECT * FROM moved",
    ],
)
async def test_a_row_cannot_be_written_for_another(pool, statement):
    first, second, connection = pool
    await act_for(connection, first)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement, second.tenant_id)


async def test_copying_does_not_cross(pool):
    first, second, connection = pool
    await act_for(connection, first)
    with pytest.raises(asyncpg.FeatureNotSupportedError):  # COPY FROM knows no row-level security, and is refused
        await connection.copy_records_to_table(
            "companies", records=[(second.tenant_id, "x")], columns=["tenant_id", "name"]
        )
    assert await connection.execute("PREPARE rows AS SELECT * FROM companies WHERE tenant_id <> "
                                    f"'{first.tenant_id}'; EXECUTE rows") == "SELECT 0"  # fmt: skip
    async with connection.transaction():
        cursor = await connection.cursor("SELECT tenant_id::text FROM companies")
        assert {row[0] for row in await cursor.fetch(100)} == {first.tenant_id}


async def test_who_says_no_tenant_sees_and_writes_nothing(pool):
    _, _, connection = pool
    await act_for(connection, None)
    assert await connection.fetchval("SELECT count(*) FROM companies") == 0
    with pytest.raises(asyncpg.PostgresError):
        await connection.execute("INSERT INTO companies (tenant_id, name) VALUES (gen_random_uuid(), 'x')")


async def test_a_suspended_or_unknown_pooled_tenant_sees_and_writes_nothing(world, pool):
    _, _, connection = pool
    tenant = await world.made(Tier.POOLED, seeded=True)
    await world.schemas.set_access(tenant, enabled=False)
    for one in (tenant, world.tenant(Tier.POOLED)):
        await act_for(connection, one)
        assert await connection.fetchval("SELECT count(*) FROM companies") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("INSERT INTO companies (name) VALUES ('x')")
    await world.schemas.set_access(tenant, enabled=True)
    await act_for(connection, tenant)
    assert await connection.fetchval("SELECT count(*) FROM companies") == 1


async def test_deleting_a_pooled_tenant_leaves_the_other_one(world, pool):
    first, _, _ = pool
    tenant = await world.made(Tier.POOLED, seeded=True)
    await world.schemas.set_access(tenant, enabled=False)
    assert await world.schemas.delete(tenant)
    assert await world.left(tenant) == []
    assert len(await world.left(first)) == 8  # its record, and rows in each of seven tables
