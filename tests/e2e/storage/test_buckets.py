"""The storage service as a process over a real store: through its port, through the gateway, and killed."""

import asyncio
import json
import uuid

import aiohttp
import grpc
import pytest
from tests.fixtures.faultproxy import fault_proxy
from tests.fixtures.processes import service
from tests.fixtures.stores import open_s3

from tenantmesh.storage.v1 import bucket_credentials_pb2, bucket_pb2, object_pb2
from tenantmesh.storage.v1 import bucket_service_pb2_grpc as rpc


@pytest.fixture
async def world(seaweedfs):
    async with open_s3(seaweedfs) as world:
        yield world


def environment(world, endpoint=None):
    return {
        "STORAGE_PROVIDER": "s3",
        "STORAGE_BUCKET_PREFIX": world.names.prefix,
        "S3_ENDPOINT": endpoint or world.server.endpoint,
        "AWS_ACCESS_KEY_ID": world.server.key_id,
        "AWS_SECRET_ACCESS_KEY": world.server.key,
    }


async def test_a_tenant_comes_to_its_objects_and_no_secret_comes_to_the_log(world):
    tenant = {"tenant_id": str(uuid.uuid4()).upper(), "tenant_key": "acme", "tier": 3}
    async with service("storage", **environment(world)) as process:
        async with grpc.aio.insecure_channel(process.address) as channel:
            stub = rpc.BucketServiceStub(channel)
            made = await stub.EnsureBucket(bucket_pb2.EnsureBucketRequest(**tenant, operation_id="op-1"))
            assert made.bucket.ownership.tenant_id == tenant["tenant_id"].lower()
            issued = await stub.IssueCredentials(
                bucket_credentials_pb2.IssueCredentialsRequest(**tenant, operation_id="op-1", access=2)
            )
            which = {**tenant, "credentials_id": issued.credentials.credentials_id}
            claim = await stub.IssueCredentialsClaim(bucket_credentials_pb2.IssueCredentialsClaimRequest(**which))
            asked = bucket_credentials_pb2.ClaimCredentialsRequest(claim_token=claim.claim_token)
            key = await stub.ClaimCredentials(asked)
            with pytest.raises(grpc.aio.AioRpcError) as spent:
                await stub.ClaimCredentials(asked)
            assert spent.value.code() is grpc.StatusCode.FAILED_PRECONDITION
            link = await stub.PresignUpload(object_pb2.PresignUploadRequest(**tenant, key="a.txt"))
        assert (key.endpoint, key.bucket, key.path_style) == (world.server.endpoint, made.bucket.name, True)
        async with world.server.client("s3", key.access_key_id, key.secret_access_key) as client:
            await client.put_object(Bucket=key.bucket, Key=f"{key.prefix}b.txt", Body=b"hello")
        async with aiohttp.ClientSession() as http, http.put(link.url, data=b"hello") as answer:
            assert answer.status == 200
    written = "\n".join(process.lines)
    assert "PresignUpload" in written
    parameters = link.url.partition("?")[2]
    for secret in (key.secret_access_key, claim.claim_token, claim.claim_token.split(".")[1], parameters):
        assert secret not in written
    assert world.server.key not in written


async def test_the_gateway_takes_json_and_streams_what_is_emptied(world, gateway):
    tenant = str(uuid.uuid4())
    async with service("storage", **environment(world)) as process:
        front = await gateway({"storage": process.address})
        async with aiohttp.ClientSession(front.url) as http:
            body = {"tenantKey": "acme", "tier": "TIER_SILO", "operationId": "op-1", "domains": ["acme.example"]}
            async with http.post(f"/tenants/{tenant}/buckets", json=body) as answer:
                assert answer.status == 200, await answer.text()
                made = await answer.json()
            assert (made["created"], made["bucket"]["name"]) == (True, f"{world.names.prefix}-acme")
            where = f"/tenants/{tenant}/buckets/TIER_SILO"
            async with http.get(where, params={"tenantKey": "acme"}) as answer:
                assert (await answer.json())["bucket"] == made["bucket"]
            async with http.delete(where, params={"tenantKey": "acme", "operationId": "op-2"}) as answer:
                assert answer.status == 400
                assert "OPERATION_MISMATCH" in await answer.text()
            async with http.post(f"{where}/empty", json={"tenantKey": "acme"}) as answer:
                lines = [json.loads(line) for line in (await answer.text()).splitlines() if line.strip()]
            assert lines[-1]["done"]
            assert lines[-1]["deletedVersions"] == "2"
            async with http.delete(where, params={"tenantKey": "acme"}) as answer:
                assert (await answer.json())["existed"]
            async with http.delete(where, params={"tenantKey": "acme"}) as answer:
                assert not (await answer.json()).get("existed", False)


@pytest.mark.chaos
async def test_the_process_killed_in_the_middle_leaves_what_a_repeat_completes(world):
    tenant = world.tenant("acme")
    request = bucket_pb2.EnsureBucketRequest(tenant_id=tenant.tenant_id, tenant_key="acme", tier=1, operation_id="op-1")
    before = await world.inventory()
    async with (
        fault_proxy(world.server.endpoint.removeprefix("http://")) as proxy,
        service("storage", **environment(world, f"http://{proxy.address}")) as process,
        grpc.aio.insecure_channel(process.address) as channel,
    ):
        proxy.delay = 0.5  # so slow that it is not done before it is seen to have begun
        call = asyncio.ensure_future(rpc.BucketServiceStub(channel).EnsureBucket(request))
        async with asyncio.timeout(60):
            while await world.inventory() == before:
                pass
        process.process.kill()
        await process.ended()
        with pytest.raises(grpc.aio.AioRpcError):
            await call
    async with (
        service("storage", **environment(world)) as process,
        grpc.aio.insecure_channel(process.address) as channel,
    ):
        stub = rpc.BucketServiceStub(channel)
        assert (await stub.EnsureBucket(request)).created
        assert not (await stub.EnsureBucket(request)).created
        delete = bucket_pb2.DeleteBucketRequest(tenant_id=tenant.tenant_id, tenant_key="acme", tier=1)
        assert (await stub.DeleteBucket(delete)).existed
    assert await world.inventory() == before
