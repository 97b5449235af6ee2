"""What the mesh did not make stays as it is, byte for byte; what it made and lost track of it finds again."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from tests.fixtures.stores import open_s3

from faults import AlreadyExists, Conflict, Unavailable
from storage_service.buckets.model import Feature, FeatureState, Place, SettingsChange, Stamp, Tier
from storage_service.buckets.providers.s3 import documents
from storage_service.credentials.model import Owner
from storage_service.objects.model import Removal


async def everything(world, bucket):
    """All that can be read of a bucket: contents, versions and settings."""
    found = {}
    for method in ("versioning", "tagging", "cors", "lifecycle_configuration", "policy", "encryption"):
        try:
            answer = await getattr(world.s3, f"get_bucket_{method}")(Bucket=bucket)
        except ClientError as error:
            answer = error.response["Error"]["Code"]
        else:
            answer.pop("ResponseMetadata")
        found[method] = answer
    page = await world.s3.list_object_versions(Bucket=bucket)
    for one in page.get("Versions", ()):
        where = {"Bucket": bucket, "Key": one["Key"], "VersionId": one["VersionId"]}
        async with (await world.s3.get_object(**where))["Body"] as body:
            found[one["Key"], one["VersionId"]] = (await body.read(), one["LastModified"])
    found["markers"] = [one["Key"] for one in page.get("DeleteMarkers", ())]
    return found


async def assert_refused(world, tenant, owner):
    for call in (
        world.places.ensure(tenant, operation_id="op-1"),
        world.places.ensure(tenant, operation_id="op-1", validate_only=True),
        world.places.get(tenant),
        world.places.delete(tenant),
        world.places.set_access(tenant, enabled=False),
        world.issue(tenant),
        anext(world.objects.empty(tenant, validate_only=False)),
    ):
        with pytest.raises(AlreadyExists) as refused:
            await call
        assert (refused.value.reason, refused.value.facts["owner"]) == ("BUCKET_NOT_OWNED", owner)


@pytest.mark.parametrize("tags", [(), ("team",)], ids=["untagged", "tagged"])
async def test_a_bucket_made_by_hand_is_refused_and_untouched(world, tags):
    tenant, name = world.tenant(), f"{world.names.prefix}-acme"
    await world.s3.create_bucket(Bucket=name)
    await world.s3.put_object(Bucket=name, Key="theirs.bin", Body=secrets.token_bytes(1000))
    if tags:
        await world.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": tag, "Value": "x"} for tag in tags]})
    before, inventory = await everything(world, name), await world.inventory()
    await assert_refused(world, tenant, "unknown")
    assert await everything(world, name) == before
    assert await world.inventory() == inventory


async def test_an_empty_bucket_made_by_hand_is_refused_too(world):
    await world.s3.create_bucket(Bucket=f"{world.names.prefix}-acme")
    inventory = await world.inventory()
    await assert_refused(world, world.tenant(), "unknown")
    assert await world.inventory() == inventory


async def test_objects_below_the_prefix_without_a_record_are_refused_and_untouched(world):
    tenant = world.tenant(tier=Tier.POOLED)
    await world.put(Place(world.names.shared, "tenant-acme/"), "theirs.bin", b"theirs")
    before, inventory = await everything(world, world.names.shared), await world.inventory()
    await assert_refused(world, tenant, "unknown")
    assert await everything(world, world.names.shared) == before
    assert await world.inventory() == inventory


async def test_a_bucket_that_was_replaced_by_hand_is_refused(seaweed_world):
    world = seaweed_world  # moto gives a new bucket the tags of the one before
    tenant = world.tenant()
    made, _ = await world.places.ensure(tenant, operation_id="op-1")
    name = made.record.place.bucket
    _ = [one async for one in world.objects.empty(tenant, validate_only=False)]
    await world.s3.delete_bucket(Bucket=name)
    again, created = await world.places.ensure(tenant, operation_id="op-2")
    assert (created, again.record.owner.operation_id) == (True, "op-2")
    _ = [one async for one in world.objects.empty(tenant, validate_only=False)]
    await world.s3.delete_bucket(Bucket=name)
    await world.s3.create_bucket(Bucket=name)
    await assert_refused(world, tenant, "unknown")


async def test_a_bucket_that_somebody_made_where_one_was_being_made_is_refused(seaweed_world, monkeypatch):
    world, tenant, name = seaweed_world, seaweed_world.tenant(), f"{seaweed_world.names.prefix}-acme"
    making = world.store.buckets.create

    async def overtaken(record):
        await world.s3.create_bucket(Bucket=name)
        await world.s3.put_object(Bucket=name, Key="theirs.bin", Body=b"theirs")
        return await making(record)

    before = await world.inventory()
    monkeypatch.setattr(world.store.buckets, "create", overtaken)
    with pytest.raises(AlreadyExists):
        await world.places.ensure(tenant, operation_id="op-1")
    monkeypatch.undo()
    stands = await everything(world, name)
    await assert_refused(world, tenant, "unknown")
    assert await everything(world, name) == stands
    assert {one for one in await world.inventory() - before if name not in one} == set()


@pytest.mark.parametrize("theirs", ["an object", "a tag"])
async def test_a_bucket_made_by_hand_after_a_call_was_interrupted_is_refused(seaweed_world, monkeypatch, theirs):
    world, tenant, name = seaweed_world, seaweed_world.tenant(), f"{seaweed_world.names.prefix}-acme"

    async def away(_):
        raise Unavailable("The store is away.", reason="PROVIDER_UNAVAILABLE")

    with monkeypatch.context() as patch:
        patch.setattr(world.store.buckets, "create", away)
        with pytest.raises(Unavailable):
            await world.places.ensure(tenant, operation_id="op-1")
    await world.s3.create_bucket(Bucket=name)
    if theirs == "an object":
        await world.s3.put_object(Bucket=name, Key="theirs.bin", Body=b"theirs")
    else:
        await world.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "team", "Value": "x"}]})
    stands = await everything(world, name)
    await assert_refused(world, tenant, "unknown")
    assert await everything(world, name) == stands


async def test_a_stamped_bucket_whose_record_was_lost_is_found_and_can_go(world):
    before = await world.inventory()
    tenant = world.tenant()
    made, _ = await world.places.ensure(tenant, operation_id="op-1")
    await world.s3.delete_object(Bucket=world.names.records, Key=documents.name_of(made.record.place))
    page = await world.places.list(tenant_id=tenant.tenant_id, operation_id="op-1", after=None, size=10)
    assert [bucket.record for bucket in page.buckets] == [made.record]
    assert (await world.places.get(tenant)).record == made.record
    mended, created = await world.places.ensure(tenant, operation_id="op-2")
    assert (created, mended.record.owner) == (False, made.record.owner)
    await world.s3.delete_object(Bucket=world.names.records, Key=documents.name_of(made.record.place))
    assert await world.places.delete(tenant)
    assert await world.inventory() == before


@pytest.mark.parametrize("hold", ["legal_hold", "retention"])
async def test_what_is_locked_keeps_everything_and_is_named(world, hold):
    tenant, name = world.tenant(), f"{world.names.prefix}-acme"
    await world.s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    stamp = Stamp("acme", Tier.SILO, Owner(tenant.tenant_id, "op-1", datetime.now(UTC)))
    await world.s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": documents.to_tags(stamp)})
    await world.put(Place(name), "a.txt", b"free")
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3600)
    mode = (
        {"ObjectLockLegalHoldStatus": "ON"}
        if hold == "legal_hold"
        else {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
    )
    await world.s3.put_object(Bucket=name, Key="b.txt", Body=b"held", **mode)
    before = await everything(world, name)
    for validate_only in (True, False):
        with pytest.raises(Conflict) as refused:
            _ = [one async for one in world.objects.empty(tenant, validate_only=validate_only)]
        facts = refused.value.facts
        assert (refused.value.reason, facts["key"], facts["lock"]) == ("OBJECTS_LOCKED", "b.txt", hold)
        assert facts["until_time"] == ("" if hold == "legal_hold" else until.isoformat())
    assert await everything(world, name) == before
    await world.s3.put_object_legal_hold(Bucket=name, Key="b.txt", LegalHold={"Status": "OFF"})


async def test_more_than_a_page_is_emptied_in_pages_and_a_broken_stream_is_resumed(seaweed_world):
    world = seaweed_world
    tenant, other = world.tenant(tier=Tier.POOLED), world.tenant("acme-corp", tier=Tier.POOLED)
    place = (await world.places.ensure(tenant, operation_id="op-1"))[0].record.place
    await world.places.ensure(other, operation_id="op-1")
    for start in range(0, 1100, 50):
        await asyncio.gather(*(world.put(place, f"file-{start + one:04}", b"12345") for one in range(50)))
    stream = world.objects.empty(tenant, validate_only=False)
    first = await anext(stream)
    await stream.aclose()
    assert (first.versions, first.bytes, first.done) == (1000, 999 * 5, False)
    rest = [one async for one in world.objects.empty(tenant, validate_only=False)]
    assert rest[-1] == Removal(102, 101 * 5, 0, f"{place.prefix}uploads/", done=True)
    assert await world.places.delete(tenant)


async def test_without_a_public_access_block_no_bucket_is_made_where_it_is_required(seaweedfs):
    async with open_s3(seaweedfs, block_required=True) as world:
        inventory = await world.inventory()
        with pytest.raises(Conflict) as refused:
            await world.places.ensure(world.tenant(), operation_id="op-1")
        assert (refused.value.reason, refused.value.facts["capability"]) == (
            "CAPABILITY_MISSING", "public_access_block",
        )  # fmt: skip
        assert await world.inventory() == inventory


async def test_where_the_store_has_it_it_is_on(moto):
    async with open_s3(moto, block_required=True) as world:
        made, _ = await world.places.ensure(world.tenant(), operation_id="op-1")
        assert made.features()[Feature.PUBLIC_ACCESS_BLOCK] is FeatureState.ON
        for name in (made.record.place.bucket, world.names.records, world.names.shared):
            block = await world.s3.get_public_access_block(Bucket=name)
            assert set(block["PublicAccessBlockConfiguration"].values()) == {True}


async def test_a_key_of_the_key_service_encrypts_where_one_is_given(moto):
    async with open_s3(moto) as world:
        tenant, change = world.tenant(), SettingsChange(kms_key_id="alias/acme")
        made, _ = await world.places.ensure(tenant, operation_id="op-1", change=change)
        answer = await world.s3.get_bucket_encryption(Bucket=made.record.place.bucket)
        (rule,) = answer["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule["ApplyServerSideEncryptionByDefault"] == {
            "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/acme",
        }  # fmt: skip
        kept, _ = await world.places.ensure(tenant, operation_id="op-1")
        assert kept.configuration.kms_key_id == "alias/acme"


@pytest.mark.parametrize("theirs", ["an object", "a tag"])
async def test_a_shared_bucket_that_operators_use_already_is_left_as_it_is(server, theirs):
    async with open_s3(server, opened=False) as world:
        await world.s3.create_bucket(Bucket=world.names.shared)
        if theirs == "an object":
            await world.s3.put_object(Bucket=world.names.shared, Key="theirs.txt", Body=b"theirs")
        else:
            tags = {"TagSet": [{"Key": "team", "Value": "x"}]}
            await world.s3.put_bucket_tagging(Bucket=world.names.shared, Tagging=tags)
        before = await everything(world, world.names.shared)
        tenant = world.tenant(tier=Tier.POOLED)
        await world.places.ensure(tenant, operation_id="op-1")
        _ = [one async for one in world.objects.empty(tenant, validate_only=False)]
        await world.places.delete(tenant)
        assert await everything(world, world.names.shared) == before
        await world.clear()
