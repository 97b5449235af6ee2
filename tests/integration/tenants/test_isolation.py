"""A tenant's session cannot read, count, change or make another tenant's rows: tried on each table there is."""

from contextlib import suppress
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from tests.fixtures.tenants import ROLE

from faults import Fault
from postgreskit.catalog import tenancy_violations
from tenantmesh.tenants.v1 import catalog_service_pb2 as catalog_pb
from tenantmesh.tenants.v1 import lead_service_pb2 as lead_pb
from tenantmesh.tenants.v1 import tenant_service_pb2 as pb
from tenants_service.store import MESH

# The same for everybody, or claimed by one of all: not kept by tenant.
REFERENCE_TABLES = {"tenant_state_changes", "tenant_keys", "tenant_domains", "plans"}
# What no tenant has a part of.
NOBODYS = {"tenant_state_changes", "schema_migrations", "plans"}
# What the mesh does for all tenants without being an operator: claims on names, and starting what is due.
MESHES = {"tenant_keys", "tenant_domains", "outbox_entries"}
# What operators have no business in.
SECRET = {"signing_keys", "idempotent_requests", "rate_limits"}

# How a row comes into a table that the requests below do not fill: its columns and values, $1 being the tenant.
ROWS = {
    "invitations": """
        (tenant_id, invitation_id, email, first_name, last_name, roles, state, operation_id, principal, token_digest,
         token_create_time, expire_time, resend_count, revoke_reason, revision, create_time, update_time)
        VALUES ($1, uuidv7(), 'a@b.example', '', '', '{admin}', 'PENDING', '', 'me', sha256('x'), now(),
         now() + interval '7 days', 0, '', 1, now(), now())""",
    "resources": """
        (tenant_id, resource_id, type, provider, identifier, uri, metadata, operation_id, revision, create_time,
         update_time)
        VALUES ($1, uuidv7(), 'bucket', 's3', 'acme', '', '{}', 'op', 1, now(), now())""",
    "outbox_entries": """
        (tenant_id, outbox_entry_id, operation_type, operation_id, payload_type, payload, principal, state, due_time,
         attempts, last_error, revision, create_time, update_time)
        VALUES ($1, uuidv7(), 'provision', 'op', 'type', '', 'me', 'WAITING', now(), 0, '', 1, now(), now())""",
    "subscriptions": """
        (tenant_id, subscription_id, plan_id, tier, state, start_time, end_time, price_minor_units, currency,
         billing_cycle, external_reference, reason, revision, create_time, update_time)
        SELECT $1, uuidv7(), plan_id, tier, 'PENDING', now(), now() + interval '1 day', 0, currency, billing_cycle, '',
            '', 1, now(), now() FROM plans""",
    "quota_counts": "(tenant_id, name, used, since, revision) VALUES ($1, 'users', 1, now(), 1)",
}
PLAN = catalog_pb.CreatePlanRequest(
    key="p", display_name="P", tier="TIER_POOLED", currency="EUR", billing_cycle="BILLING_CYCLE_ONCE"
)

_TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'tenant_id') = $1"""

# Those that are not made of others.
_COLUMNS = """
SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"""


async def tables_of(connection, *, owned=True):
    return [row["relname"] for row in await connection.fetch(_TABLES, owned)]


async def tenant_of(tenants, name):
    person = {"first_name": "Ada", "last_name": "L", "email": f"ada@{name}.example", "primary": True}
    request = pb.CreateTenantRequest(
        key=name, display_name=name, tier="TIER_POOLED", contacts=[person], domains=[f"{name}.example"]
    )
    tenant_id = (await tenants.CreateTenant(request)).tenant.tenant_id
    await tenants.SetTenantProtection(
        pb.SetTenantProtectionRequest(tenant_id=tenant_id, protected=True, reason="test", request_id=str(uuid4()))
    )
    return UUID(tenant_id)


@pytest_asyncio.fixture(scope="module")
async def neighbours(settings, tenants, leads, catalog):
    """The tenant that looks, and the one that must not be seen: both, or the mesh, have rows in every table."""
    address = {"country": "CH"}
    request = lead_pb.CreateLeadRequest(
        email="a@lead.example", first_name="A", last_name="B", company_name="C", address=address
    )
    lead = await leads.CreateLead(request)
    await leads.VerifyLead(lead_pb.VerifyLeadRequest(lead_id=lead.lead_id, key=lead.key))
    await catalog.CreatePlan(PLAN)
    nosy, quiet = [await tenant_of(tenants, name) for name in ("nosy", "quiet")]
    connection = await asyncpg.connect(settings.database.admin_url.reveal())
    for table, row in ROWS.items():
        for tenant_id in (nosy, quiet):
            await connection.execute(f'INSERT INTO "{table}" {row}', tenant_id)
    for table in await tables_of(connection):
        filled = f'SELECT count(*) FROM "{table}" WHERE tenant_id = ANY ($1)'
        assert await connection.fetchval(filled, [quiet, MESH]), (
            f"nothing is in {table}: say in ROWS how a row gets there"
        )
    await connection.close()
    return nosy, quiet


async def test_the_catalogue_keeps_the_rules_of_tenancy(admin):
    assert await tenancy_violations(admin, role=ROLE, reference_tables=REFERENCE_TABLES) == []


async def test_the_rules_can_be_broken(admin):
    transaction = admin.transaction()
    await transaction.start()
    await admin.execute("CREATE TABLE careless (careless_id uuid PRIMARY KEY, tenant_id uuid)")
    broken = await tenancy_violations(admin, role=ROLE, reference_tables=REFERENCE_TABLES)
    await transaction.rollback()
    assert len(broken) == 4


async def test_every_table_belongs_to_tenants_or_is_known_to_belong_to_nobody(admin):
    assert set(await tables_of(admin, owned=False)) == NOBODYS


async def test_a_tenant_sees_no_row_of_another(records, admin, neighbours):
    nosy, _ = neighbours
    for table in await tables_of(admin):
        async with records.of(nosy) as tx:
            rows = await tx.fetch(f'SELECT tenant_id FROM "{table}"')
            assert {row["tenant_id"] for row in rows} <= {nosy}, table
            assert not await tx.fetchval(f'SELECT count(*) FROM "{table}" WHERE tenant_id <> $1', nosy), table


@pytest.mark.parametrize(
    "tell_tale",
    [
        "1 / (length(tenant_id::text) - 36) > 0",
        "('not a number ' || tenant_id)::integer > 0",
        "set_config('app.seen', tenant_id::text, true) <> ''",
    ],
)
async def test_nothing_a_condition_does_tells_of_a_row_of_another(records, admin, neighbours, tell_tale):
    nosy, _ = neighbours
    for table in await tables_of(admin):
        async with records.of(nosy) as tx:
            # Whichever comes first: were it given the row of another, it would fail, or leave what it saw.
            condition = f"CASE WHEN tenant_id <> '{nosy}' THEN {tell_tale} END"
            assert not await tx.fetchval(f'SELECT count(*) FROM "{table}" WHERE {condition}'), table
            assert not await tx.fetchval("SELECT current_setting('app.seen', true)"), table


@pytest.mark.parametrize("change", ['UPDATE "{}" SET tenant_id = tenant_id', 'DELETE FROM "{}"'])
async def test_a_tenant_changes_no_row_of_another(records, admin, neighbours, change):
    nosy, quiet = neighbours
    for table in await tables_of(admin):
        async with records.of(nosy) as tx:
            with suppress(asyncpg.InsufficientPrivilegeError):
                async with tx.transaction():
                    assert (await tx.execute(f"{change.format(table)} WHERE tenant_id = $1", quiet)).endswith(" 0"), (
                        table
                    )


async def test_a_tenant_makes_no_row_of_another(records, admin, neighbours):
    nosy, quiet = neighbours
    for table in await tables_of(admin):
        of_another = f'SELECT to_jsonb(t) FROM "{table}" AS t WHERE tenant_id = ANY ($1) LIMIT 1'
        row = await admin.fetchval(of_another, [quiet, MESH])
        columns = await admin.fetchval(_COLUMNS, table)
        copy = (
            f'INSERT INTO "{table}" ({columns}) OVERRIDING SYSTEM VALUE'
            f' SELECT {columns} FROM jsonb_populate_record(NULL::"{table}", $1)'
        )
        async with records.of(nosy) as tx:
            # Refused by the policy, before an index could tell that the row is there already.
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with tx.transaction():
                    await tx.execute(copy, row)


async def test_a_transaction_of_nobody_sees_no_row_of_a_tenant(records, admin, neighbours):
    _, quiet = neighbours
    for table in set(await tables_of(admin)) - MESHES:
        async with records.of_mesh() as tx:
            assert not await tx.fetchval(f'SELECT count(*) FROM "{table}" WHERE tenant_id = $1', quiet), table


async def test_whose_rows_are_seen_ends_with_the_transaction(records, neighbours):
    nosy, _ = neighbours
    for _ in range(20):
        async with records.of(nosy) as tx:
            assert await tx.fetchval("SELECT count(*) FROM tenants") == 1
        async with records.of_mesh() as tx:
            assert await tx.fetchval("SELECT count(*) FROM tenants") == 0


async def test_an_operator_reads_everybody_and_writes_nobody(records, admin, neighbours):
    async with records.of_all() as tx:
        rows = await tx.fetch("SELECT tenant_id FROM tenants")
    assert set(neighbours) <= {row["tenant_id"] for row in rows}
    for table in await tables_of(admin):
        for change in (f'UPDATE "{table}" SET tenant_id = tenant_id', f'DELETE FROM "{table}"'):
            with pytest.raises(Fault):
                async with records.of_all() as tx:
                    await tx.execute(change)
    for table in SECRET:
        async with records.of_all() as tx:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with tx.transaction():
                    await tx.fetch(f'SELECT * FROM "{table}"')


@pytest.mark.parametrize(
    "attempt",
    [
        "SET LOCAL row_security = off",
        "ALTER TABLE tenants DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY own ON tenants",
        "SET LOCAL ROLE postgres",
        "TRUNCATE domain_events",
        "CREATE TABLE mine (a int)",
        "CALL isolate('tenants')",
    ],
)
async def test_nobody_goes_around_the_policies(records, attempt):
    async with records.of_mesh() as tx:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with tx.transaction():
                await tx.execute(attempt)
                await tx.fetch("SELECT * FROM tenants")  # what row_security = off makes an error
