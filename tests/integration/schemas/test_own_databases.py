"""A silo tenant with a database of its own: nobody else gets in, and no half-made one is left or adopted."""

import asyncio
import socket

import asyncpg
import pytest
from tests.integration.schemas.conftest import StatementProxy, world_of

from faults import AlreadyExists, Fault, Kind
from storage_service.rollouts.service import Rollouts
from storage_service.schemas.model import Tier
from storage_service.schemas.providers.own import OwnDatabases


@pytest.fixture(scope="module")
async def world(postgres):
    async with world_of(await postgres.database(), own_databases=True) as world:
        yield world


async def test_a_silo_tenant_has_its_own_and_a_bridge_tenant_has_not(world):
    silo, bridge = await world.made(Tier.SILO, seeded=True), await world.made(Tier.BRIDGE)
    found = (await world.schemas.get(silo)).location
    assert (found.database, found.schema, found.own_database) == (silo.own_name, silo.own_name, True)
    assert not (await world.schemas.get(bridge)).location.own_database
    assert (await world.databases.states())[0].schemas == 2
    assert await world.schemas.delete(silo)
    assert await world.left(silo) == []
    assert await world.schemas.delete(bridge)


async def test_nobody_else_gets_in(world):
    first, second = [await world.made(Tier.SILO) for _ in range(2)]
    address = await world.signed_in(first)
    async with world.connected(address) as connection:
        assert await connection.fetchval("SELECT current_schema()") == first.own_name
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(f"{address.rpartition('/')[0]}/{second.own_name}")


async def test_a_database_that_is_not_ours_is_refused_and_stays(world):
    tenant = world.tenant(Tier.SILO)
    async with world.connected() as connection:
        await connection.execute(f"CREATE DATABASE {tenant.own_name}")
        before = await connection.fetchrow("SELECT d::text FROM pg_database AS d WHERE datname = $1", tenant.own_name)
        with pytest.raises(AlreadyExists) as refused:
            await world.ensure(tenant)
        assert refused.value.facts["owner"] == "unknown"
        assert not await world.schemas.delete(tenant)
        after = await connection.fetchrow("SELECT d::text FROM pg_database AS d WHERE datname = $1", tenant.own_name)
        assert after == before
        await connection.execute(f"DROP DATABASE {tenant.own_name}")


async def test_a_place_that_exists_stays_where_it_is(postgres):
    superuser = await postgres.database()
    async with world_of(superuser) as before:
        tenant = await before.made(Tier.SILO)
        role = before.settings.pooled_role
        async with world_of(superuser, own_databases=True, pooled_role=role) as world:
            assert not (await world.ensure(tenant))[1]
            assert not (await world.schemas.get(tenant)).location.own_database
            later = await world.made(Tier.SILO)
        assert (await before.schemas.get(later)).location.own_database  # also when the setting is gone
        told = [one async for one in Rollouts(before.databases, before.blueprint).migrate(None)]
        assert told[-1].total == 2


@pytest.mark.parametrize("half_made", ["row", "database", "nothing in it", "half removed"])
async def test_what_was_half_made_is_completed_and_removed(world, half_made):
    for finish in (world.ensure, world.schemas.delete):
        tenant = world.tenant(Tier.SILO)
        if half_made in {"nothing in it", "half removed"}:
            own = OwnDatabases(await world.databases.server_of(tenant))
            await own.reserve(tenant, "provision-1")
            if half_made == "half removed":
                await own.condemn(tenant)
        else:
            async with world.connected() as connection:
                await connection.execute(
                    "INSERT INTO tenantmesh.own_databases (name, tenant_id, operation_id) VALUES ($1, $2, 'one')",
                    tenant.own_name,
                    tenant.tenant_id,
                )
                if half_made == "database":
                    await connection.execute(f"CREATE DATABASE {tenant.own_name} TEMPLATE template0")
        await finish(tenant)
        if finish == world.ensure:
            assert (await world.schemas.get(tenant)).location.own_database
            async with world.connected() as connection:
                entry = "SELECT has_database_privilege('public', $1, 'CONNECT')"
                assert not await connection.fetchval(entry, tenant.own_name)
            await world.schemas.delete(tenant)
        assert await world.left(tenant) == []


async def test_the_same_call_and_the_same_key_at_once(world):
    tenant = world.tenant(Tier.SILO)
    answers = await asyncio.gather(*(world.ensure(tenant) for _ in range(4)))
    assert sorted(created for _, created in answers) == [False] * 3 + [True]
    rivals = [world.tenant(Tier.SILO, key=tenant.key) for _ in range(2)]
    for rival in rivals:
        with pytest.raises(AlreadyExists) as refused:
            await world.ensure(rival)
        assert refused.value.facts["owner"] == "another_tenant"
        with pytest.raises(AlreadyExists):
            await world.schemas.delete(rival)
    assert (await world.schemas.get(tenant)).location.own_database


async def test_made_and_removed_at_once_nothing_is_lost_or_left(world):
    tenant = world.tenant(Tier.SILO)
    for _ in range(4):
        calls = [world.ensure(tenant), world.schemas.delete(tenant), world.ensure(tenant), world.schemas.delete(tenant)]
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert {end.kind for end in ends if isinstance(end, Exception)} <= {Kind.ABORTED, Kind.UNAVAILABLE}
        await world.ensure(tenant)
        assert (await world.schemas.get(tenant)).location.own_database
    await world.schemas.delete(tenant)
    assert await world.left(tenant) == []


@pytest.mark.chaos
async def test_connections_cut_in_every_statement(world, postgres):
    proxy = StatementProxy("127.0.0.1", free_port(), ("127.0.0.1", postgres.port))
    await proxy.heal()
    address = world.superuser.replace(f":{postgres.port}/", f":{proxy.port}/")
    role = world.settings.pooled_role
    try:
        async with world_of(world.superuser, address=address, pooled_role=role, own_databases=True) as through:
            finished, cuts = False, 0
            while not finished:
                cuts += 8  # connections are made on the way, and their first words are pieces as well
                tenant = world.tenant(Tier.SILO)
                proxy.pieces, proxy.cut_at, proxy.answered = 0, cuts, cuts % 2 == 0
                try:
                    await through.ensure(tenant)
                    await through.schemas.delete(tenant)
                    finished = True
                except Fault as fault:
                    assert (fault.kind, fault.reason) == (Kind.UNAVAILABLE, "PROVIDER_UNAVAILABLE")
                proxy.cut_at = 0
                await world.ensure(tenant)
                assert (await world.schemas.get(tenant)).location.own_database
                await world.schemas.delete(tenant)
                assert await world.left(tenant) == []
    finally:
        await proxy.close()
    assert cuts > 20


def free_port():
    with socket.socket() as chooser:
        chooser.bind(("127.0.0.1", 0))
        return chooser.getsockname()[1]
