"""What is promised about places, whatever store stands behind it."""

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from faults import AlreadyExists, Conflict, Invalid, NotFound
from storage_service.buckets.model import BucketSettings, Feature, FeatureState, Lifecycle, Place, SettingsChange, Tier
from storage_service.objects.model import Removal

TIERS = [Tier.SILO, Tier.POOLED]
OWN = BucketSettings(versioning=False, kms_key_id="", lifecycle=Lifecycle(timedelta(days=9), timedelta(days=2)))


@pytest.mark.parametrize("tier", TIERS)
async def test_a_place_is_made_once_and_found_as_it_was_made(world, tier):
    tenant = world.tenant(tier=tier)
    made, created = await world.places.ensure(tenant, operation_id="op-1", domains=["b.example", "a.example"])
    assert created
    assert made.record.domains == ("a.example", "b.example")
    again, created = await world.places.ensure(tenant, operation_id="op-2", domains=["a.example", "b.example"])
    assert not created
    assert again == made == await world.places.get(tenant)
    assert again.record.owner.operation_id == "op-1"
    assert await world.keys(made.record.place) == ["documents/", "uploads/"]


async def test_domains_are_kept_as_browsers_write_them(world):
    written = ["B.Example", "a.example.", "A.EXAMPLE"]
    made, _ = await world.places.ensure(world.tenant(), operation_id="op-1", domains=written)
    assert made.record.domains == made.configuration.domains == ("a.example", "b.example")


@pytest.mark.parametrize("tier", TIERS)
async def test_deleted_is_gone_and_nothing_of_it_is_left_in_the_store(world, tier):
    tenant = world.tenant(tier=tier)
    before = await world.inventory()
    made, _ = await world.places.ensure(tenant, operation_id="op-1")
    await world.claimed(tenant)
    await world.put(made.record.place, "a.txt", b"one")
    await world.put(made.record.place, "a.txt", b"two")
    assert await world.inventory() > before
    with pytest.raises(Conflict) as refused:
        await world.places.delete(tenant)
    assert (refused.value.reason, refused.value.facts["key"]) == (
        "BUCKET_NOT_EMPTY",
        f"{made.record.place.prefix}a.txt",
    )
    progress = [removal async for removal in world.objects.empty(tenant, validate_only=False)]
    assert progress[-1].done
    assert await world.places.delete(tenant)
    assert await world.inventory() == before
    assert not await world.places.delete(tenant)
    with pytest.raises(NotFound) as missing:
        await world.places.get(tenant)
    assert missing.value.reason == "BUCKET_NOT_FOUND"


async def test_silo_and_bridge_name_the_same_bucket_and_pooled_another_place(world):
    tenant = world.tenant(tier=Tier.BRIDGE)
    made, _ = await world.places.ensure(tenant, operation_id="op-1")
    moved, created = await world.places.ensure(replace(tenant, tier=Tier.SILO), operation_id="op-2")
    assert (moved.record.place, created, moved.record.tier) == (made.record.place, False, Tier.SILO)
    pooled, created = await world.places.ensure(replace(tenant, tier=Tier.POOLED), operation_id="op-3")
    assert created
    assert pooled.record.place == Place(world.names.shared, f"tenant-{tenant.key}/")


async def test_every_feature_is_reported_and_what_the_store_has_is_on(world):
    made, _ = await world.places.ensure(world.tenant(), operation_id="op-1", domains=["acme.example"])
    capabilities = await world.store.capabilities()
    assert made.features().keys() == set(Feature)
    for feature, state in made.features().items():
        assert state is (FeatureState.ON if feature in capabilities else FeatureState.MISSING)
    pooled, _ = await world.places.ensure(world.tenant(tier=Tier.POOLED), operation_id="op-1")
    shared = {state for feature, state in pooled.features().items() if feature is not Feature.LIMITED_CREDENTIALS}
    assert shared <= {FeatureState.SHARED, FeatureState.MISSING}


async def test_settings_that_are_not_given_stay_as_they_are(world):
    tenant = world.tenant()
    change = SettingsChange(versioning=False, noncurrent=timedelta(days=9), incomplete=timedelta(days=2))
    made, _ = await world.places.ensure(tenant, operation_id="op-1", change=change, domains=["acme.example"])
    assert made.record.settings == OWN
    kept, created = await world.places.ensure(tenant, operation_id="op-1", domains=["other.example"])
    assert not created
    stands = await world.store.buckets.configuration(kept.record.place.bucket)
    assert (stands.versioning, stands.lifecycle, stands.domains) == (False, OWN.lifecycle, ("other.example",))
    bare, _ = await world.places.ensure(tenant, operation_id="op-1")
    assert (await world.store.buckets.configuration(bare.record.place.bucket)).domains == ()
    assert bare.features()[Feature.CORS] is FeatureState.OFF


async def test_what_somebody_changed_by_hand_is_put_right(world):
    tenant = world.tenant()
    made, _ = await world.places.ensure(tenant, operation_id="op-1", domains=["acme.example"])
    stands = made.configuration
    altered = replace(stands, versioning=False, domains=("evil.example",))
    await world.store.buckets.configure(made.record.place.bucket, altered, stands)
    assert (await world.places.get(tenant)).configuration == altered
    mended, created = await world.places.ensure(tenant, operation_id="op-1", domains=["acme.example"])
    assert (created, mended.configuration) == (False, stands)
    assert (await world.places.get(tenant)).configuration == stands


async def test_a_pooled_tenant_takes_no_settings_of_its_own(world):
    with pytest.raises(Conflict) as refused:
        await world.places.ensure(
            world.tenant(tier=Tier.POOLED), operation_id="op-1", change=SettingsChange(versioning=False)
        )
    assert (refused.value.reason, refused.value.facts["capability"]) == ("CAPABILITY_MISSING", "settings")


@pytest.mark.parametrize("tier", TIERS)
async def test_only_checking_makes_nothing(world, tier):
    tenant = world.tenant(tier=tier)
    await world.store.capabilities()
    before = await world.inventory()
    _, created = await world.places.ensure(tenant, operation_id="op-1", validate_only=True)
    assert created
    assert await world.inventory() == before


@pytest.mark.parametrize("tier", TIERS)
async def test_of_two_tenants_with_one_key_one_wins_and_the_other_is_told(world, tier):
    rivals = [world.tenant("acme", tier=tier) for _ in range(4)]
    answers = await asyncio.gather(
        *(world.places.ensure(rival, operation_id="op-1") for rival in rivals), return_exceptions=True
    )
    (winner,) = [answer for answer in answers if not isinstance(answer, BaseException)]
    losers = [answer for answer in answers if isinstance(answer, BaseException)]
    assert {(type(loser), loser.reason) for loser in losers} == {(AlreadyExists, "BUCKET_NOT_OWNED")}
    assert (await world.places.get(rivals[answers.index(winner)])).record == winner[0].record


async def test_the_same_tenant_many_times_at_once_makes_one(world):
    tenant = world.tenant()
    made = await asyncio.gather(*(world.places.ensure(tenant, operation_id="op-1") for _ in range(4)))
    assert {bucket.record.place for bucket, _ in made} == {Place(f"{world.names.prefix}-{tenant.key}")}
    assert await world.keys(made[0][0].record.place) == ["documents/", "uploads/"]
    page = await world.places.list(tenant_id=tenant.tenant_id, operation_id="", after=None, size=10)
    assert len(page.buckets) == 1


@pytest.mark.parametrize("tier", TIERS)
async def test_what_another_tenant_has_cannot_be_touched(world, tier):
    owner = world.tenant("acme", tier=tier)
    thief = world.tenant("acme", tier=tier)
    made, _ = await world.places.ensure(owner, operation_id="op-1")
    await world.put(made.record.place, "precious.txt", b"mine")
    before = await world.inventory()
    issued = (await world.issue(owner)).credentials_id
    calls = [
        world.places.ensure(thief, operation_id="op-2"),
        world.places.get(thief),
        world.places.set_access(thief, enabled=False),
        world.places.delete(thief),
        world.issue(thief),
        world.issuer.revoke(thief, credentials_id=issued, operation_id=""),
        world.issuer.issue_claim(thief, issued),
        world.objects.usage(thief, max_age=timedelta()),
        anext(world.objects.empty(thief, validate_only=False)),
    ]
    for call in calls:
        with pytest.raises(AlreadyExists) as refused:
            await call
        assert (refused.value.reason, refused.value.facts["owner"]) == ("BUCKET_NOT_OWNED", "another_tenant")
        assert owner.tenant_id not in str(refused.value.facts)
    await world.issuer.revoke(owner, credentials_id="", operation_id="")
    assert await world.inventory() == before


async def test_only_the_operation_that_made_it_may_be_undone(world):
    tenant = world.tenant()
    await world.places.ensure(tenant, operation_id="op-1")
    with pytest.raises(Conflict) as refused:
        await world.places.delete(tenant, operation_id="op-2")
    assert (refused.value.reason, refused.value.facts["operation_id"]) == ("OPERATION_MISMATCH", "op-1")
    assert await world.places.delete(tenant, operation_id="op-1")


async def test_pages_walk_through_everything_once_in_order(world):
    tenants = [world.tenant(key, tier=tier) for key in ("b-1", "a", "a-b", "b") for tier in (Tier.SILO, Tier.POOLED)]
    for tenant in tenants:
        await world.places.ensure(replace(tenant, key=f"k{tenant.key}"), operation_id=f"op-{tenant.tier.value}")
    found, after = [], None
    while True:
        page = await world.places.list(tenant_id="", operation_id="", after=after, size=3)
        found += [bucket.record.place for bucket in page.buckets]
        after = page.last
        if after is None:
            break
    assert found == sorted(found, key=lambda place: place.order)
    assert len(found) == len(set(found)) == len(tenants)
    page = await world.places.list(tenant_id="", operation_id="op-pooled", after=None, size=10)
    assert {bucket.record.tier for bucket in page.buckets} == {Tier.POOLED}
    page = await world.places.list(tenant_id=str(uuid.uuid4()), operation_id="", after=None, size=10)
    assert page.buckets == ()


@pytest.mark.parametrize("tier", [Tier.SILO, Tier.POOLED])
async def test_names_at_every_limit_work(world, tier):
    for key in ("abc", "a" * 31, "a" + "-" * 29 + "z"):
        tenant = world.tenant(key, tier=tier)
        await world.places.ensure(tenant, operation_id="o" * 128)
        assert (await world.claimed(tenant)).access_key_id
        assert await world.places.delete(tenant)


async def test_hostile_names_are_refused_before_anything_is_asked(world):
    before = await world.inventory()
    hostile = ['acme"; drop bucket', "../acme", "acme.corp", "acme/", "ACME", "a" * 63, "acme\n", ""]
    reserved = ["mesh-records", "mesh-shared", "acme-s3alias", "a--ol-s3"]
    for key, rule in [*((key, "format") for key in hostile), *((key, "reserved") for key in reserved)]:
        with pytest.raises(Invalid) as refused:
            await world.places.ensure(world.tenant(key), operation_id="op-1")
        assert (refused.value.reason, refused.value.facts["rule"]) == ("NAME_INVALID", rule)
    assert await world.inventory() == before


@pytest.mark.parametrize("tier", TIERS)
async def test_emptied_page_by_page_with_every_version_and_upload(world, tier):
    tenant, neighbour = world.tenant("acme", tier=tier), world.tenant("acme-corp", tier=tier)
    made, _ = await world.places.ensure(tenant, operation_id="op-1")
    beside, _ = await world.places.ensure(neighbour, operation_id="op-1")
    await world.put(beside.record.place, "kept.txt", b"kept")
    for text in (b"one", b"three"):
        await world.put(made.record.place, "a.txt", text)
    await world.upload_in_part(made.record.place, "big.bin")
    counted = [removal async for removal in world.objects.empty(tenant, validate_only=True)][-1]
    assert (await world.keys(made.record.place)) == ["a.txt", "documents/", "uploads/"]
    progress = [removal async for removal in world.objects.empty(tenant, validate_only=False)]
    assert progress[-1] == counted
    assert counted.uploads == 1
    assert await world.keys(made.record.place) == []
    again = [removal async for removal in world.objects.empty(tenant, validate_only=False)]
    assert again == [Removal(done=True)]
    assert await world.keys(beside.record.place) == ["documents/", "kept.txt", "uploads/"]


async def test_a_place_that_is_not_there_counts_as_empty(world):
    assert [one async for one in world.objects.empty(world.tenant(), validate_only=False)] == [Removal(done=True)]
