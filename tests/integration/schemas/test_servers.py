"""Several database servers: who is laid where, what is kept of it, and what happens when one of them is away."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg
import pytest
from tests.fixtures.faultproxy import fault_proxy
from tests.integration.schemas.conftest import LIMITS, World, world_of

from faults import Exhausted, Fault, Invalid
from settingskit import Secret, SettingsInvalid
from storage_service.rollouts.service import Rollouts
from storage_service.schemas.model import Position, Tier
from storage_service.schemas.providers.postgres import PostgresDatabases, PostgresSettings
from storage_service.schemas.service import Rules, Schemas
from storage_service.servers.providers.settings import ServersSettings


@dataclass
class Fleet:
    """Three servers, each a database of its own here, behind a proxy each."""

    world: World
    addresses: dict
    proxies: dict

    async def placements(self):
        async with self.world.connected() as connection:
            rows = await connection.fetch("SELECT name, server FROM tenantmesh.placements ORDER BY name")
            return {row["name"]: row["server"] for row in rows}

    async def lies_on(self, tenant):
        """Where the schema is, as the servers themselves say."""
        found = []
        for name, address in self.addresses.items():
            connection = await asyncpg.connect(address)
            if await connection.fetchval("SELECT to_regnamespace($1)", tenant.own_name):
                found.append(name)
            await connection.close()
        return found


@asynccontextmanager
async def fleet_of(postgres, folder, shares, first=""):
    addresses = {name: await postgres.database() for name in shares}
    if first:
        addresses[next(iter(shares))] = first
    async with AsyncExitStack() as stack:
        plain = await stack.enter_async_context(world_of(next(iter(addresses.values()))))
        proxies = {name: await stack.enter_async_context(fault_proxy(f"127.0.0.1:{postgres.port}")) for name in shares}
        through = {name: addresses[name].replace(str(postgres.port), str(proxies[name].port)) for name in shares}
        lines = [f'[servers.{name}]\nurl = "{through[name]}"\n{share}' for name, share in shares.items()]
        file = folder / "servers.toml"
        file.write_text("\n".join(lines))
        settings = PostgresSettings(servers=ServersSettings(file=file), pooled_role=plain.settings.pooled_role)
        databases = await stack.enter_async_context(PostgresDatabases(settings))
        schemas = Schemas(databases, plain.blueprint, Rules(LIMITS, reserved=databases.reserved))
        yield Fleet(World(schemas, databases, settings, plain.superuser, plain.blueprint), addresses, proxies)


SHARES = {"a": "weight = 100", "b": "weight = 200\nlimit = 4", "c": "weight = 0"}


@pytest.fixture
async def fleet(postgres, tmp_path):
    async with fleet_of(postgres, tmp_path, SHARES) as fleet:
        yield fleet


async def test_places_go_by_weight_and_room_and_are_kept(fleet):
    world = fleet.world
    tenants = [await world.made(Tier.SILO) for _ in range(9)]
    where = Counter((await fleet.placements()).values())
    assert where == {"a": 5, "b": 4}  # twice as many to b, until it is full
    for tenant in tenants:
        server = (await fleet.placements())[tenant.own_name]
        assert await fleet.lies_on(tenant) == [server]
        assert (await world.schemas.get(tenant)).location.server == server
        assert await world.databases.placement(tenant) == (server, True)
    for tenant in tenants:
        assert await world.schemas.delete(tenant)
        assert await fleet.lies_on(tenant) == []
    assert await fleet.placements() == {}


async def test_pooled_rows_are_shared_out_as_well_and_fill_no_server(fleet):
    tenants = [await fleet.world.made(Tier.POOLED, seeded=True) for _ in range(9)]
    assert Counter((await fleet.placements()).values()) == {"a": 3, "b": 6}
    listed = await fleet.world.schemas.list(tenant_id="", operation_id="", after=None, size=50)
    assert {one.record.tenant for one in listed} == set(tenants)


async def test_the_same_tenant_many_times_at_once_lies_once(fleet):
    tenant = fleet.world.tenant(Tier.SILO)
    answers = await asyncio.gather(*(fleet.world.ensure(tenant) for _ in range(6)))
    assert sorted(created for _, created in answers) == [False] * 5 + [True]
    assert len(await fleet.lies_on(tenant)) == 1


async def test_the_same_key_of_two_tenants_at_once_lies_once(fleet):
    tenants = [fleet.world.tenant(Tier.SILO, key="wanted-by-two") for _ in range(4)]
    ends = await asyncio.gather(*map(fleet.world.ensure, tenants), return_exceptions=True)
    assert sum(isinstance(end, Fault) and end.reason == "SCHEMA_NOT_OWNED" for end in ends) == 3
    assert len(await fleet.lies_on(tenants[0])) == 1


async def test_one_asks_for_a_server(fleet):
    tenant = fleet.world.tenant(Tier.SILO)
    await fleet.world.ensure(tenant, server="c")
    assert await fleet.lies_on(tenant) == ["c"]
    await fleet.world.ensure(tenant, server="a")  # what exists is not moved
    assert await fleet.lies_on(tenant) == ["c"]
    with pytest.raises(Invalid) as unknown:
        await fleet.world.ensure(fleet.world.tenant(), server="nowhere")
    assert unknown.value.reason == "SERVER_UNKNOWN"


async def test_full_servers_take_no_more(postgres, tmp_path):
    async with fleet_of(postgres, tmp_path, {"a": "limit = 2", "b": "limit = 1"}) as fleet:
        ends = await asyncio.gather(
            *(fleet.world.ensure(fleet.world.tenant(Tier.SILO)) for _ in range(5)), return_exceptions=True
        )
        refused = [end for end in ends if isinstance(end, Exhausted)]
        assert len(refused) == 2
        assert (refused[0].reason, refused[0].facts) == ("SERVERS_FULL", {"limit": "3", "servers": "a,b"})
        assert [state.full for state in await fleet.world.databases.states()] == [True, True]
        with pytest.raises(Exhausted):
            await fleet.world.ensure(fleet.world.tenant(Tier.SILO), server="b")
        await fleet.world.made(Tier.POOLED)


async def test_a_server_that_is_away_gets_nothing_new_and_stops_nobody_else(fleet):
    world = fleet.world
    there = world.tenant(Tier.SILO)
    await world.ensure(there, server="b")
    await fleet.proxies["b"].refuse()
    tenants = [await world.made(Tier.SILO) for _ in range(3)]
    assert {(await fleet.placements())[tenant.own_name] for tenant in tenants} == {"a"}
    with pytest.raises(Fault) as away:
        await world.schemas.get(there)
    assert (away.value.reason, away.value.facts["server"]) == ("PROVIDER_UNAVAILABLE", "b")
    states = {state.share.name: state for state in await world.databases.states()}
    assert {name: (state.available, state.accepting) for name, state in states.items()} == {
        "a": (True, True), "b": (False, False), "c": (True, False),
    }  # fmt: skip
    await fleet.proxies["b"].heal()
    assert (await world.schemas.get(there)).location.server == "b"


async def test_what_lay_on_one_server_before_there_were_several_is_found(postgres, tmp_path):
    async with world_of(await postgres.database()) as before:
        old = await before.made(Tier.SILO)
        pooled = await before.made(Tier.POOLED)
        async with fleet_of(postgres, tmp_path, SHARES, first=before.superuser) as fleet:
            for tenant in (old, pooled):
                assert not (await fleet.world.ensure(tenant))[1]
                assert (await fleet.world.schemas.get(tenant)).location.server == "a"


async def test_lists_and_migrations_go_over_all_servers(fleet):
    world = fleet.world
    tenants = [await world.made(tier) for tier in (Tier.SILO, Tier.POOLED) * 4]
    seen, after = [], None
    while page := await world.schemas.list(tenant_id="", operation_id="", after=after, size=3):
        seen += page
        location = page[-1].location
        after = Position(location.server, location.database, location.schema, page[-1].record.tenant.tenant_id)
    assert len(seen) == len(tenants)
    assert {one.record.tenant for one in seen} == set(tenants)
    assert [one.location.server for one in seen] == sorted(one.location.server for one in seen)
    told = [one async for one in Rollouts(world.databases, world.blueprint).migrate(None)]
    assert {one.result.target.location.server for one in told[1:]} == {"a", "b"}
    assert told[-1].total == 6  # four of their own, and a shared one on each of two servers


@pytest.mark.chaos
async def test_a_deletion_whose_end_was_lost_is_completed_by_a_repeat(fleet, monkeypatch):
    world = fleet.world
    tenant = await world.made(Tier.SILO)

    async def lost(*_):
        raise OSError("cut")

    with monkeypatch.context() as patched:
        patched.setattr(world.databases, "_forget", lost)
        with pytest.raises(OSError, match="cut"):
            await world.schemas.delete(tenant)
    assert tenant.own_name in await fleet.placements()
    assert not await world.schemas.delete(tenant)
    assert tenant.own_name not in await fleet.placements()


@pytest.mark.parametrize(
    "text",
    ["", "servers = 3", "[servers.a]\nweight = 1", '[servers.a]\nurl = "here:secret-word"',
     '[servers.A]\nurl = "postgresql://a@b/c"', '[servers.a]\nurl = "postgresql://a@b/c"\nweight = -1',
     "not toml secret-word ="],
)  # fmt: skip
def test_a_file_that_lists_no_servers_is_refused(tmp_path, text):
    file = tmp_path / "servers.toml"
    file.write_text(text)
    with pytest.raises(SettingsInvalid) as refused:
        ServersSettings(file=file)
    assert "secret-word" not in str(refused.value)
    with pytest.raises(SettingsInvalid):
        ServersSettings(file=file, url=Secret("postgresql://a@b/c"))
    with pytest.raises(SettingsInvalid):
        ServersSettings()
