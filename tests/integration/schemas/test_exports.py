"""A tenant's rows taken, kept, lost and loaded again: by the real programs, in a real store."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from tests.fixtures.databases import administrator
from tests.integration.schemas.conftest import world_of

from faults import AlreadyExists, Conflict, NotFound
from localstack.servers.postgres import programs
from settingskit import Secret
from storage_service.buckets.model import Tier as BucketTier
from storage_service.buckets.providers import provider_type
from storage_service.buckets.providers.settings import BucketDefaults
from storage_service.buckets.service import Places
from storage_service.buckets.service import Tenant as BucketTenant
from storage_service.exports.model import Destination
from storage_service.exports.providers.dumps.postgres import PostgresDumps
from storage_service.exports.providers.files import files_type
from storage_service.exports.providers.programs import Programs
from storage_service.exports.providers.rows import Rows
from storage_service.exports.providers.vault import ObjectVault
from storage_service.exports.service import Exports
from storage_service.schemas.model import Tier

OPERATION = "export-1"
ARCHIVE, BUCKET = Destination.ARCHIVE, Destination.TENANT_BUCKET
KEY = Secret("signs exports")
# Values of every kind that a copy could lose.
MORE = """
CREATE TYPE mood AS ENUM ('fine', 'so-so');
CREATE TABLE {schema}.oddities (
    tenant_id uuid NOT NULL, number bigint GENERATED ALWAYS AS IDENTITY, text text, blob bytea, moods {schema}.mood[],
    at timestamptz, span interval, amount numeric, ratio double precision, document jsonb,
    twice bigint GENERATED ALWAYS AS (number * 2) STORED,
    parent bigint, PRIMARY KEY (tenant_id, number), FOREIGN KEY (tenant_id, parent) REFERENCES {schema}.oddities
);
"""


@dataclass
class Keeping:
    """A world with exports: its places in a store, its vault and its dumps."""

    world: object
    places: Places
    exports: Exports
    vault: ObjectVault
    files: object
    folder: Path

    async def made(self, tier, *, seeded=True):
        tenant = await self.world.made(tier, seeded=seeded)
        await self.bucket(tenant)
        return tenant

    async def bucket(self, tenant):
        owner = BucketTenant(tenant.tenant_id, tenant.key, BucketTier[tenant.tier.name])
        await self.places.ensure(owner, operation_id=OPERATION)

    async def export(self, tenant, export_id="one", destination=ARCHIVE, operation_id=OPERATION):
        steps = self.exports.export(tenant, operation_id=operation_id, export_id=export_id, destination=destination)
        *before, last = [step async for step in steps]
        assert all(step.export is None for step in before)
        return last.export

    async def restore(self, tenant, source=None, export_id="one", destination=ARCHIVE):
        steps = self.exports.restore(tenant, source=source or tenant, export_id=export_id, destination=destination)
        *before, last = [step async for step in steps]
        assert all(step.schema is None for step in before)
        assert last.step.done == last.step.total
        return last.schema

    async def told(self, tenant):
        """Every table of a tenant: its rows, and what tells them from others."""
        schema = "tenants_pooled" if tenant.pooled else tenant.own_name
        async with self.world.connected() as connection:
            await connection.execute("SET timezone = UTC; SET intervalstyle = iso_8601")
            rows = Rows(connection, schema, tenant.tenant_id if tenant.pooled else "")
            return {name: await rows.table(name) for name in await rows.names()}

    async def databases(self):
        async with self.world.connected() as connection:
            query = "SELECT datname FROM pg_database WHERE datname LIKE 'tenantmesh_restore%'"
            return await connection.fetch(query)


def store_settings(name, object_store):
    kind = provider_type(name).Settings
    if name == "memory":
        return kind()
    return kind(key_id=object_store.access_key, key=Secret(object_store.secret_key), endpoint=object_store.endpoint)


@pytest_asyncio.fixture(scope="module", params=["memory", "s3", "memory, as an ordinary administrator"])
async def keeping(request, postgres, object_store, tmp_path_factory):
    name, _, ordinary = request.param.partition(",")
    settings, defaults = store_settings(name, object_store), BucketDefaults()
    store = provider_type(name)(settings, defaults.names, defaults.defaults)
    folder = tmp_path_factory.mktemp("dumps")
    superuser = await postgres.database()
    address = await administrator(superuser) if ordinary else superuser
    async with world_of(superuser, address=address) as world, store:
        places = Places(store, defaults.names, defaults.defaults)
        async with files_type(name)(settings, places, "exports-archive") as files:
            vault = ObjectVault(files, KEY)
            dumps = PostgresDumps(world.databases, Programs(programs()))
            exports = Exports(world.schemas, dumps, vault, world.blueprint, folder=folder)
            yield Keeping(world, places, exports, vault, files, folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("destination", Destination)
@pytest.mark.parametrize("tier", [Tier.SILO, Tier.POOLED])
async def test_export_delete_restore_into_a_new_tenant(keeping, tier, destination):
    world = keeping.world
    old, other = await keeping.made(tier), await keeping.made(tier)
    before, others = await keeping.told(old), await keeping.told(other)
    export = await keeping.export(old, destination=destination)
    assert export.complete
    assert {table.name: table for table in export.contents.tables} == before
    await keeping.exports.check_complete(old, "one")
    assert await world.schemas.delete(old)
    assert await world.left(old) == []

    new = await keeping.made(tier, seeded=False)
    restored = await keeping.restore(new, source=old, destination=destination)
    assert await keeping.told(new) == before
    assert sum(table.rows for table in before.values()) > 20
    assert restored.record.seed == export.contents.seed
    assert not (await world.seed(new))[1]
    schema = "tenants_pooled" if new.pooled else new.own_name
    async with world.connected() as connection:
        owners = await connection.fetch(f"SELECT DISTINCT tenant_id::text FROM {schema}.roles")
    assert new.tenant_id in {row[0] for row in owners}
    assert old.tenant_id not in {row[0] for row in owners}
    assert await keeping.told(other) == others
    assert await keeping.databases() == []


async def test_from_one_tier_to_the_other(keeping):
    pooled, silo = await keeping.made(Tier.POOLED), await keeping.made(Tier.SILO, seeded=False)
    before = await keeping.told(pooled)
    await keeping.export(pooled)
    await keeping.restore(silo, source=pooled)
    assert await keeping.told(silo) == before
    back = await keeping.made(Tier.POOLED, seeded=False)
    await keeping.export(silo, "two")
    await keeping.restore(back, source=silo, export_id="two")
    assert await keeping.told(back) == before


async def test_a_repeat_confirms_and_another_operation_is_refused(keeping):
    tenant = await keeping.made(Tier.SILO)
    first = await keeping.export(tenant)
    assert await keeping.export(tenant) == first
    assert await keeping.exports.get(tenant, export_id="one", destination=ARCHIVE) == first
    with pytest.raises(AlreadyExists) as refused:
        await keeping.export(tenant, operation_id="another")
    assert refused.value.facts["operation_id"] == OPERATION


async def test_links_read_what_the_manifest_says(keeping):
    tenant = await keeping.made(Tier.SILO)
    export = await keeping.export(tenant, destination=BUCKET)
    links, _ = await keeping.exports.links(tenant, export_id="one", destination=BUCKET, lifetime=timedelta(minutes=1))
    assert [key for key, _ in links] == [export.manifest_key, export.files[0].key]
    if links[0][1].startswith("http"):
        async with aiohttp.ClientSession() as client:
            manifest, dump = [await (await client.get(url)).read() for _, url in links]
        assert json.loads(manifest)["export"]["files"][0]["sha256"] == hashlib.sha256(dump).hexdigest()
        assert dump[:5] == b"PGDMP"


async def test_what_was_interrupted_is_incomplete_and_begun_anew(keeping):
    tenant = await keeping.made(Tier.SILO)
    steps = keeping.exports.export(tenant, operation_id=OPERATION, export_id="cut", destination=ARCHIVE)
    await anext(steps)
    await steps.aclose()
    export = await keeping.exports.get(tenant, export_id="cut", destination=ARCHIVE)
    assert not export.complete
    with pytest.raises(Conflict) as refused:
        await keeping.exports.check_complete(tenant, "cut")
    assert refused.value.reason == "EXPORT_INCOMPLETE"
    with pytest.raises(Conflict):
        await keeping.restore(await keeping.made(Tier.SILO, seeded=False), source=tenant, export_id="cut")
    assert (await keeping.export(tenant, "cut")).complete


async def test_an_export_in_the_archive_counts_when_the_bucket_is_gone(keeping):
    tenant = await keeping.world.made(Tier.SILO, seeded=True)
    await keeping.export(tenant)
    await keeping.exports.check_complete(tenant, "one")


async def test_lists_and_removal(keeping):
    tenant = await keeping.made(Tier.SILO)
    for name in ("one", "three", "two"):
        await keeping.export(tenant, name)
    found = await keeping.exports.list(tenant, destination=ARCHIVE, after="", size=2)
    assert [one.export_id for one in found] == ["one", "three"]
    assert [
        one.export_id for one in await keeping.exports.list(tenant, destination=ARCHIVE, after="three", size=9)
    ] == ["two"]
    with pytest.raises(Conflict):
        await keeping.exports.delete(tenant, export_id="one", destination=ARCHIVE, operation_id="another")
    assert await keeping.exports.delete(tenant, export_id="one", destination=ARCHIVE, operation_id=OPERATION)
    assert not await keeping.exports.delete(tenant, export_id="one", destination=ARCHIVE)
    for call in (
        keeping.exports.get(tenant, export_id="one", destination=ARCHIVE),
        keeping.exports.check_complete(tenant, "one"),
    ):
        with pytest.raises(NotFound) as missing:
            await call
        assert missing.value.reason == "EXPORT_NOT_FOUND"


async def test_rows_are_not_restored_over_rows(keeping):
    tenant = await keeping.made(Tier.SILO)
    await keeping.export(tenant)
    with pytest.raises(Conflict) as refused:
        await keeping.restore(tenant)
    assert refused.value.reason == "SCHEMA_NOT_EMPTY"
    with pytest.raises(NotFound):
        await keeping.restore(keeping.world.tenant(), source=tenant)


@pytest.mark.parametrize("name", ["rows.dump", "manifest.json"])
async def test_what_somebody_changed_is_not_restored(keeping, name):
    """A tenant can write into its own bucket, and what is restored runs with the rights of the service."""
    tenant, new = await keeping.made(Tier.SILO), await keeping.made(Tier.SILO, seeded=False)
    await keeping.export(tenant, destination=BUCKET)
    place, key = await keeping.files.tenant_place(tenant), f"exports/one/{name}"
    data = await keeping.files.read(place, key)
    await keeping.files.put(
        place, key, data.replace(b'"rows": 3', b'"rows": 4') if name != "rows.dump" else data + b"x"
    )
    with pytest.raises(Conflict) as refused:
        await keeping.restore(new, source=tenant, destination=BUCKET)
    assert refused.value.reason == "EXPORT_CORRUPT"
    stranger = replace_key(keeping)
    with pytest.raises(Conflict):
        await stranger.get(tenant, export_id="one", destination=BUCKET)
    assert all(table.rows == 0 for table in (await keeping.told(new)).values())
    assert await keeping.databases() == []


def replace_key(keeping):
    """The same exports, for a service with another key."""
    exports = keeping.exports
    vault = ObjectVault(keeping.files, Secret("another"))
    return Exports(exports._schemas, exports._dumps, vault, exports._blueprint)


async def test_an_export_of_another_tenant_is_not_taken_for_ones_own(keeping):
    tenant, new = await keeping.made(Tier.SILO), await keeping.made(Tier.SILO, seeded=False)
    await keeping.export(tenant, destination=BUCKET)
    here, there = await keeping.files.tenant_place(tenant), await keeping.files.tenant_place(new)
    for name in ("rows.dump", "manifest.json"):
        await keeping.files.put(there, f"exports/one/{name}", await keeping.files.read(here, f"exports/one/{name}"))
    with pytest.raises(Conflict) as refused:
        await keeping.restore(new, destination=BUCKET)
    assert refused.value.reason == "EXPORT_CORRUPT"


async def test_values_of_every_kind_survive(keeping, postgres, folder):
    first = {"0001_things.sql": MORE.replace("{schema}.", "")}
    second = first | {"0002_later.sql": "ALTER TABLE oddities ADD later text NOT NULL DEFAULT 'new'"}
    async with world_of(await postgres.database(), blueprint=folder(first)) as world:
        old = replace(keeping, world=world)
        old.exports = Exports(
            world.schemas, PostgresDumps(world.databases, Programs(programs())), keeping.vault, world.blueprint
        )
        tenant, new = world.tenant(Tier.SILO), world.tenant(Tier.SILO)
        await world.ensure(tenant)
        async with world.connected() as connection:
            await connection.execute(
                f"""SET search_path = {tenant.own_name};
                INSERT INTO oddities (tenant_id, text, blob, moods, at, span, amount, ratio, document)
                SELECT '{tenant.tenant_id}', E'a\\tb\\n\\\\"''ü' || n, '\\x00ff', '{{fine,so-so}}', now(),
                       '1 day 2 h', 1.10, 0.1::float8 / n, '{{"b": 1, "a": [null]}}'
                FROM generate_series(1, 100) AS n;
                UPDATE oddities SET parent = 101 - number"""
            )
        before = await old.told(tenant)
        await old.export(tenant)
        await old.restore(await ensured(world, new), source=tenant)
        assert await old.told(new) == before
        async with world.connected() as connection:
            inserted = f"INSERT INTO {new.own_name}.oddities (tenant_id) VALUES ('{new.tenant_id}') RETURNING number"
            assert await connection.fetchval(inserted) == 101
        # A newer release restores what an older one exported.
        newer = Exports(world.schemas, old.exports._dumps, keeping.vault, folder(second))
        third = world.tenant(Tier.SILO)
        old.exports, old.world = (
            newer,
            replace(world, schemas=type(world.schemas)(world.databases, folder(second), world.schemas._rules)),
        )
        await ensured(old.world, third)
        await old.restore(third, source=tenant)
        async with world.connected() as connection:
            assert (
                await connection.fetchval(f"SELECT count(*) FROM {third.own_name}.oddities WHERE later = 'new'") == 100
            )


CIRCLE = """
CREATE TABLE people (tenant_id uuid NOT NULL DEFAULT current_setting('app.tenant_id')::uuid,
    person text, team text NOT NULL, PRIMARY KEY (tenant_id, person));
CREATE TABLE badges (tenant_id uuid NOT NULL DEFAULT current_setting('app.tenant_id')::uuid,
    badge text, person text NOT NULL, PRIMARY KEY (tenant_id, badge),
    FOREIGN KEY (tenant_id, person) REFERENCES people);
CREATE TABLE teams (tenant_id uuid NOT NULL DEFAULT current_setting('app.tenant_id')::uuid,
    team text, head text NOT NULL, PRIMARY KEY (tenant_id, team), FOREIGN KEY (tenant_id, head) REFERENCES people);
ALTER TABLE people ADD FOREIGN KEY (tenant_id, team) REFERENCES teams;
"""
IN_A_CIRCLE = """
WITH t AS (INSERT INTO teams (team, head) VALUES ('sales', 'ada'), ('support', 'ben'))
INSERT INTO people (person, team) VALUES ('ada', 'support'), ('ben', 'sales');
INSERT INTO badges (badge, person) VALUES ('1', 'ada');
"""


@pytest.mark.parametrize("keeping", ["memory"], indirect=True)
async def test_tables_that_point_at_each_other_are_seeded_exported_removed_and_restored(keeping, postgres, folder):
    template = {"default": {"template.toml": 'version = "1"', "01_circle.sql": IN_A_CIRCLE}}
    blueprint = folder({"0001_circle.sql": CIRCLE}, template)
    async with world_of(await postgres.database(), blueprint=blueprint) as world:
        dumps = PostgresDumps(world.databases, Programs(programs()))
        here = replace(keeping, world=world, exports=Exports(world.schemas, dumps, keeping.vault, world.blueprint))
        for tier in (Tier.SILO, Tier.POOLED):
            old, new = await world.made(tier, seeded=True), await world.made(tier)
            before = await here.told(old)
            assert {name: table.rows for name, table in before.items()} == {"badges": 1, "people": 2, "teams": 2}
            await here.export(old)
            assert await world.schemas.delete(old)
            assert await world.left(old) == []
            await here.restore(new, source=old)
            assert await here.told(new) == before


async def ensured(world, tenant):
    await world.ensure(tenant)
    return tenant


async def test_without_programs_it_says_what_to_do(keeping, tmp_path):
    tenant = await keeping.made(Tier.SILO)
    dumps = PostgresDumps(keeping.world.databases, Programs(tmp_path))
    exports = Exports(keeping.world.schemas, dumps, keeping.vault, keeping.world.blueprint)
    with pytest.raises(Conflict, match="POSTGRES_PROGRAMS") as refused:
        async for _ in exports.export(tenant, operation_id=OPERATION, export_id="none", destination=ARCHIVE):
            pass
    assert (refused.value.reason, refused.value.facts["capability"]) == ("CAPABILITY_MISSING", "pg_dump")


async def test_programs_older_than_the_server_are_passed_over(tmp_path):
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 15.4 (Debian)'\n")
    program.chmod(0o755)
    with pytest.raises(Conflict):
        await Programs(tmp_path)._program("pg_dump", 18)
    assert await Programs(tmp_path)._program("pg_dump", 15) == str(program)
