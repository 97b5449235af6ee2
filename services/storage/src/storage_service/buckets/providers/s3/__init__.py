"""Amazon S3, and what speaks as it does: SeaweedFS, Ceph, MinIO. Buckets, IAM users and links through aioboto3."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from storage_service.buckets.model import Defaults, Feature, Names
from storage_service.buckets.providers.s3.api import Session
from storage_service.buckets.providers.s3.contents import S3Contents
from storage_service.buckets.providers.s3.home import Home
from storage_service.buckets.providers.s3.identities import IamIdentities
from storage_service.buckets.providers.s3.links import S3Links
from storage_service.buckets.providers.s3.places import S3Buckets
from storage_service.buckets.providers.s3.records import S3Records
from storage_service.buckets.providers.s3.settings import S3Settings


class S3Store:
    """An S3-compatible store. Its parts come to be when it is opened."""

    name = "s3"
    Settings = S3Settings

    def __init__(
        self,
        settings: S3Settings,
        names: Names,
        defaults: Defaults,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._names = names
        self._defaults = defaults
        self._clock = clock
        self._session = Session(self.name, settings)
        self.region = settings.region
        self.endpoint = settings.public_endpoint or settings.endpoint or f"https://s3.{settings.region}.amazonaws.com"
        self.path_style = settings.in_path
        self.required = frozenset({Feature.PUBLIC_ACCESS_BLOCK} if settings.needs_block else ())

    async def __aenter__(self) -> Self:
        settings, names = self._settings, self._names
        s3 = await self._session.open("s3", settings.endpoint)
        public = await self._session.open("s3", settings.public_endpoint) if settings.public_endpoint else s3
        iam = await self._session.open("iam", settings.iam_endpoint or settings.endpoint)
        self._home = Home(
            s3, iam, names, self._defaults, region=settings.region, shared_domains=settings.shared_domains
        )
        self.buckets = S3Buckets(s3, self._home, names)
        self.records = S3Records(s3, self._home, self.buckets, names, self._defaults)
        self.contents = S3Contents(s3, self._clock)
        sts_endpoint = settings.sts_endpoint or settings.endpoint
        self.identities = IamIdentities(iam, self._session, sts_endpoint, names, settings.key_patience)
        self.links = S3Links(s3, public, self._clock)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def check(self) -> None:
        """The store answers, and knows us."""
        await self._home.check()

    async def capabilities(self) -> frozenset[Feature]:
        """What the store has, as it answered when it was first asked."""
        return await self._home.capabilities()
