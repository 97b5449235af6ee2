"""The storage service as a process: real ports, real clients, real signals."""

import asyncio
import signal
import uuid

import aiohttp
import grpc
import pytest
from tests.fixtures.processes import service, spawn

from chassis.errors import fault_of
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.storage.v1 import bucket_credentials_pb2, bucket_pb2, object_pb2
from tenantmesh.storage.v1 import bucket_service_pb2_grpc as rpc


@pytest.fixture(scope="module")
async def storage():
    async with service("storage") as process:
        yield process


@pytest.fixture
async def stub(storage):
    async with grpc.aio.insecure_channel(storage.address) as channel:
        yield rpc.BucketServiceStub(channel)


def about(key, tier=tier_pb2.TIER_SILO, tenant=None):
    return {"tenant_id": tenant or str(uuid.uuid5(uuid.NAMESPACE_DNS, key)), "tenant_key": key, "tier": tier}


@pytest.mark.parametrize("tier", [tier_pb2.TIER_SILO, tier_pb2.TIER_BRIDGE, tier_pb2.TIER_POOLED])
async def test_a_bucket_lives_and_is_gone(stub, tier):
    tenant = about(f"life-{tier}", tier)
    asked = bucket_pb2.EnsureBucketRequest(**tenant, operation_id="provision-1", domains=["life.example"])
    made = await stub.EnsureBucket(asked)
    assert made.created
    assert not (await stub.EnsureBucket(asked)).created
    assert (await stub.GetBucket(bucket_pb2.GetBucketRequest(**tenant))).bucket == made.bucket
    listed = await stub.ListBuckets(bucket_pb2.ListBucketsRequest(tenant_id=tenant["tenant_id"]))
    assert list(listed.buckets) == [made.bucket]
    assert (await stub.DeleteBucket(bucket_pb2.DeleteBucketRequest(**tenant))).existed
    assert not (await stub.DeleteBucket(bucket_pb2.DeleteBucketRequest(**tenant))).existed
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetBucket(bucket_pb2.GetBucketRequest(**tenant))
    assert fault_of(caught.value).reason == "BUCKET_NOT_FOUND"


async def test_no_secret_is_written_to_the_log(storage, stub):
    tenant = about("secrets")
    await stub.EnsureBucket(bucket_pb2.EnsureBucketRequest(**tenant, operation_id="provision-1"))
    issued = await stub.IssueCredentials(
        bucket_credentials_pb2.IssueCredentialsRequest(
            **tenant, operation_id="provision-1", access="BUCKET_ACCESS_READ_WRITE"
        )
    )
    claim = await stub.IssueCredentialsClaim(
        bucket_credentials_pb2.IssueCredentialsClaimRequest(**tenant, credentials_id=issued.credentials.credentials_id)
    )
    key = await stub.ClaimCredentials(bucket_credentials_pb2.ClaimCredentialsRequest(claim_token=claim.claim_token))
    link = await stub.PresignUpload(object_pb2.PresignUploadRequest(**tenant, key="a.txt"))
    async with asyncio.timeout(10):
        while not any("PresignUpload" in line for line in storage.lines):  # noqa: ASYNC110 - a log tells nobody when it grows
            await asyncio.sleep(0.01)
    written = "\n".join(storage.lines)
    assert "ClaimCredentials" in written
    for secret in (key.secret_access_key, claim.claim_token, claim.claim_token.split(".")[1], link.url):
        assert secret
        assert secret not in written


async def test_operators_see_that_it_is_ready(storage):
    async with aiohttp.ClientSession(f"http://{storage.ops_address}") as ops, ops.get("/ready") as response:
        assert response.status == 200
        assert (await response.json())["dependencies"]["memory"]["status"] == "usable"


async def test_it_ends_when_told_to():
    async with service("storage") as process:
        process.process.send_signal(signal.SIGTERM)
        assert await process.ended() == 0
    assert [record["message"] for record in process.records if record["level"].lower() in {"warning", "error"}] == []


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({}, "STORAGE_PROVIDER: memory keeps nothing, and MESH_MODE=production refuses it"),
        ({"STORAGE_BUCKET_PREFIX": "UPPER"}, "STORAGE_BUCKET_PREFIX: must be 2 to 20 letters"),
        ({"STORAGE_BUCKET_FOLDERS": "../up"}, "STORAGE_BUCKET_FOLDERS: must be paths"),
        ({"STORAGE_PROVIDER": "floppy"}, "STORAGE_PROVIDER: must be one of memory"),
    ],
)
async def test_it_does_not_start_with_settings_that_cannot_work(environment, problem):
    process = await spawn(
        "storage", MESH_MODE="production", AUTH_JWKS="https://id.example/jwks", AUTH_ISSUER="x", AUTH_AUDIENCE="y",
        **environment,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    text = output.decode()
    assert problem in text
    assert "Traceback" not in text
