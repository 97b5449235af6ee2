"""What EnsureBucket costs beside the same requests made directly, on SeaweedFS: `python tests/load/storage_buckets.py`.

Both sides make buckets one after the other, in turns, so that what else the machine does meets both alike. The first
direct script sends exactly the requests that EnsureBucket sends, the mesh's records included; the second only those
without which there would be no such bucket: what the proof of ownership costs.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

# In place of this folder, whose dns.py is not the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fixtures.processes import service
from tests.fixtures.servers import ObjectStore
from tests.fixtures.servers import server as running
from tests.fixtures.stores import DEFAULTS, SETTINGS, Server, open_s3

from chassis.client import open_channel
from localstack.servers import objectstore
from storage_service.buckets.model import Configuration, Record, Tier
from storage_service.buckets.providers.s3 import configurations, documents
from storage_service.credentials.model import Owner
from tenantmesh.storage.v1 import bucket_pb2 as pb
from tenantmesh.storage.v1 import bucket_service_pb2_grpc as rpc

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 40
BOUND = 1.15
NOW = datetime.now(UTC)


async def direct(world, s3, key, *, records):
    """The bucket as a script would make it."""
    name = f"{world.names.prefix}-{key}"
    capabilities = await world.store.capabilities()
    wanted = Configuration.of(SETTINGS, ("acme.example",)).within(capabilities)
    place = world.names.place_of(key, Tier.SILO)
    record = Record(place, key, Tier.SILO, Owner(str(uuid.uuid4()), "op-1", NOW), SETTINGS, ("acme.example",))
    where = {"Bucket": world.names.records, "Key": documents.name_of(place)}
    if records:
        await asyncio.gather(absent(s3.get_object(**where)), absent(s3.get_bucket_tagging(Bucket=name)))
        made = await s3.put_object(**where, Body=documents.to_text(record), IfNoneMatch="*")
    await s3.create_bucket(Bucket=name)
    await s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": documents.to_tags(record.stamp)})
    for method, request in configurations._requests(wanted, Configuration()):
        await getattr(s3, method)(Bucket=name, **request)
    await asyncio.gather(*(s3.put_object(Bucket=name, Key=folder, Body=b"") for folder in DEFAULTS.folders))
    if records:
        await s3.put_object(**where, Body=documents.to_text(record), IfMatch=made["ETag"])


async def absent(call):
    """Await what is not there."""
    try:
        await call
    except Exception as error:  # noqa: BLE001 - whatever the store calls it
        return error
    raise AssertionError


async def ensured(stub, key):
    """The bucket as a caller of the service gets it."""
    request = pb.EnsureBucketRequest(
        tenant_id=str(uuid.uuid4()), tenant_key=key, tier=1, operation_id="op-1", domains=["acme.example"]
    )
    assert (await stub.EnsureBucket(request, timeout=30)).created


async def timed(call):
    begun = time.perf_counter()
    await call
    return (time.perf_counter() - begun) * 1000


async def measure(world, stub):
    s3 = world.store.buckets._s3.client
    ways = {
        "EnsureBucket over gRPC": lambda key: ensured(stub, key),
        "EnsureBucket in process": lambda key: world.places.ensure(
            world.tenant(key), operation_id="op-1", domains=["acme.example"]
        ),
        "the same requests directly": lambda key: direct(world, s3, key, records=True),
        "without the mesh's records": lambda key: direct(world, s3, key, records=False),
    }
    found = {way: [] for way in ways}
    for number in range(ROUNDS + 2):
        # In another order each round: what one leaves the store to do in the background, the next one meets.
        for offset, (way, make) in enumerate(random.sample(list(ways.items()), len(ways))):
            spent = await timed(make(f"k{number}-{offset}"))
            if number >= 2:  # what is only so at first is nobody's cost
                found[way].append(spent)
    return found


async def main():
    with tempfile.TemporaryDirectory() as folder:
        async with running(objectstore.OBJECTSTORE, Path(folder)) as one:
            store = ObjectStore(one)
            async with open_s3(Server(store.endpoint, store.access_key, store.secret_key)) as world:
                environment = {
                    "STORAGE_PROVIDER": "s3",
                    "S3_ENDPOINT": store.endpoint,
                    "AWS_ACCESS_KEY_ID": store.access_key,
                    "AWS_SECRET_ACCESS_KEY": store.secret_key,
                    "STORAGE_BUCKET_PREFIX": world.names.prefix,
                }
                async with service("storage", **environment) as process, open_channel(process.address) as channel:
                    found = await measure(world, rpc.BucketServiceStub(channel))
    medians = {way: statistics.median(spent) for way, spent in found.items()}
    for way, median in medians.items():
        print(f"{way:<28} {median:7.1f} ms   (mean {statistics.fmean(found[way]):.1f})")
    ensured_in, within, directly, bare = medians.values()
    print(f"against the same requests    {ensured_in / directly:7.2f} x  (bound {BOUND} x)")
    print(f"in process, the same         {within / directly:7.2f} x")
    print(f"against no records at all    {ensured_in / bare:7.2f} x")


if __name__ == "__main__":
    asyncio.run(main())
