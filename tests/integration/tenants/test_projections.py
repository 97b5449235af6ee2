"""Projections say what the events say: triggers keep them, and the events alone make them again."""

import asyncio
import dataclasses
from uuid import uuid4

import pytest
from tests.fixtures.processes import spawn
from tests.fixtures.tenants import environment

from postgreskit import Database
from tenantmesh.tenants.v1 import lead_service_pb2 as lead_pb
from tenants_service.events.model import Event
from tenants_service.events.store import append
from tenants_service.projections.model import PROJECTIONS
from tenants_service.projections.store import rebuild
from tenants_service.store import MESH

LIVES = [
    [],
    ["CANCELLED"],
    ["PROVISIONING", "PROVISION_FAILED", "PROVISIONING", "ACTIVE"],
    ["PROVISIONING", "ACTIVE", "SUSPENDED", "ACTIVE", "DEPROVISIONING", "INACTIVE"],
]

WAITS = "SELECT true FROM pg_locks WHERE relation = 'lead_days'::regclass AND NOT granted"


@pytest.fixture
async def rebuilt(settings, records):
    """Makes every projection anew."""
    async with Database(dataclasses.replace(settings.database, url=settings.database.admin_url)) as owner:

        async def rebuilt():
            for one in PROJECTIONS:
                assert await rebuild(one, records, owner)

        yield rebuilt


@pytest.fixture
def contents(admin):
    """Every row of every projection."""

    async def contents():
        return {
            one.table: [tuple(row) for row in await admin.fetch(f"TABLE {one.table} ORDER BY 1, 2, 3")]
            for one in PROJECTIONS
        }

    return contents


@pytest.fixture
def sign_up_and_convert(leads, sign_up):
    async def sign_up_and_convert():
        lead = await sign_up()
        key = f"t{lead.domain.partition('.')[0]}"
        await leads.ConvertLead(
            lead_pb.ConvertLeadRequest(lead_id=lead.lead_id, token=lead.token, key=key, domains=[lead.domain])
        )

    return sign_up_and_convert


async def test_every_trigger_that_projects_is_known(admin):
    """A projection that is not listed would not be rebuilt."""
    triggers = await admin.fetch(
        "SELECT prosrc FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid WHERE tgrelid = 'domain_events'::regclass"
    )
    assert len(triggers) == len(PROJECTIONS)
    for one in PROJECTIONS:
        assert sum(f"{one.function}(NEW)" in row["prosrc"] for row in triggers) == 1


async def test_the_events_alone_make_the_same_tables(made, sign_up_and_convert, rebuilt, contents, admin):
    await asyncio.gather(*(made(*states) for states in LIVES for _ in range(3)))
    await asyncio.gather(*(sign_up_and_convert() for _ in range(5)))
    kept = await contents()
    assert all(kept.values())
    await admin.execute("DELETE FROM tenant_transitions WHERE sequence > 1; UPDATE tenant_transitions SET reason = 'x'")
    await admin.execute("UPDATE lead_days SET created = created + 7, converted = 0")
    await admin.execute("INSERT INTO lead_days VALUES ($1, '1999-12-31', 0, 1, 1, 1)", MESH)
    await admin.execute("INSERT INTO tenant_transitions SELECT $1, 1, '', '', '', '', NULL, '', '', now()", uuid4())
    assert await contents() != kept
    await rebuilt()
    assert await contents() == kept


async def test_tables_are_rebuilt_while_they_are_written(made, sign_up_and_convert, rebuilt, contents):
    async with asyncio.TaskGroup() as tasks:
        for states in LIVES * 5:
            tasks.create_task(made(*states))
            tasks.create_task(sign_up_and_convert())
        for _ in range(3):
            await rebuilt()
    kept = await contents()
    await rebuilt()
    assert await contents() == kept


async def test_who_has_entered_an_event_and_is_not_done_is_waited_for(records, rebuilt, contents, admin):
    """Its event would be entered twice: by itself, and by the rebuild that begins before its end and reads after it."""
    before = await contents()
    async with records.of_mesh() as tx:
        await append(tx, [Event(uuid4(), MESH, "lead.created", "lead", str(uuid4()), {})])
        rebuilding = asyncio.create_task(rebuilt())
        async with asyncio.timeout(10):
            while not await admin.fetchval(WAITS):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)
    await rebuilding
    after = await contents()
    assert sum(row[3] for row in after["lead_days"]) == sum(row[3] for row in before["lead_days"]) + 1


async def test_leads_are_counted_by_day(sign_up_and_convert, leads, application, records):
    before = await funnel(records)
    await asyncio.gather(
        *(sign_up_and_convert() for _ in range(4)), *(leads.CreateLead(application()) for _ in range(3))
    )
    after = await funnel(records)
    assert [late - early for early, late in zip(before, after, strict=True)] == [7, 4, 4]


async def funnel(records):
    async with records.of_all() as tx:
        row = await tx.fetchrow("SELECT sum(created), sum(verified), sum(converted) FROM lead_funnel")
    return [int(count or 0) for count in row]


async def test_a_command_rebuilds_them(postgres):
    told = await environment(postgres)
    process = await spawn("tenants", "rebuild", MESH_MODE="development", **told)
    assert (await process.communicate())[0].decode().splitlines() == [f"{one.table}: 0 events" for one in PROJECTIONS]
    assert process.returncode == 0


async def test_the_command_says_what_it_needs(postgres):
    told = await environment(postgres)
    del told["ADMIN_DATABASE_URL"]
    process = await spawn("tenants", "rebuild", MESH_MODE="development", **told)
    assert "ADMIN_DATABASE_URL" in (await process.communicate())[0].decode()
    assert process.returncode == 2
