"""Many schemas brought to a version at a time: what is told of each, what a failure leaves, going on after it."""

import asyncio
from contextlib import aclosing

import pytest
from tests.integration.schemas.conftest import world_of

from faults import Conflict, Invalid, NotFound
from storage_service.rollouts.model import Outcome, State
from storage_service.rollouts.service import Rollouts
from storage_service.schemas.model import Tier

FIRST = "CREATE TABLE things (tenant_id uuid NOT NULL, thing int, PRIMARY KEY (tenant_id, thing));"
SECOND = "ALTER TABLE things ADD note text NOT NULL DEFAULT '';\nALTER TABLE things ADD CHECK (note <> 'forbidden');"


@pytest.fixture
async def world(postgres, folder):
    """Six schemas and the shared one, all at version 1."""
    async with world_of(await postgres.database(), blueprint=folder({"0001_things.sql": FIRST})) as world:
        for tier in (Tier.SILO, Tier.BRIDGE, Tier.POOLED) * 2 + (Tier.SILO, Tier.SILO):
            await world.made(tier)
        yield world


@pytest.fixture
def second(folder):
    return folder({"0001_things.sql": FIRST, "0002_note.sql": SECOND})


async def steps(world, blueprint, tenant=None, **changes):
    """Everything that is told, the first message left out."""
    first, *rest = [one async for one in Rollouts(world.databases, blueprint).migrate(tenant, **changes)]
    assert (first.done, first.failed, first.result) == (0, 0, None)
    assert all(one.total == first.total for one in rest)
    assert [one.done for one in rest] == list(range(1, len(rest) + 1))
    return rest


async def versions(world):
    async with world.connected() as connection:
        return sorted(
            row[0]
            for row in await connection.fetch(
                "SELECT max(version) FROM tenantmesh.applied_migrations GROUP BY schema_name"
            )
        )


async def test_all_schemas_are_brought_to_the_newest(world, second):
    told = await steps(world, second)
    assert len(told) == 7
    assert {(one.result.outcome, one.result.target.version, one.result.to_version) for one in told} == {
        (Outcome.MIGRATED, 1, 2)
    }
    assert sum(one.result.target.tenant_id == "" for one in told) == 1  # the shared schema
    assert await versions(world) == [2] * 7
    assert {one.result.outcome for one in await steps(world, second)} == {Outcome.CURRENT}


async def test_only_checking_changes_nothing(world, second):
    assert {one.result.outcome for one in await steps(world, second, validate_only=True)} == {Outcome.PENDING}
    assert await versions(world) == [1] * 7


async def test_a_schema_that_stumbles_stays_and_the_others_go_on(world, second):
    tenant = (await world.schemas.list(tenant_id="", operation_id="", after=None, size=1))[0].record.tenant
    async with world.connected() as connection:
        await connection.execute(f"ALTER TABLE {tenant.own_name}.things ADD note text")
    failed = [one.result for one in await steps(world, second) if one.result.outcome is Outcome.FAILED]
    assert [(one.target.tenant_id, one.to_version, one.failed_version, one.failed_statement) for one in failed] == [
        (tenant.tenant_id, 1, 2, 1)
    ]
    assert tenant.own_name in failed[0].detail
    assert await versions(world) == [1] + [2] * 6
    async with world.connected() as connection:
        await connection.execute(f"ALTER TABLE {tenant.own_name}.things DROP note")
    outcomes = [one.result.outcome for one in await steps(world, second)]
    assert sorted(one.value for one in outcomes) == ["current"] * 6 + ["migrated"]
    assert await versions(world) == [2] * 7


async def test_enough_failures_end_it(world, folder):
    broken = folder({"0001_things.sql": FIRST, "0002_broken.sql": "SELECT 1/0"})
    told = await steps(world, broken, parallelism=1, max_failures=2)
    assert [one.failed for one in told] == [1, 2]
    assert told[-1].total == 7
    assert await versions(world) == [1] * 7


async def test_a_migration_that_was_edited_is_refused(world, folder):
    edited = folder({"0001_things.sql": FIRST + "-- changed"})
    assert {one.result.outcome for one in await steps(world, edited)} == {Outcome.FAILED}
    tenant = (await world.schemas.list(tenant_id="", operation_id="", after=None, size=1))[0].record.tenant
    status = (await Rollouts(world.databases, edited).statuses(tenant))[0]
    assert (status.name, status.state) == ("0001_things", State.CHANGED)


async def test_ensuring_with_an_edited_migration_is_refused(world, folder, with_blueprint):
    edited = with_blueprint(world, folder({"0001_things.sql": FIRST + "-- changed"}))
    tenant = (await world.schemas.list(tenant_id="", operation_id="", after=None, size=1))[0].record.tenant
    with pytest.raises(Conflict) as refused:
        await edited.ensure(tenant)
    assert refused.value.reason == "MIGRATION_CHANGED"


async def test_one_tenant_and_one_version(world, second):
    tenant = (await world.schemas.list(tenant_id="", operation_id="", after=None, size=1))[0].record.tenant
    rollouts = Rollouts(world.databases, second)
    assert [one.state for one in await rollouts.statuses(tenant)] == [State.APPLIED, State.PENDING]
    assert (await steps(world, second, tenant, version=1))[0].result.outcome is Outcome.CURRENT
    assert (await steps(world, second, tenant))[0].result.outcome is Outcome.MIGRATED
    assert [one.state for one in await rollouts.statuses(tenant)] == [State.APPLIED, State.APPLIED]
    with pytest.raises(Invalid) as unknown:
        await steps(world, second, version=3)
    assert unknown.value.facts == {"version": "3", "newest_version": "2"}
    with pytest.raises(NotFound):
        await steps(world, second, world.tenant())


async def test_an_old_release_beside_a_new_one(world, second):
    """During a rolling release, the old replicas meet schemas that the new ones brought further."""
    await steps(world, second)
    assert {one.result.outcome for one in await steps(world, world.blueprint)} == {Outcome.CURRENT}
    tenant = (await world.schemas.list(tenant_id="", operation_id="", after=None, size=1))[0].record.tenant
    assert (await world.ensure(tenant))[0].version == 2
    assert [one.name for one in await Rollouts(world.databases, world.blueprint).statuses(tenant)] == [
        "0001_things", "0002_note",
    ]  # fmt: skip


async def test_several_at_once_do_each_once(world, second):
    outcomes = [
        one.result.outcome for told in await asyncio.gather(*(steps(world, second) for _ in range(4))) for one in told
    ]
    assert set(outcomes) <= {Outcome.MIGRATED, Outcome.CURRENT}
    assert await versions(world) == [2] * 7


async def test_who_stops_listening_stops_it_and_it_goes_on_later(world, second):
    async with aclosing(Rollouts(world.databases, second).migrate(None, parallelism=1)) as told:
        async for one in told:
            if one.done == 2:
                break
    assert 2 <= (await versions(world)).count(2) <= 3
    assert await versions(world) == sorted(await versions(world))
    await steps(world, second)
    assert await versions(world) == [2] * 7


async def test_rows_of_pooled_tenants_stay_apart_in_new_tables(world, folder):
    third = "CREATE TABLE more (tenant_id uuid NOT NULL, x int, PRIMARY KEY (tenant_id, x));"
    assert all(
        one.failed == 0 for one in await steps(world, folder({"0001_things.sql": FIRST, "0002_more.sql": third}))
    )
    async with world.connected() as connection:
        fenced = await connection.fetchval(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'tenants_pooled'::regnamespace AND relforcerowsecurity"
        )
        assert fenced == 2
        role = world.settings.pooled_role
        assert await connection.fetchval("SELECT has_table_privilege($1, 'tenants_pooled.more', 'INSERT')", role)
        assert not await connection.fetchval("SELECT has_table_privilege($1, 'tenants_pooled.more', 'TRUNCATE')", role)
