"""A tenant's credentials reach its own objects and nothing else, tried with the credentials themselves."""

import asyncio
import hashlib
import secrets
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from botocore.exceptions import ClientError
from moto.core.authorization import enable_iam_authentication
from tests.fixtures.stores import Server, open_s3

from faults import Conflict, Exhausted, NotFound
from storage_service.buckets.model import Tier
from storage_service.credentials.model import Access, State
from storage_service.objects.model import Quota, Upload

PAIRS = [(Tier.SILO, Tier.SILO), (Tier.POOLED, Tier.POOLED), (Tier.SILO, Tier.POOLED), (Tier.POOLED, Tier.SILO)]


@pytest.fixture
async def guarded_moto(moto):
    """moto, which then asks who calls: its administrator is a user, as everybody else."""
    name = f"administrator-{secrets.token_hex(4)}"
    everything = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    async with moto.client("iam") as iam:
        await iam.create_user(UserName=name)
        await iam.put_user_policy(UserName=name, PolicyName="everything", PolicyDocument=everything)
        key = (await iam.create_access_key(UserName=name))["AccessKey"]
    with enable_iam_authentication():
        yield Server(moto.endpoint, key["AccessKeyId"], key["SecretAccessKey"])


@pytest.fixture(params=["seaweedfs", "guarded_moto"])
def guarded(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
async def world(guarded):
    async with open_s3(guarded) as world:
        yield world


def acting(world, key):
    return world.server.client("s3", key.access_key_id, key.secret, key.session_token or None)


async def refused(call):
    with pytest.raises(ClientError) as caught:
        await call
    status = caught.value.response["ResponseMetadata"]["HTTPStatusCode"]
    assert status == 403, caught.value
    return True


async def reaches(client, place):
    """Whether the client can write, read and remove in the place."""
    where = {"Bucket": place.bucket, "Key": f"{place.prefix}probe.txt"}
    try:
        await client.put_object(**where, Body=b"probe")
        async with (await client.get_object(**where))["Body"] as body:
            assert await body.read() == b"probe"
        await client.delete_object(**where)
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403, error
        return False
    return True


async def assert_shut_out(client, place, *, listing=True):
    """No way in: not to read, write, remove, list or look at it."""
    mine, other = {"Bucket": place.bucket, "Key": f"{place.prefix}mine.txt"}, {"Bucket": place.bucket}
    await refused(client.get_object(**mine))
    await refused(client.put_object(**mine, Body=b"overwritten"))
    await refused(client.delete_object(**mine))
    if listing:
        await refused(client.list_objects_v2(**other, Prefix=place.prefix))
        await refused(client.list_objects_v2(**other))
        await refused(client.list_object_versions(**other, Prefix=place.prefix))
    await refused(client.put_bucket_policy(**other, Policy="{}"))
    await refused(client.delete_bucket(**other))


@pytest.mark.parametrize("tiers", PAIRS, ids=lambda pair: f"{pair[0].value}-{pair[1].value}")
async def test_a_reaches_a_and_nothing_of_b(world, guarded, seaweedfs, tiers):
    a, b = world.tenant("acme", tier=tiers[0]), world.tenant("acme-corp", tier=tiers[1])
    own = (await world.places.ensure(a, operation_id="op-1"))[0].record.place
    foreign = (await world.places.ensure(b, operation_id="op-1"))[0].record.place
    await world.put(foreign, "mine.txt", b"precious")
    async with acting(world, await world.claimed(a)) as client:
        assert await reaches(client, own)
        # moto does not know the condition on prefixes; on SeaweedFS it is tried.
        conditional = own.bucket == foreign.bucket and guarded is not seaweedfs
        await assert_shut_out(client, foreign, listing=not conditional)
        await refused(client.get_object(Bucket=world.names.records, Key="places/x"))
        await refused(client.list_objects_v2(Bucket=world.names.records))
        if not own.shared:
            await client.list_objects_v2(Bucket=own.bucket)
    async with (await world.s3.get_object(Bucket=foreign.bucket, Key=f"{foreign.prefix}mine.txt"))["Body"] as body:
        assert await body.read() == b"precious"


async def test_a_pooled_tenant_lists_its_own_prefix_only(seaweed_world):
    a, b = seaweed_world.tenant("acme", tier=Tier.POOLED), seaweed_world.tenant("acme-corp", tier=Tier.POOLED)
    own = (await seaweed_world.places.ensure(a, operation_id="op-1"))[0].record.place
    await seaweed_world.places.ensure(b, operation_id="op-1")
    async with acting(seaweed_world, await seaweed_world.claimed(a)) as client:
        listed = await client.list_objects_v2(Bucket=own.bucket, Prefix=own.prefix)
        assert [one["Key"] for one in listed["Contents"]] == ["tenant-acme/documents/", "tenant-acme/uploads/"]
        await refused(client.list_objects_v2(Bucket=own.bucket))
        for prefix in ("", "tenant-", "tenant-acme", "tenant-acme-corp/", "tenant-acme*/"):
            await refused(client.list_objects_v2(Bucket=own.bucket, Prefix=prefix))


async def test_read_only_credentials_write_nothing(world):
    tenant = world.tenant()
    place = (await world.places.ensure(tenant, operation_id="op-1"))[0].record.place
    await world.put(place, "a.txt", b"text")
    async with acting(world, await world.claimed(tenant, access=Access.READ_ONLY)) as client:
        await client.get_object(Bucket=place.bucket, Key="a.txt")
        await refused(client.put_object(Bucket=place.bucket, Key="a.txt", Body=b""))
        await refused(client.delete_object(Bucket=place.bucket, Key="a.txt"))


async def test_rotated_credentials_work_until_the_new_ones_are_claimed(world):
    tenant = world.tenant()
    place = (await world.places.ensure(tenant, operation_id="op-1"))[0].record.place
    old = await world.issue(tenant)
    token, _ = await world.issuer.issue_claim(tenant, old.credentials_id)
    _, old_key = await world.issuer.claim(token)
    how = {"operation_id": "op-2", "keep_previous": False}
    _, new, created = await world.issuer.rotate(tenant, old.credentials_id, **how)
    assert created
    assert (await world.issuer.rotate(tenant, old.credentials_id, **how))[1:] == (new, False)
    async with acting(world, old_key) as client:
        assert await reaches(client, place)
        token, _ = await world.issuer.issue_claim(tenant, new.credentials_id)
        _, new_key = await world.issuer.claim(token)
        assert not await reaches(client, place)
    async with acting(world, new_key) as client:
        assert await reaches(client, place)
    record, left = await world.issuer.list(tenant, operation_id="", after="", size=10)
    assert [(one.replaces, world.issuer.state_of(one, record)) for one in left] == [(old.credentials_id, State.ACTIVE)]
    # A repeat after the hand-over still answers the successors.
    assert (await world.issuer.rotate(tenant, old.credentials_id, **how))[1].credentials_id == new.credentials_id


async def test_revoked_credentials_end_at_once_and_leave_no_identity(world):
    tenant = world.tenant()
    place = (await world.places.ensure(tenant, operation_id="op-1"))[0].record.place
    before = await world.inventory()
    key = await world.claimed(tenant)
    async with acting(world, key) as client:
        assert await reaches(client, place)
        assert await world.issuer.revoke(tenant, credentials_id="", operation_id="op-1") == 1
        assert not await reaches(client, place)
    assert await world.issuer.revoke(tenant, credentials_id="", operation_id="") == 0
    assert {one for one in await world.inventory() if one[0] == "user"} == {one for one in before if one[0] == "user"}


@pytest.mark.parametrize("tier", [Tier.SILO, Tier.POOLED])
async def test_a_suspended_tenant_reaches_nothing_until_it_is_resumed(world, tier):
    tenant = world.tenant(tier=tier)
    place = (await world.places.ensure(tenant, operation_id="op-1"))[0].record.place
    async with acting(world, await world.claimed(tenant)) as client:
        for _ in range(2):
            assert (await world.places.set_access(tenant, enabled=False))[1]
            assert not (await world.places.set_access(tenant, enabled=False))[1]
            assert not await reaches(client, place)
            for call in (
                world.objects.upload_link(tenant, Upload("a.txt"), timedelta(minutes=1)),
                world.objects.download_link(tenant, "a.txt", "", timedelta(minutes=1)),
            ):
                with pytest.raises(Conflict) as told:
                    await call
                assert told.value.reason == "ACCESS_SUSPENDED"
            assert (await world.places.set_access(tenant, enabled=True))[1]
            assert await reaches(client, place)


@pytest.mark.parametrize("tier", [Tier.SILO, Tier.POOLED])
async def test_expiring_credentials_are_as_limited_and_end_as_early_as_others(seaweed_world, tier):
    a, b = seaweed_world.tenant("acme", tier=tier), seaweed_world.tenant("acme-corp", tier=tier)
    own = (await seaweed_world.places.ensure(a, operation_id="op-1"))[0].record.place
    foreign = (await seaweed_world.places.ensure(b, operation_id="op-1"))[0].record.place
    key = await seaweed_world.claimed(a, lifetime=timedelta(minutes=15))
    assert key.session_token
    left = key.expire_time - datetime.now(UTC)
    assert timedelta(minutes=10) < left < timedelta(minutes=16)
    async with acting(seaweed_world, key) as client:
        assert await reaches(client, own)
        await assert_shut_out(client, foreign)
        await seaweed_world.places.set_access(a, enabled=False)
        assert not await reaches(client, own)
        await seaweed_world.places.set_access(a, enabled=True)
        assert await reaches(client, own)
        await seaweed_world.issuer.revoke(a, credentials_id="", operation_id="")
        assert not await reaches(client, own)


@pytest.mark.parametrize("tier", [Tier.SILO, Tier.POOLED])
async def test_links_do_what_they_are_for_and_nothing_else(seaweed_world, tier):
    tenant, other = seaweed_world.tenant("acme", tier=tier), seaweed_world.tenant("acme-corp", tier=tier)
    await seaweed_world.places.ensure(tenant, operation_id="op-1")
    await seaweed_world.places.ensure(other, operation_id="op-1")
    body = b"three words, \xc3\xbcber all"
    key = "reports/2026/ü (final)+&?.txt"
    exact = Upload(key, "text/plain", len(body))
    link = await seaweed_world.objects.upload_link(tenant, exact, timedelta(minutes=5))
    wrong = await seaweed_world.objects.upload_link(
        tenant, Upload("b.txt", sha256=hashlib.sha256(b"other").hexdigest()), timedelta(minutes=5)
    )
    async with aiohttp.ClientSession() as http:
        headers = {name: value for name, value in link.headers.items() if name != "content-length"}
        assert await _put(http, link.url, body + b"longer", headers) == 403
        assert await _put(http, link.url, body, {"content-type": "text/html"}) == 403
        assert await _put(http, link.url, body, headers) == 200
        assert await _put(http, wrong.url, body, wrong.headers) in {400, 403}
        assert await _put(http, wrong.url, b"other", wrong.headers) == 200
        read = await seaweed_world.objects.download_link(tenant, key, 'ü "q".txt', timedelta(minutes=5))
        async with http.get(read.url) as answer:
            assert (answer.status, await answer.read()) == (200, body)
            assert "filename*=UTF-8''%C3%BC%20%22q%22.txt" in answer.headers["content-disposition"]
        assert await _put(http, read.url, body, {}) == 403
        beside = await seaweed_world.objects.upload_link(other, Upload("c.txt"), timedelta(minutes=5))
        await seaweed_world.places.set_access(tenant, enabled=False)
        # The store takes a moment to heed the policy of a bucket.
        async with asyncio.timeout(30):
            while await _put(http, link.url, body, headers) != 403:
                pass
        async with http.get(read.url) as answer:
            assert answer.status == 403
        assert await _put(http, beside.url, body, beside.headers) == 200
        await seaweed_world.places.set_access(tenant, enabled=True)
        async with asyncio.timeout(30):
            while await _put(http, link.url, body, headers) != 200:
                pass
        async with http.get(read.url) as answer:
            assert answer.status == 200
    with pytest.raises(NotFound) as missing:
        await seaweed_world.objects.download_link(tenant, "c.txt", "", timedelta(minutes=5))
    assert missing.value.reason == "OBJECT_NOT_FOUND"


async def test_a_quota_stops_links_and_usage_counts_what_there_is(seaweed_world):
    tenant = seaweed_world.tenant()
    place = (await seaweed_world.places.ensure(tenant, operation_id="op-1"))[0].record.place
    assert await seaweed_world.objects.set_quota(tenant, Quota(max_bytes=10))
    assert not await seaweed_world.objects.set_quota(tenant, Quota(max_bytes=10))
    await seaweed_world.put(place, "a.txt", b"12345")
    await seaweed_world.put(place, "a.txt", b"123")
    await seaweed_world.upload_in_part(place, "b.bin")
    usage, quota = await seaweed_world.objects.usage(tenant, max_age=timedelta())
    assert (usage.objects, usage.bytes, usage.noncurrent_bytes, usage.incomplete_uploads) == (3, 3, 5, 1)
    assert quota == Quota(max_bytes=10)
    await seaweed_world.objects.upload_link(tenant, Upload("c.txt", content_length=2), timedelta(minutes=1))
    with pytest.raises(Exhausted) as told:
        await seaweed_world.objects.upload_link(tenant, Upload("c.txt", content_length=3), timedelta(minutes=1))
    assert (told.value.reason, told.value.facts["quota"], told.value.facts["limit"]) == (
        "QUOTA_EXCEEDED", "bytes", "10",
    )  # fmt: skip
    await seaweed_world.objects.set_quota(tenant, Quota(max_objects=3))
    with pytest.raises(Exhausted) as told:
        await seaweed_world.objects.upload_link(tenant, Upload("c.txt"), timedelta(minutes=1))
    assert told.value.facts["quota"] == "objects"
    await seaweed_world.put(place, "d.txt", b"1")
    assert (await seaweed_world.objects.usage(tenant, max_age=timedelta(hours=1)))[0] == usage
    assert (await seaweed_world.objects.usage(tenant, max_age=timedelta()))[0].objects == 4


async def _put(http, url, body, headers):
    async with http.put(url, data=body, headers=headers) as answer:
        return answer.status
