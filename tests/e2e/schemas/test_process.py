"""Schemas through the process: its port, the gateway before it, its log, and its sudden end."""

import asyncio
import json
import uuid

import aiohttp
import asyncpg
import grpc
import pytest
from tests.fixtures.processes import service, spawn

from chassis.errors import fault_of
from localstack.servers.postgres import programs
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.storage.v1 import (
    database_server_pb2,
    export_pb2,
    migration_pb2,
    restore_pb2,
    schema_password_pb2,
    schema_pb2,
)
from tenantmesh.storage.v1 import schema_service_pb2_grpc as rpc

PRODUCTION = {
    "MESH_MODE": "production", "AUTH_JWKS": "https://id.example/jwks", "AUTH_ISSUER": "x", "AUTH_AUDIENCE": "y",
}  # fmt: skip
SEED = {"variables": {"company_name": "Acme"}}


async def environment(postgres, **changes) -> dict[str, str]:
    role = f"pooled_{uuid.uuid4().hex[:8]}"
    return {
        "SCHEMA_PROVIDER": "postgres",
        "POSTGRES_PROGRAMS": str(programs()),
        "TENANT_DATABASE_URL": await postgres.database(),
        "SCHEMA_POOLED_ROLE": role,
    } | changes


@pytest.fixture(scope="module")
async def settled(postgres):
    return await environment(postgres)


@pytest.fixture(scope="module")
async def storage(settled):
    async with service("storage", **settled) as process:
        yield process


@pytest.fixture
async def stub(storage):
    async with grpc.aio.insecure_channel(storage.address) as channel:
        yield rpc.SchemaServiceStub(channel)


def about(key, tier=tier_pb2.TIER_SILO):
    return {"tenant_id": str(uuid.uuid5(uuid.NAMESPACE_DNS, key)), "tenant_key": key, "tier": tier}


def ensuring(tenant, **changes):
    return schema_pb2.EnsureSchemaRequest(**tenant, operation_id="provision-1", **changes)


def seeding(tenant):
    return schema_pb2.SeedSchemaRequest(**tenant, operation_id="provision-1", **SEED)


@pytest.mark.parametrize("tier", [tier_pb2.TIER_SILO, tier_pb2.TIER_BRIDGE, tier_pb2.TIER_POOLED])
async def test_a_schema_lives_and_is_gone(stub, tier):
    tenant = about(f"life-{tier}", tier)
    made = await stub.EnsureSchema(ensuring(tenant))
    assert made.created
    again = await stub.EnsureSchema(ensuring(tenant))
    assert (again.created, again.schema) == (False, made.schema)
    assert (await stub.SeedSchema(seeding(tenant))).seed.rows["roles"] == 3
    found = (await stub.GetSchema(schema_pb2.GetSchemaRequest(**tenant))).schema
    assert (found.version, found.provider, found.seed.template) == (1, "postgres", "default")
    listed = await stub.ListSchemas(schema_pb2.ListSchemasRequest(tenant_id=tenant["tenant_id"]))
    assert list(listed.schemas) == [found]
    migrations = await stub.ListMigrations(migration_pb2.ListMigrationsRequest(**tenant))
    assert [(one.version, one.state) for one in migrations.migrations] == [(1, migration_pb2.MIGRATION_STATE_APPLIED)]
    told = [one async for one in stub.MigrateSchemas(migration_pb2.MigrateSchemasRequest(**tenant))]
    assert [(one.total, one.done, one.failed) for one in told] == [(1, 0, 0), (1, 1, 0)]
    assert (await stub.DeleteSchema(schema_pb2.DeleteSchemaRequest(**tenant))).existed
    assert not (await stub.DeleteSchema(schema_pb2.DeleteSchemaRequest(**tenant))).existed
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetSchema(schema_pb2.GetSchemaRequest(**tenant))
    assert fault_of(caught.value).reason == "SCHEMA_NOT_FOUND"


async def test_an_export_is_taken_told_linked_restored_and_removed(stub):
    old, new = about("exported"), about("restored", tier_pb2.TIER_POOLED)
    kept = {"export_id": "before-delete", "destination": export_pb2.EXPORT_DESTINATION_ARCHIVE}
    for tenant in (old, new):
        await stub.EnsureSchema(ensuring(tenant))
    await stub.SeedSchema(seeding(old))
    asked = export_pb2.ExportSchemaRequest(**old, **kept, operation_id="export-1")
    told = [one async for one in stub.ExportSchema(asked)]
    export = told[-1].export
    assert (told[0].total_tables, told[-1].done_tables) == (7, 7)
    assert (export.state, export.ownership.tenant_id) == (export_pb2.EXPORT_STATE_COMPLETE, old["tenant_id"])
    assert {table.name: table.rows for table in export.tables}["roles"] == 3
    assert (await stub.GetExport(export_pb2.GetExportRequest(**old, **kept))).export == export
    listed = await stub.ListExports(export_pb2.ListExportsRequest(**old, destination=kept["destination"]))
    assert [(one.export_id, list(one.tables)) for one in listed.exports] == [("before-delete", [])]
    links = await stub.PresignExport(export_pb2.PresignExportRequest(**old, **kept))
    assert [link.key for link in links.links] == [export.manifest_key, export.files[0].key]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.DeleteSchema(schema_pb2.DeleteSchemaRequest(**old, export_id="never-made"))
    assert fault_of(caught.value).reason == "EXPORT_NOT_FOUND"
    assert (await stub.DeleteSchema(schema_pb2.DeleteSchemaRequest(**old, export_id="before-delete"))).existed

    source = restore_pb2.ExportSource(**old)
    restoring = restore_pb2.RestoreSchemaRequest(**new, **kept, operation_id="restore-1", source=source)
    told = [one async for one in stub.RestoreSchema(restoring)]
    assert told[-1].schema.seed.template == "default"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in stub.RestoreSchema(restoring):
            pass
    assert fault_of(caught.value).reason == "SCHEMA_NOT_EMPTY"
    assert (await stub.DeleteExport(export_pb2.DeleteExportRequest(**old, **kept))).existed
    assert not (await stub.DeleteExport(export_pb2.DeleteExportRequest(**old, **kept))).existed


async def test_mock_mode_does_all_of_it_in_memory():
    kept = {"export_id": "before-delete", "destination": export_pb2.EXPORT_DESTINATION_ARCHIVE}
    old, new = about("old"), about("new", tier_pb2.TIER_POOLED)
    async with service("storage") as process, grpc.aio.insecure_channel(process.address) as channel:
        stub = rpc.SchemaServiceStub(channel)
        for tenant in (old, new):
            assert (await stub.EnsureSchema(ensuring(tenant))).created
        assert (await stub.SeedSchema(seeding(old))).created
        asked = export_pb2.ExportSchemaRequest(**old, **kept, operation_id="export-1")
        *_, last = [one async for one in stub.ExportSchema(asked)]
        assert last.export.state == export_pb2.EXPORT_STATE_COMPLETE
        assert (await stub.DeleteSchema(schema_pb2.DeleteSchemaRequest(**old, export_id="before-delete"))).existed
        source = restore_pb2.ExportSource(**old)
        restoring = restore_pb2.RestoreSchemaRequest(**new, **kept, operation_id="restore-1", source=source)
        *_, last = [one async for one in stub.RestoreSchema(restoring)]
        assert last.schema.seed.template == "default"
        listed = await stub.ListSchemas(schema_pb2.ListSchemasRequest())
        assert [schema.tenant_key for schema in listed.schemas] == ["new"]


async def test_servers_and_placements_are_told(stub):
    tenant = about("placed")
    asked = database_server_pb2.GetPlacementRequest(**tenant)
    before = await stub.GetPlacement(asked)
    assert (before.server.name, before.placed) == ("main", False)
    await stub.EnsureSchema(ensuring(tenant))
    assert (await stub.GetPlacement(asked)).placed
    (server,) = (await stub.ListDatabaseServers(database_server_pb2.ListDatabaseServersRequest())).servers
    assert (server.name, server.available, server.accepting, server.provider) == ("main", True, True, "postgres")
    assert server.version.startswith("18")
    assert server.schema_count >= 1
    assert server.bytes > 0


async def test_pages_of_schemas(stub):
    tenants = [about(f"page-{number}") for number in range(5)]
    for tenant in tenants:
        await stub.EnsureSchema(schema_pb2.EnsureSchemaRequest(**tenant, operation_id="page-1"))
    seen, token = [], ""
    while token or not seen:
        page = await stub.ListSchemas(
            schema_pb2.ListSchemasRequest(operation_id="page-1", page_size=2, page_token=token)
        )
        seen += [schema.tenant_key for schema in page.schemas]
        token = page.next_page_token
    assert seen == [tenant["tenant_key"] for tenant in tenants]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ListSchemas(schema_pb2.ListSchemasRequest(operation_id="another", page_token="x.y"))
    assert fault_of(caught.value).reason == "PAGE_TOKEN_INVALID"


@pytest.mark.parametrize("key", ['"; drop schema public', "a" * 32, "ab", "Abc", "tenant\x00"])
async def test_a_hostile_key_is_refused_at_the_door(stub, key):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.EnsureSchema(ensuring(about("x") | {"tenant_key": key}))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_text_that_no_database_keeps_is_refused_at_the_door_and_any_other_is_kept(stub, settled):
    tenant = about("odd-text")
    await stub.EnsureSchema(ensuring(tenant))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.SeedSchema(
            schema_pb2.SeedSchemaRequest(**tenant, operation_id="x-1", variables={"company_name": "\0"})
        )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    odd = """O'Brien \\' E'\\x41 $$ {} %s \r\n\t\x01\x7f \u202e🦆"""
    await stub.SeedSchema(schema_pb2.SeedSchemaRequest(**tenant, operation_id="x-1", variables={"company_name": odd}))
    connection = await asyncpg.connect(settled["TENANT_DATABASE_URL"])
    assert await connection.fetchval("SELECT name FROM tenant_odd_text.companies") == odd
    await connection.close()


async def test_a_password_is_handed_over_and_stands_in_no_log(storage, stub):
    tenant = about("secrets")
    await stub.EnsureSchema(ensuring(tenant))
    claim = await stub.IssueSchemaClaim(schema_password_pb2.IssueSchemaClaimRequest(**tenant))
    asked = schema_password_pb2.ClaimSchemaPasswordRequest(claim_token=claim.claim_token)
    given = await stub.ClaimSchemaPassword(asked)
    connection = await asyncpg.connect(
        host=given.host, port=given.port, user=given.role, password=given.password, database=given.database
    )
    assert await connection.fetchval("SELECT current_schema()") == given.schema
    await connection.close()
    for token, reason in ((claim.claim_token, "CLAIM_SPENT"), ("x" * 43, "CLAIM_NOT_FOUND")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ClaimSchemaPassword(schema_password_pb2.ClaimSchemaPasswordRequest(claim_token=token))
        assert fault_of(caught.value).reason == reason
    async with asyncio.timeout(10):
        while sum("ClaimSchemaPassword" in line for line in storage.lines) < 3:  # noqa: ASYNC110 - a log tells nobody
            await asyncio.sleep(0.01)
    written = "\n".join(storage.lines)
    for secret in (given.password, claim.claim_token, claim.claim_token.split(".")[1]):
        assert secret not in written


async def test_the_gateway_serves_it_as_json(storage, gateway):
    front = await gateway({"storage": storage.address})
    tenant = about("by-json")
    path = f"{front.url}/tenants/{tenant['tenant_id']}/schemas"
    body = {"tenantKey": "by-json", "tier": "TIER_SILO", "operationId": "provision-1"}
    async with aiohttp.ClientSession() as client:
        async with client.post(path, json=body) as answer:
            made = json.loads(await answer.text())
            assert answer.status == 200, made
        assert made["schema"]["name"] == "tenant_by_json"


async def test_killed_in_the_middle_a_repeat_completes(postgres):
    settled = await environment(postgres)
    tenant = about("killed")
    superuser = await asyncpg.connect(settled["TENANT_DATABASE_URL"])
    async with (
        service("storage", **settled) as first,
        grpc.aio.insecure_channel(first.address) as channel,
    ):
        stub = rpc.SchemaServiceStub(channel)
        await stub.EnsureSchema(ensuring(tenant))
        # The company is in, the roles have to wait.
        await superuser.execute("BEGIN; LOCK TABLE tenant_killed.roles")
        call = stub.SeedSchema(seeding(tenant))
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'tenant_killed.roles'::regclass"
        async with asyncio.timeout(30):
            while not await superuser.fetchval(waiting):  # noqa: ASYNC110 - a lock tells nobody
                await asyncio.sleep(0.01)
        first.process.kill()
        with pytest.raises(grpc.aio.AioRpcError):
            await call
    await superuser.execute("ROLLBACK")
    async with service("storage", **settled) as second, grpc.aio.insecure_channel(second.address) as channel:
        stub = rpc.SchemaServiceStub(channel)
        assert not (await stub.EnsureSchema(ensuring(tenant))).created
        seeded = await stub.SeedSchema(seeding(tenant))
        assert (seeded.created, seeded.seed.rows["companies"]) == (True, 1)
        assert (await stub.DeleteSchema(schema_pb2.DeleteSchemaRequest(**tenant))).existed
    await superuser.close()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"SCHEMA_PROVIDER": "memory"} | PRODUCTION,
            "SCHEMA_PROVIDER: memory keeps nothing, and MESH_MODE=production refuses it",
        ),
        ({"TENANT_DATABASE_URL": ""}, "TENANT_DATABASE_URL"),
        ({"TENANT_DATABASE_URL": "here:secret-word"}, "TENANT_DATABASE_URL: must be an address"),
        ({"SCHEMA_BLUEPRINT": "/nowhere"}, "SCHEMA_BLUEPRINT: cannot be read"),
        ({"SCHEMA_TEMPLATE": "nobody-wrote-it"}, "SCHEMA_TEMPLATE: there is no template"),
    ],
)
async def test_it_does_not_start_with_settings_that_cannot_work(changes, problem):
    settled = {"SCHEMA_PROVIDER": "postgres", "TENANT_DATABASE_URL": "postgresql://a:b@127.0.0.1/c"} | changes
    process = await spawn("storage", **{"MESH_MODE": "development", "RPC_PORT": "0", "OPS_PORT": "0"} | settled)
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    text = output.decode()
    assert process.returncode == 2, text
    assert problem in text
    assert "secret-word" not in text
    assert "Traceback" not in text
