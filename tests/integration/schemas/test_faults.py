"""Bad input, broken templates, servers that cannot be written to, and connections cut in every statement."""

import asyncio
from datetime import timedelta

import pytest
from tests.integration.schemas.conftest import world_of

from faults import AlreadyExists, Conflict, Fault, Invalid, Kind
from storage_service.schemas.model import Limits, Tier
from storage_service.schemas.providers.connections import ConnectionSettings

OWN = [Tier.SILO, Tier.POOLED]


@pytest.mark.parametrize(
    "key",
    ['"; drop schema public; --', "'; DROP ROLE postgres; --", "", "ab", "a" * 32, "1abc", "Abc", "a_b", "abc-",
     "pg\x00x", "ümlaut", "a b c", "tenant.other", "$$;drop", "a\nb"],
)  # fmt: skip
async def test_a_hostile_key_is_refused(world, key):
    with pytest.raises(Invalid) as refused:
        world.tenant(key=key)
    assert refused.value.reason == "NAME_INVALID"


@pytest.mark.parametrize(
    "key", ["abc", "a" * 31, "a" + "-1" * 15, "a--b", "select", "public", "drop-table", "pg-catalog"]
)
async def test_keys_at_every_limit(world, key):
    tenant = world.tenant(Tier.SILO, key=key)
    made, created = await world.ensure(tenant)
    assert created
    assert made.location.schema == f"tenant_{key.replace('-', '_')}"
    assert await world.schemas.delete(tenant)
    assert await world.left(tenant) == []


async def test_hostile_operations_and_variables_are_text(world):
    hostile = """'"; DROP SCHEMA tenantmesh CASCADE; -- $$ \\ %s :x"""
    for tier in OWN:
        tenant = world.tenant(tier)
        await world.ensure(tenant, operation_id=hostile)
        await world.seed(tenant, company_name=hostile)
        schema = "tenants_pooled" if tenant.pooled else tenant.own_name
        async with world.connected() as connection:
            name = await connection.fetchval(
                f"SELECT name FROM {schema}.companies WHERE tenant_id = $1", tenant.tenant_id
            )
        assert name == hostile
        assert (await world.schemas.get(tenant)).record.stamp.operation_id == hostile
        assert await world.schemas.delete(tenant, operation_id=hostile)


async def description(connection, name) -> list[str]:
    """Everything the catalogue says about a schema and a role of that name."""
    queries = (
        "SELECT n::text || coalesce(obj_description(oid), '') FROM pg_namespace AS n WHERE nspname = $1",
        "SELECT c.oid || c::text FROM pg_class AS c WHERE relnamespace = to_regnamespace($1) ORDER BY oid",
        "SELECT r::text || coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_authid AS r WHERE rolname = $1",
        "SELECT s::text FROM pg_db_role_setting AS s WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = $1)",
    )
    return [row[0] for query in queries for row in await connection.fetch(query, name)]


@pytest.mark.parametrize(
    "foreign",
    [
        "CREATE SCHEMA {name}; CREATE TABLE {name}.kept AS SELECT 1 AS x; COMMENT ON SCHEMA {name} IS 'mine'",
        "CREATE SCHEMA {name}; COMMENT ON SCHEMA {name} IS 'tenantmesh {{}}'",
        "CREATE SCHEMA {name}; COMMENT ON SCHEMA {name} IS 'tenantmesh [1]'",
        "CREATE ROLE {name} LOGIN CONNECTION LIMIT 3",
        "CREATE ROLE {name}; CREATE SCHEMA {name} AUTHORIZATION {name}",
    ],
)
async def test_what_is_not_ours_is_refused_and_stays_as_it_is(world, foreign):
    tenant = world.tenant(Tier.SILO)
    async with world.connected() as connection:
        await connection.execute(foreign.format(name=tenant.own_name))
        before = await description(connection, tenant.own_name)
        for call in (world.ensure(tenant), world.seed(tenant), world.schemas.delete(tenant),
                     world.schemas.set_access(tenant, enabled=False)):  # fmt: skip
            with pytest.raises(AlreadyExists) as refused:
                await call
            assert (refused.value.reason, refused.value.facts["owner"]) == ("SCHEMA_NOT_OWNED", "unknown")
        assert await description(connection, tenant.own_name) == before
        await connection.execute(f"DROP SCHEMA IF EXISTS {tenant.own_name} CASCADE; "
                                 f"DROP ROLE IF EXISTS {tenant.own_name}")  # fmt: skip


async def test_a_shared_schema_that_is_not_ours_is_refused(postgres):
    async with world_of(await postgres.database()) as world, world.connected() as connection:
        await connection.execute("CREATE SCHEMA tenants_pooled; CREATE TABLE tenants_pooled.kept (x int)")
        before = await description(connection, "tenants_pooled")
        tenant = world.tenant(Tier.POOLED)
        for call in (world.ensure(tenant), world.schemas.delete(tenant)):
            with pytest.raises(AlreadyExists):
                await call
        assert await description(connection, "tenants_pooled") == before


@pytest.mark.parametrize("gone", ["DROP SCHEMA {name} CASCADE", "DROP OWNED BY {name}; DROP ROLE {name}"])
async def test_what_somebody_removed_by_hand_is_made_again(world, gone):
    tenant = await world.made(Tier.SILO, seeded=True)
    await world.schemas.set_access(tenant, enabled=False)
    async with world.connected() as connection:
        await connection.execute(gone.format(name=tenant.own_name))
        with pytest.raises(Fault):
            await world.schemas.get(tenant)
        made, created = await world.ensure(tenant)
        assert created
        found = await world.schemas.get(tenant)
        assert (found.version, found.record) == (world.blueprint.newest, made.record)
        may = await connection.fetchval("SELECT rolcanlogin FROM pg_roles WHERE rolname = $1", tenant.own_name)
        assert may is made.record.access_enabled
        reads = "SELECT has_table_privilege($1::name, format('%I.roles', $1)::regclass, 'SELECT')"
        assert await connection.fetchval(reads, tenant.own_name)
    await world.seed(tenant)
    assert await world.schemas.delete(tenant)
    assert await world.left(tenant) == []


async def test_a_shared_schema_that_somebody_dropped_is_made_again(postgres):
    async with world_of(await postgres.database()) as world, world.connected() as connection:
        await world.made(Tier.POOLED, seeded=True)
        await connection.execute("DROP SCHEMA tenants_pooled CASCADE")
        tenant = await world.made(Tier.POOLED, seeded=True)
        assert (await world.schemas.get(tenant)).record.seed.rows["roles"] == 3


@pytest.mark.parametrize("tier", OWN)
@pytest.mark.parametrize(
    "case",
    [
        ("INSERT INTO companies (name) VALUES ('a');\n\n-- why\nSELECT 1/0;\nSELECT 2;", 2, 4),
        ("SELECT 1;\nINSERT INTO nowhere VALUES (1);", 2, 2),
        ("SELECT 1; SELECT 2;\n  NONSENSE 3;", 3, 2),
        ("INSERT INTO roles (role, display_name) VALUES ('a;b', 'x')", 1, 1),
        ("INSERT INTO companies (tenant_id, name) VALUES (gen_random_uuid(), 'x')", 1, 1),
        ("DO $$ BEGIN PERFORM 1; RAISE EXCEPTION 'no; never'; END $$; SELECT 1", 1, 1),
    ],
)
async def test_a_broken_template_leaves_nothing_and_the_statement_is_named(world, folder, with_blueprint, tier, case):
    broken, statement, line = case
    if tier is Tier.SILO and "gen_random_uuid" in broken:
        broken = "DROP TABLE companies"  # what the tenant itself may not, its template may not either
    blueprint = folder(
        seeds={"default": {"template.toml": 'version = "1"', "01_fine.sql": "INSERT INTO companies (name) VALUES ('x')",
                           "02_broken.sql": broken}}
    )  # fmt: skip
    world = with_blueprint(world, blueprint)
    tenant = await world.made(tier)
    with pytest.raises(Conflict) as failed:
        await world.seed(tenant)
    assert failed.value.reason == "TEMPLATE_FAILED"
    assert failed.value.facts == {
        "template": "default", "file": "02_broken.sql", "statement": str(statement), "line": str(line)
    }  # fmt: skip
    assert (await world.schemas.get(tenant)).record.seed is None
    schema = "tenants_pooled" if tenant.pooled else tenant.own_name
    async with world.connected() as connection:
        for table in ("companies", "roles"):
            rows = f"SELECT count(*) FROM {schema}.{table} WHERE tenant_id = $1"
            assert await connection.fetchval(rows, tenant.tenant_id) == 0
    assert await world.schemas.delete(tenant)


@pytest.mark.parametrize("tier", OWN)
async def test_rows_that_break_a_deferred_constraint_in_the_end_leave_nothing_and_it_is_named(postgres, folder, tier):
    migration = """CREATE TABLE parts (tenant_id uuid NOT NULL DEFAULT current_setting('app.tenant_id')::uuid,
        part text, whole text NOT NULL, PRIMARY KEY (tenant_id, part),
        CONSTRAINT parts_of_a_whole FOREIGN KEY (tenant_id, whole) REFERENCES parts DEFERRABLE INITIALLY DEFERRED)"""
    template = {"template.toml": 'version = "1"', "01_parts.sql": "INSERT INTO parts (part, whole) VALUES ('a', 'b')"}
    blueprint = folder({"0001_parts.sql": migration}, {"default": template})
    async with world_of(await postgres.database(), blueprint=blueprint) as world:
        tenant = await world.made(tier)
        with pytest.raises(Conflict, match=r"break the constraint parts\.parts_of_a_whole") as failed:
            await world.seed(tenant)
        assert failed.value.reason == "TEMPLATE_FAILED"
        assert (await world.schemas.get(tenant)).record.seed is None


async def test_a_broken_migration_leaves_nothing_of_a_new_schema(world, folder, with_blueprint):
    migrations = {"0001_fine.sql": "CREATE TABLE a (x int);", "0002_broken.sql": "CREATE TABLE b (x int);\nSELECT 1/0;"}
    broken = with_blueprint(world, folder(migrations=migrations))
    tenant = world.tenant(Tier.SILO)
    with pytest.raises(Conflict) as failed:
        await broken.ensure(tenant)
    assert failed.value.reason == "MIGRATION_FAILED"
    assert failed.value.facts == {"schema": tenant.own_name, "version": "2", "statement": "2"}
    assert await world.left(tenant) == []


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("CREATE TABLE loose (x int)", "has no primary key"),
        ("CREATE TABLE loose (x int, tenant_id text, PRIMARY KEY (tenant_id, x))", "row-level security is"),
        ("CREATE TABLE loose (x int PRIMARY KEY, tenant_id uuid)", "does not begin with tenant_id"),
        ("CREATE TABLE loose (tenant_id uuid, x int, PRIMARY KEY (tenant_id, x)); CREATE VIEW v AS SELECT * FROM loose",
         "security_invoker"),
        ("CREATE TABLE loose (tenant_id uuid PRIMARY KEY); CREATE MATERIALIZED VIEW v AS SELECT 1", "materialized"),
    ],
)  # fmt: skip
async def test_a_migration_that_would_mix_pooled_tenants_is_refused(postgres, folder, sql, problem):
    async with world_of(await postgres.database(), blueprint=folder(migrations={"0001_loose.sql": sql})) as world:
        tenant = world.tenant(Tier.POOLED)
        with pytest.raises(Conflict, match=problem) as failed:
            await world.ensure(tenant)
        assert failed.value.reason == "MIGRATION_FAILED"
        async with world.connected() as connection:
            assert await connection.fetchval("SELECT to_regnamespace('tenants_pooled')") is None


async def test_a_read_only_database(postgres):
    async with world_of(await postgres.database()) as world:
        made = await world.made(Tier.SILO)
        name = world.superuser.rpartition("/")[2]
        async with world.connected() as connection:
            await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
                name,
            )
        async with asyncio.timeout(30):
            while True:  # the ended connections are still in the pool
                with pytest.raises(Fault) as refused:
                    await world.ensure(world.tenant(Tier.SILO))
                if refused.value.reason != "PROVIDER_UNAVAILABLE":
                    break
        assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "SERVER_NOT_WRITABLE")
        assert refused.value.facts["cause"] == "read_only"
        assert (await world.schemas.get(made)).record.tenant == made


async def test_a_full_disk(postgres):
    async with world_of(await postgres.database()) as world, world.connected() as connection:
        await world.made(Tier.SILO)
        # What a full disk answers, at the moment when tables are made.
        await connection.execute("""
            CREATE FUNCTION public.full() RETURNS event_trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
            CREATE EVENT TRIGGER full_disk ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
            EXECUTE FUNCTION public.full()
        """)
        for tier in OWN:
            tenant = world.tenant(tier)
            with pytest.raises(Fault) as refused:
                await world.ensure(tenant)
            assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "SERVER_NOT_WRITABLE")
            assert refused.value.facts["cause"] == "full"
            assert await world.left(tenant) == []
        await connection.execute("DROP EVENT TRIGGER full_disk")
        assert (await world.ensure(tenant))[1]


async def test_credentials_that_are_refused(postgres):
    superuser = await postgres.database()
    address = superuser.replace("postgres:", "nobody:", 1)
    async with world_of(superuser, address=address) as world:
        with pytest.raises(Conflict) as refused:
            await world.ensure(world.tenant())
    assert refused.value.reason == "PROVIDER_CREDENTIALS_REFUSED"


async def test_a_place_that_somebody_holds_is_busy(postgres):
    impatient = ConnectionSettings(lock_timeout=timedelta(milliseconds=50))
    async with world_of(await postgres.database(), connections=impatient) as world:
        tenant = await world.made()
        async with world.databases.place(tenant):
            with pytest.raises(Fault) as refused:
                await world.ensure(tenant, limits=Limits(max_connections=1))
    assert (refused.value.kind, refused.value.reason) == (Kind.ABORTED, "SCHEMA_BUSY")


async def recovered(world, tenant) -> None:
    """Whatever was cut before: it is all there or nothing is, a repeat completes it, and a removal leaves nothing."""
    left = await world.left(tenant)
    assert left == [] or (await world.schemas.get(tenant)).version == world.blueprint.newest
    await world.ensure(tenant)
    await world.seed(tenant)
    seed = (await world.schemas.get(tenant)).record.seed
    assert (seed.rows["companies"], seed.rows["roles"]) == (1, 3)
    assert await world.schemas.delete(tenant)
    assert await world.left(tenant) == []


@pytest.mark.chaos
@pytest.mark.parametrize("tier", OWN)
@pytest.mark.parametrize("answered", [False, True])
async def test_a_connection_cut_in_every_statement(world, proxied, tier, answered):
    through, proxy = proxied
    proxy.answered = answered
    await world.made(tier)  # so that what is made once is made
    finished, cuts = False, 0
    while not finished:
        cuts += 1
        tenant = world.tenant(tier)
        proxy.cut_at = 0
        await through.schemas.list(tenant_id="", operation_id="", after=None, size=1)  # there is a connection
        proxy.pieces, proxy.cut_at = 0, cuts
        try:
            await through.ensure(tenant)
            await through.seed(tenant)
            finished = True
        except Fault as fault:
            assert (fault.kind, fault.reason) == (Kind.UNAVAILABLE, "PROVIDER_UNAVAILABLE")
        await recovered(world, tenant)
    assert cuts > 15


@pytest.mark.chaos
@pytest.mark.parametrize("tier", OWN)
async def test_a_deletion_cut_in_every_statement(world, proxied, tier):
    through, proxy = proxied
    proxy.answered = True
    finished, cuts = False, 0
    while not finished:
        cuts += 1
        tenant = await world.made(tier, seeded=True)
        proxy.cut_at = 0
        await through.schemas.list(tenant_id="", operation_id="", after=None, size=1)
        proxy.pieces, proxy.cut_at = 0, cuts
        try:
            await through.schemas.delete(tenant)
            finished = True
        except Fault as fault:
            assert (fault.kind, fault.reason) == (Kind.UNAVAILABLE, "PROVIDER_UNAVAILABLE")
        left = await world.left(tenant)
        assert left == [] or (await world.schemas.get(tenant)).record.seed is not None
        await world.schemas.delete(tenant)
        assert await world.left(tenant) == []
    assert cuts > 5


@pytest.mark.chaos
@pytest.mark.parametrize("tier", OWN)
async def test_a_caller_who_leaves_in_any_statement(world, proxied, tier):
    through, proxy = proxied
    proxy.answered = False
    proxy.reached = asyncio.Event()
    await world.made(tier)
    finished, steps = False, 0
    while not finished:
        steps += 1
        tenant = world.tenant(tier)
        proxy.pieces, proxy.cut_at = 0, steps
        proxy.reached.clear()
        call, left = asyncio.create_task(make_and_fill(through, tenant)), asyncio.create_task(proxy.reached.wait())
        await asyncio.wait([call, left], return_when=asyncio.FIRST_COMPLETED)
        finished = not proxy.reached.is_set()
        for task in (call, left):
            task.cancel()
        await asyncio.gather(call, left, return_exceptions=True)
        await recovered(world, tenant)
    proxy.reached = None
    assert steps > 15


async def make_and_fill(world, tenant):
    await world.ensure(tenant)
    await world.seed(tenant)
