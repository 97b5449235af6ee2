"""The suite runs over every provider in the registry, on every server it is known to work with."""

from __future__ import annotations

import logging
import secrets
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aioboto3
import pytest
import pytest_asyncio
from botocore.config import Config
from moto.server import ThreadedMotoServer

from settingskit import Secret
from storage_service.buckets.model import BucketSettings, Defaults, Lifecycle, Names, Tier
from storage_service.buckets.providers.memory import MemorySettings, MemoryStore
from storage_service.buckets.providers.s3 import S3Store
from storage_service.buckets.providers.s3.settings import S3Settings
from storage_service.buckets.service import Places, Tenant
from storage_service.credentials import tokens
from storage_service.credentials.model import Access, Rules
from storage_service.credentials.service import Issuer
from storage_service.objects.model import Item
from storage_service.objects.service import Objects

SESSION = aioboto3.Session()
CONFIG = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})

SETTINGS = BucketSettings(versioning=True, kms_key_id="", lifecycle=Lifecycle(timedelta(days=30), timedelta(days=7)))
DEFAULTS = Defaults(SETTINGS, ("documents/", "uploads/"))


def new_names() -> Names:
    prefix = f"t{secrets.token_hex(4)}"
    return Names(prefix, f"{prefix}-mesh-records", f"{prefix}-mesh-shared")


@dataclass(frozen=True, slots=True)
class Server:
    """An S3-compatible server, and its administrator's key."""

    endpoint: str
    key_id: str
    key: str

    def settings(self, **changes: Any) -> S3Settings:
        settings = {"endpoint": self.endpoint, "key_id": self.key_id, "key": Secret(self.key)}
        return S3Settings(**(settings | changes))

    def client(self, service, key_id=None, key=None, token=None):
        """A client that looks past the service, as the administrator or as whoever has the key."""
        return SESSION.client(
            service, endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id=key_id or self.key_id,
            aws_secret_access_key=key or self.key, aws_session_token=token, config=CONFIG,
        )  # fmt: skip


@pytest_asyncio.fixture(scope="session")
async def seaweedfs(object_store):
    return Server(object_store.endpoint, object_store.access_key, object_store.secret_key)


@pytest.fixture(scope="session")
def moto():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield Server(f"http://{host}:{port}", "moto-administrator", "secret")
    server.stop()


class World:
    """A store with names of its own, so that tests never meet, and what looks at it past the service."""

    def __init__(self, store, names):
        self.store, self.names = store, names
        self.places = Places(store, names, DEFAULTS)
        self.issuer = Issuer(store, self.places, tokens, Rules())
        self.objects = Objects(store, self.places, usage_age=timedelta(minutes=5))

    def tenant(self, key="acme", *, tier=Tier.SILO):
        return Tenant(str(uuid.uuid4()), key, tier)

    async def issue(self, tenant, operation_id="op-1", access=Access.READ_WRITE, lifetime=None):
        _, issued, _ = await self.issuer.issue(tenant, operation_id=operation_id, access=access, lifetime=lifetime)
        return issued

    async def claimed(self, tenant, **how):
        """The key of new credentials."""
        token, _ = await self.issuer.issue_claim(tenant, (await self.issue(tenant, **how)).credentials_id)
        return (await self.issuer.claim(token))[1]

    async def keys(self, place):
        """What lies in a place, without its prefix."""
        pages = [page async for page in self.store.contents.versions(place)]
        return sorted({item.key.removeprefix(place.prefix) for page in pages for item in page if not item.marker})


class MemoryWorld(World):
    async def inventory(self):
        store = self.store
        held = {("object", name, key) for name, bucket in store.held.items() for key in bucket.objects}
        return held | {("bucket", name) for name in store.held} | {*store._records} | {*store._identities}

    async def put(self, place, key, body):
        await self.store.put(place, key, len(body))

    async def upload_in_part(self, place, key):
        self.store.held[place.bucket].uploads.append(Item(place.prefix + key, "1", 0))


class S3World(World):
    def __init__(self, store, names, server, s3, iam):
        super().__init__(store, names)
        self.server, self.s3, self.iam = server, s3, iam

    async def inventory(self):
        """Everything on the server that could be ours: buckets, every version in them, policies, users."""
        found = set()
        users = (await self.iam.list_users())["Users"]
        found |= {("user", user["UserName"]) for user in users if user["UserName"].startswith(self.names.prefix)}
        buckets = (await self.s3.list_buckets())["Buckets"]
        for name in (one["Name"] for one in buckets if one["Name"].startswith(self.names.prefix)):
            found.add(("bucket", name))
            page = await self.s3.list_object_versions(Bucket=name)
            for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                found.add((name, one["Key"], one["VersionId"]))
            uploads = await self.s3.list_multipart_uploads(Bucket=name)
            found |= {(name, one["Key"], one["UploadId"]) for one in uploads.get("Uploads", ())}
        return found

    async def put(self, place, key, body):
        await self.s3.put_object(Bucket=place.bucket, Key=place.prefix + key, Body=body)

    async def upload_in_part(self, place, key):
        where = {"Bucket": place.bucket, "Key": place.prefix + key}
        upload = await self.s3.create_multipart_upload(**where)
        await self.s3.upload_part(**where, UploadId=upload["UploadId"], PartNumber=1, Body=b"part")


@asynccontextmanager
async def open_memory(_):
    names = new_names()
    async with MemoryStore(MemorySettings(), names, DEFAULTS) as store:
        yield MemoryWorld(store, names)


@asynccontextmanager
async def open_s3(server, **changes):
    names = new_names()
    async with (
        S3Store(server.settings(**changes), names, DEFAULTS) as store,
        server.client("s3") as s3,
        server.client("iam") as iam,
    ):
        await store.capabilities()
        await store._home.shared()
        yield S3World(store, names, server, s3, iam)


OPENERS: dict[str, tuple[str | None, Any]] = {
    "memory": (None, open_memory),
    "s3-seaweedfs": ("seaweedfs", open_s3),
    "s3-moto": ("moto", open_s3),
}


@pytest.fixture(params=sorted(OPENERS))
def opening(request):
    """The provider under test, to be opened."""
    server, opened = OPENERS[request.param]
    return opened(request.getfixturevalue(server) if server else None)


@pytest_asyncio.fixture
async def world(opening):
    """The provider under test."""
    async with opening as world:
        yield world
