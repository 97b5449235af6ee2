"""What every provider of places does."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from faults import AlreadyExists, Conflict, Invalid, NotFound
from storage_service.blueprint.model import Migration, Script
from storage_service.rollouts.model import Outcome, State
from storage_service.rollouts.service import Rollouts
from storage_service.schemas import tokens
from storage_service.schemas.model import Limits, Position, Tier
from storage_service.schemas.providers import PROVIDERS

OPERATION = "provision-1"
NOTHING = Limits()
COMPANY = {"company_name": "Acme"}
TIERS = pytest.mark.parametrize("tier", Tier)


async def ensure(schemas, tenant, **changes):
    return await schemas.ensure(tenant, **{"operation_id": OPERATION, "limits": NOTHING} | changes)


async def seed(schemas, tenant, **changes):
    return await schemas.seed(tenant, **{"template": "", "variables": COMPANY} | changes)


def test_every_provider_is_tried():
    from tests.contract.schemas.conftest import OPENERS

    assert {name.split()[0] for name in OPENERS} == set(PROVIDERS)


@TIERS
async def test_ensure_makes_once_and_confirms(world, schemas, tier):
    tenant = world.tenant(tier)
    made, created = await ensure(schemas, tenant)
    assert created
    again, created = await ensure(schemas, tenant, operation_id="another")
    assert not created
    assert (again.record, again.version, again.location) == (made.record, made.version, made.location)
    assert made.record.stamp.operation_id == OPERATION
    assert made.version >= 1
    found = await schemas.get(tenant)
    assert replace(found, size=0) == replace(made, size=0)


@TIERS
async def test_delete_removes_once_and_confirms(world, schemas, tier):
    tenant = world.tenant(tier)
    assert not await schemas.delete(tenant)
    await ensure(schemas, tenant)
    await seed(schemas, tenant)
    assert await schemas.delete(tenant)
    assert not await schemas.delete(tenant)
    with pytest.raises(NotFound, match="no schema"):
        await schemas.get(tenant)


@TIERS
async def test_what_was_deleted_can_be_made_again(world, schemas, tier):
    tenant = world.tenant(tier)
    for operation in ("first", "second"):
        made, created = await ensure(schemas, tenant, operation_id=operation)
        assert created
        assert made.record.stamp.operation_id == operation
        assert made.record.seed is None
        assert (await seed(schemas, tenant))[1]
        assert await schemas.delete(tenant, operation_id=operation)


@TIERS
async def test_delete_leaves_what_another_operation_made(world, schemas, tier):
    tenant = world.tenant(tier)
    await ensure(schemas, tenant)
    with pytest.raises(Conflict) as refused:
        await schemas.delete(tenant, operation_id="another")
    assert (refused.value.reason, refused.value.facts["operation_id"]) == ("OPERATION_MISMATCH", OPERATION)
    await schemas.get(tenant)


async def test_silo_and_bridge_name_the_same_schema(world, schemas):
    tenant = world.tenant(Tier.BRIDGE)
    made, _ = await ensure(schemas, tenant)
    silo = replace(tenant, tier=Tier.SILO)
    changed, created = await ensure(schemas, silo)
    assert not created
    assert changed.location == made.location
    assert (await schemas.get(silo)).record.tenant.tier is Tier.SILO


async def test_two_tenants_of_one_key_at_once_and_one_has_it(world, schemas):
    key = f"contested-{uuid4().hex[:8]}"
    tenants = [world.tenant(key=key) for _ in range(4)]
    ends = await asyncio.gather(*(ensure(schemas, tenant) for tenant in tenants), return_exceptions=True)
    refused = [end for end in ends if isinstance(end, AlreadyExists)]
    assert len(refused) == 3
    assert {(one.reason, one.facts["owner"]) for one in refused} == {("SCHEMA_NOT_OWNED", "another_tenant")}
    loser = tenants[next(index for index, end in enumerate(ends) if isinstance(end, AlreadyExists))]
    for call in (
        schemas.get(loser),
        schemas.delete(loser),
        seed(schemas, loser),
        schemas.set_access(loser, enabled=True),
    ):
        with pytest.raises(AlreadyExists):
            await call


async def test_the_same_call_many_times_at_once_makes_one(world, schemas):
    for tier in Tier:
        tenant = world.tenant(tier)
        answers = await asyncio.gather(*(ensure(schemas, tenant) for _ in range(5)))
        assert sorted(created for _, created in answers) == [False] * 4 + [True]
        seeds = await asyncio.gather(*(seed(schemas, tenant) for _ in range(5)))
        assert sorted(created for _, created in seeds) == [False] * 4 + [True]


async def test_a_schema_that_is_not_ours_is_refused(world, schemas):
    tenant = world.tenant(Tier.SILO)
    await world.make_foreign(tenant.own_name)
    for call in (ensure(schemas, tenant), schemas.get(tenant), schemas.delete(tenant)):
        with pytest.raises(AlreadyExists) as refused:
            await call
        assert refused.value.facts == {"schema": tenant.own_name, "server": "main", "owner": "unknown"}


@TIERS
async def test_only_checking_makes_nothing(world, schemas, tier):
    tenant = world.tenant(tier)
    would, created = await ensure(schemas, tenant, validate_only=True)
    assert created
    assert would.record.tenant == tenant
    with pytest.raises(NotFound):
        await schemas.get(tenant)
    await ensure(schemas, tenant)
    assert (await ensure(schemas, tenant, validate_only=True))[1] is False
    assert (await seed(schemas, tenant, validate_only=True))[1]
    assert (await schemas.get(tenant)).record.seed is None


async def test_limits_are_those_asked_for_and_else_those_of_the_settings(world, schemas):
    tenant = world.tenant()
    made, _ = await ensure(schemas, tenant, limits=Limits(max_connections=3))
    assert made.record.limits == Limits(3, timedelta(minutes=1), timedelta(minutes=5))
    await ensure(schemas, tenant, limits=Limits(statement_timeout=timedelta(seconds=7)))
    changed = (await schemas.get(tenant)).record
    assert changed.limits == Limits(3, timedelta(seconds=7), timedelta(minutes=5))


@TIERS
async def test_seeding_is_done_once(world, schemas, tier):
    tenant = world.tenant(tier)
    with pytest.raises(NotFound):
        await seed(schemas, tenant)
    await ensure(schemas, tenant)
    with pytest.raises(Conflict) as unknown:
        await seed(schemas, tenant, template="nobody-wrote-it")
    assert unknown.value.reason == "TEMPLATE_NOT_FOUND"
    with pytest.raises(Invalid) as missing:
        await seed(schemas, tenant, variables={})
    assert missing.value.facts == {"template": "default", "variables": "company_name"}
    first, created = await seed(schemas, tenant)
    assert created
    assert await seed(schemas, tenant, template="nobody-wrote-it") == (first, False)
    assert (await schemas.get(tenant)).record.seed == first


async def test_a_seed_counts_the_rows_of_its_own_tenant(world, schemas):
    seeds = []
    for _ in range(3):
        tenant = world.tenant(Tier.POOLED)
        await ensure(schemas, tenant)
        seeds.append((await seed(schemas, tenant))[0])
    assert {tuple(sorted(one.rows.items())) for one in seeds} == {tuple(sorted(seeds[0].rows.items()))}


@TIERS
async def test_access_is_refused_and_given_back(world, schemas, tier):
    tenant = world.tenant(tier)
    await ensure(schemas, tenant)
    for enabled in (False, True):
        schema, changed, ended = await schemas.set_access(tenant, enabled=enabled)
        assert (schema.record.access_enabled, changed, ended) == (enabled, True, 0)
        assert (await schemas.get(tenant)).record.access_enabled is enabled
        assert not (await schemas.set_access(tenant, enabled=enabled))[1]


async def test_ensuring_does_not_let_a_suspended_tenant_in(world, schemas):
    tenant = world.tenant()
    await ensure(schemas, tenant)
    await schemas.set_access(tenant, enabled=False)
    await ensure(schemas, tenant, limits=Limits(max_connections=2))
    assert not (await schemas.get(tenant)).record.access_enabled


async def stage(schemas, tenant):
    token = tokens.new_token(tenant)
    await schemas.stage_claim(tenant, digest=tokens.digest_of(token))
    return token


async def claim(schemas, token):
    return await schemas.claim(tokens.tenant_of(token), digest=tokens.digest_of(token), password=tokens.new_password())


async def test_a_password_is_handed_over_once(world, schemas):
    tenant = world.tenant()
    made, _ = await ensure(schemas, tenant)
    assert made.record.hand_over.claimable
    old, token = await stage(schemas, tenant), await stage(schemas, tenant)
    with pytest.raises(NotFound):
        await claim(schemas, old)
    given = await claim(schemas, token)
    assert len(given.password) >= 24
    assert given.location.role == tenant.own_name
    with pytest.raises(Conflict) as spent:
        await claim(schemas, token)
    assert spent.value.reason == "CLAIM_SPENT"
    with pytest.raises(Conflict) as claimed:
        await stage(schemas, tenant)
    assert claimed.value.reason == "CREDENTIALS_CLAIMED"
    assert not (await schemas.get(tenant)).record.hand_over.claimable


async def test_a_rotation_lets_a_new_password_be_claimed(world, schemas):
    tenant = world.tenant()
    await ensure(schemas, tenant)
    first = await claim(schemas, await stage(schemas, tenant))
    assert (await schemas.rotate(tenant, operation_id="rotate-1"))[1]
    assert not (await schemas.rotate(tenant, operation_id="rotate-1"))[1]
    second = await claim(schemas, await stage(schemas, tenant))
    assert second.password != first.password
    assert not (await schemas.rotate(tenant, operation_id="rotate-1"))[1]
    assert (await schemas.rotate(tenant, operation_id="rotate-2"))[1]


async def test_a_claim_expires(world, schemas):
    tenant = world.tenant()
    await ensure(schemas, tenant)
    token = await stage(schemas, tenant)
    world.now += timedelta(hours=1)
    with pytest.raises(Conflict) as expired:
        await claim(schemas, token)
    assert expired.value.reason == "CLAIM_EXPIRED"


async def test_a_pooled_tenant_has_no_password(world, schemas):
    tenant = world.tenant(Tier.POOLED)
    await ensure(schemas, tenant)
    for call in (schemas.rotate(tenant, operation_id="one"), schemas.stage_claim(tenant, digest="d")):
        with pytest.raises(Conflict) as refused:
            await call
        assert refused.value.reason == "CAPABILITY_MISSING"


async def test_lists_are_ordered_and_go_on_where_they_ended(world, schemas):
    operation = f"list-{uuid4()}"
    tenants = [world.tenant(tier) for tier in (*Tier, *Tier)]
    for tenant in tenants:
        await ensure(schemas, tenant, operation_id=operation)
    seen, after = [], None
    while page := await schemas.list(tenant_id="", operation_id=operation, after=after, size=2):
        seen += page
        last = page[-1]
        after = Position("main", last.location.database, last.location.schema, last.record.tenant.tenant_id)
    places = [(one.location.database, one.location.schema, one.record.tenant.tenant_id) for one in seen]
    assert places == sorted(places)
    assert {one.record.tenant for one in seen} == set(tenants)
    mine = await schemas.list(tenant_id=tenants[0].tenant_id, operation_id="", after=None, size=9)
    assert mine == [await schemas.get(tenants[0])]


async def test_a_server_nobody_knows(world, schemas):
    with pytest.raises(Invalid) as refused:
        await ensure(schemas, world.tenant(), server="nowhere")
    assert refused.value.reason == "SERVER_UNKNOWN"


@TIERS
async def test_migrations_and_servers_are_told(world, schemas, tier):
    tenant = world.tenant(tier)
    assert await world.databases.placement(tenant) == ("main", False)
    await ensure(schemas, tenant)
    assert await world.databases.placement(tenant) == ("main", True)
    rollouts = Rollouts(world.databases, schemas._blueprint)
    assert (await rollouts.statuses(tenant))[0].state is State.APPLIED
    *_, last = [one async for one in rollouts.migrate(None)]
    assert last.failed == 0
    assert last.done == last.total > 0
    (state,) = await world.databases.states()
    assert state.accepting
    assert state.schemas >= (tier is not Tier.POOLED)


@TIERS
async def test_a_newer_release_brings_a_schema_further(world, schemas, tier):
    blueprint = schemas._blueprint
    more = Migration(
        2, Script("0002_more.sql", "CREATE TABLE more (tenant_id uuid, x int, PRIMARY KEY (tenant_id, x))")
    )
    newer = replace(blueprint, migrations=(*blueprint.migrations, more))
    tenant = world.tenant(tier)
    await ensure(schemas, tenant)
    rollouts = Rollouts(world.databases, newer)
    told = [one.result async for one in rollouts.migrate(tenant)][1:]
    assert [(one.outcome, one.to_version) for one in told] in ([(Outcome.MIGRATED, 2)], [(Outcome.CURRENT, 2)])
    assert (await schemas.get(tenant)).version == 2
    assert [one.state for one in await rollouts.statuses(tenant)] == [State.APPLIED, State.APPLIED]
