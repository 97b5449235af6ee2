"""The two buckets of the mesh itself: one for its records, one that pooled tenants share."""

from __future__ import annotations

import asyncio

from storage_service.buckets.model import Configuration, Defaults, Feature, Names
from storage_service.buckets.providers import refusals
from storage_service.buckets.providers.s3 import documents
from storage_service.buckets.providers.s3.api import MISSING, NO_BUCKET, Answered, Api
from storage_service.buckets.providers.s3.configurations import PROBES, Configurations

_WITHOUT_NAME = "us-east-1"
"""The one region that S3 does not take by its name."""
_OURS, _TAKEN = "BucketAlreadyOwnedByYou", "BucketAlreadyExists"
_IAM_ABSENT = MISSING | {"AccessDenied", "AccessDeniedException", "InvalidAction", "InvalidRequest", "404", "400"}


class Home:
    """Makes what everything else stands on when it is first needed, and knows what the store can do."""

    def __init__(
        self, s3: Api, iam: Api, names: Names, defaults: Defaults, *, region: str, shared_domains: tuple[str, ...]
    ) -> None:
        self._s3 = s3
        self._iam = iam
        self.names = names
        self._shared = Configuration.of(defaults.settings, shared_domains)
        self._region = region
        self._made: set[str] = set()
        self._making = asyncio.Lock()
        self._capabilities: frozenset[Feature] | None = None

    async def check(self) -> None:
        """The store answers, and knows us."""
        try:
            await self._s3.call("head_bucket", Bucket=self.names.records, tell=NO_BUCKET)
        except Answered:
            return

    async def records(self) -> None:
        """The bucket of records is there."""
        await self._make(self.names.records)

    def lost(self, bucket: str) -> None:
        """The store says that this bucket is not there: it is to be made when it is next needed."""
        self._made.discard(bucket)

    async def shared(self) -> None:
        """The shared bucket is there."""
        await self._make(self.names.shared)

    async def capabilities(self) -> frozenset[Feature]:
        """What the store has; asked once."""
        if self._capabilities is None:
            await self.records()
            self._capabilities = await self._probed()
        return self._capabilities

    async def create(self, bucket: str) -> bool:
        """Make a bucket; False where this account has one of that name, BUCKET_NOT_OWNED where another has."""
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        wanted = {} if self._region == _WITHOUT_NAME else elsewhere
        try:
            await self._s3.call("create_bucket", Bucket=bucket, tell={_OURS, _TAKEN}, **wanted)
        except Answered as answered:
            if answered.code == _TAKEN:
                raise refusals.taken(bucket, self._s3.provider) from answered
            return False
        return True

    async def _make(self, bucket: str) -> None:
        async with self._making:
            if bucket in self._made:
                return
            if not await self._stands(bucket):
                await self.create(bucket)
                await self._set_up(bucket)
            self._made.add(bucket)

    async def _stands(self, bucket: str) -> bool:
        """Whether it is there and needs nothing: set up by the mesh, or tagged or used by operators before."""
        try:
            await self._s3.call("get_bucket_tagging", Bucket=bucket, tell=NO_BUCKET | {"NoSuchTagSet"})
        except Answered as answered:
            if answered.code != "NoSuchTagSet":
                return False
            page = await self._s3.call("list_objects_v2", Bucket=bucket, MaxKeys=1)
            return bool(page.get("KeyCount"))
        return True

    async def _set_up(self, bucket: str) -> None:
        capabilities = await self._probed(bucket)
        wanted = self._shared if bucket == self.names.shared else Configuration(
            encrypted=True, public_access_block=True, ownership=True
        )  # fmt: skip
        await Configurations(self._s3, capabilities).write(bucket, wanted.within(capabilities), Configuration())
        purpose = "shared" if bucket == self.names.shared else "records"
        # Last, so that a call that was interrupted before is repeated.
        tags = {"TagSet": [{"Key": documents.PURPOSE, "Value": purpose}]}
        await self._s3.call("put_bucket_tagging", Bucket=bucket, Tagging=tags)

    async def _probed(self, bucket: str | None = None) -> frozenset[Feature]:
        """Every feature whose setting can be read, set or not."""
        found = {feature for feature in PROBES if await self._has(feature, bucket or self.names.records)}
        try:
            await self._iam.call("list_users", MaxItems=1, tell=_IAM_ABSENT)
        except Answered:
            return frozenset(found)
        return frozenset(found | {Feature.LIMITED_CREDENTIALS})

    async def _has(self, feature: Feature, bucket: str) -> bool:
        method, unset = PROBES[feature]
        try:
            await self._s3.call(method, Bucket=bucket, tell=MISSING | unset)
        except Answered as answered:
            return answered.code not in MISSING
        return True
