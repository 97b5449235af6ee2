"""The object store behaves as S3 where the mesh relies on it."""

import asyncio
import urllib.request

import botocore.config
import botocore.exceptions
import botocore.session
import pytest

from localstack.component import Unprepared
from localstack.servers import objectstore


def client(store, service, access_key=None, secret_key=None):
    return botocore.session.Session().create_client(
        service,
        store.region,
        endpoint_url=store.endpoint,
        aws_access_key_id=access_key or store.access_key,
        aws_secret_access_key=secret_key or store.secret_key,
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def s3(object_store):
    one = client(object_store, "s3")
    yield one
    one.close()


async def refused(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        await asyncio.to_thread(call, **arguments)
    return error.value.response["Error"]["Code"]


async def test_a_bucket_that_holds_something_is_not_deleted(s3):
    await asyncio.to_thread(s3.create_bucket, Bucket="holds-something")
    await asyncio.to_thread(s3.put_object, Bucket="holds-something", Key="k", Body=b"v")
    assert await refused(s3.delete_bucket, Bucket="holds-something") == "BucketNotEmpty"
    await asyncio.to_thread(s3.delete_object, Bucket="holds-something", Key="k")
    await asyncio.to_thread(s3.delete_bucket, Bucket="holds-something")


async def test_a_bucket_that_is_not_there_is_not_made_by_writing(s3):
    assert await refused(s3.put_object, Bucket="not-there", Key="k", Body=b"v") == "NoSuchBucket"


async def test_objects_can_be_encrypted(s3):
    await asyncio.to_thread(s3.create_bucket, Bucket="encrypted")
    put = await asyncio.to_thread(s3.put_object, Bucket="encrypted", Key="k", Body=b"v", ServerSideEncryption="AES256")
    assert put["ServerSideEncryption"] == "AES256"


async def test_keys_are_made_for_users_who_may_nothing_yet(object_store, s3):
    await asyncio.to_thread(s3.create_bucket, Bucket="somebody-elses")
    iam = client(object_store, "iam")
    await asyncio.to_thread(iam.create_user, UserName="tenant-1")
    made = (await asyncio.to_thread(iam.create_access_key, UserName="tenant-1"))["AccessKey"]
    theirs = client(object_store, "s3", made["AccessKeyId"], made["SecretAccessKey"])
    assert await refused(theirs.put_object, Bucket="somebody-elses", Key="k", Body=b"v") == "AccessDenied"
    for one in (iam, theirs):
        one.close()


async def test_without_its_keys_nobody_gets_in(object_store):
    stranger = client(object_store, "s3", "AKIASTRANGER", "nothing")
    assert await refused(stranger.list_buckets) == "InvalidAccessKeyId"
    stranger.close()
    with pytest.raises(urllib.error.HTTPError, match="403"):
        await asyncio.to_thread(urllib.request.urlopen, object_store.endpoint)


async def test_objects_outlive_a_crash(object_store, s3):
    await asyncio.to_thread(s3.create_bucket, Bucket="kept")
    await asyncio.to_thread(s3.put_object, Bucket="kept", Key="k", Body=b"v")
    await object_store.server.stop()
    assert list(objectstore.SOCKETS.glob(f"seaweedfs-*-{object_store.server.site.ports['master.grpc']}.sock")) == []
    await object_store.server.start()
    got = await asyncio.to_thread(s3.get_object, Bucket="kept", Key="k")
    assert got["Body"].read() == b"v"


def test_a_socket_of_somebody_else_is_named(object_store, monkeypatch, tmp_path):
    monkeypatch.setattr(objectstore, "SOCKETS", tmp_path)
    file = tmp_path / f"seaweedfs-filer-{object_store.server.site.ports['filer']}.sock"
    file.touch()
    objectstore.tidy(object_store.server.site)
    assert not file.exists()
    file.touch()

    def denied(*_, **__):
        raise PermissionError

    monkeypatch.setattr(type(file), "unlink", denied)
    with pytest.raises(Unprepared, match="belongs to another user; remove it"):
        objectstore.tidy(object_store.server.site)
