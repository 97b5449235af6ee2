"""The buckets themselves: made, stamped, set up and removed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from storage_service.buckets.model import Configuration, Names, Place, Record, Standing
from storage_service.buckets.providers.s3 import documents
from storage_service.buckets.providers.s3.api import NO_BUCKET, Answered, Api
from storage_service.buckets.providers.s3.configurations import Configurations
from storage_service.buckets.providers.s3.home import Home
from storage_service.buckets.service import at_once, not_empty

_FOLDERS_AT_ONCE = 8
_UNTAGGED = "NoSuchTagSet"
_FOREIGN = frozenset({"AccessDenied", "403"})


class S3Buckets:
    """Buckets, and prefixes in the shared one."""

    def __init__(self, s3: Api, home: Home, names: Names) -> None:
        self._s3 = s3
        self._home = home
        self._names = names

    async def names(self) -> AsyncIterator[str]:
        """Every bucket of this account that is called as the mesh calls its own."""
        start = f"{self._names.prefix}-"
        async for page in self._s3.pages("list_buckets", Prefix=start):
            for bucket in page.get("Buckets", ()):
                if bucket["Name"].startswith(start):
                    yield bucket["Name"]

    async def standing(self, place: Place) -> Standing | None:
        """What stands at the place."""
        if place.shared:
            return Standing() if await self._holds_anything(place) else None
        try:
            answer = await self._s3.call(
                "get_bucket_tagging", Bucket=place.bucket, tell=NO_BUCKET | _FOREIGN | {_UNTAGGED}
            )
        except Answered as answered:
            if answered.code in _FOREIGN:
                await self._home.check()  # where it is us who are refused, say that
            if answered.code in NO_BUCKET:
                return None
            return Standing(bare=answered.code == _UNTAGGED and not await self._holds_anything(place))
        return Standing(documents.from_tags(answer["TagSet"]))

    async def create(self, record: Record) -> bool:
        """Make the bucket; False where this account has one of that name."""
        if record.place.shared:
            await self._home.shared()
            return True
        return await self._home.create(record.place.bucket)

    async def stamp(self, record: Record) -> None:
        """Write whose it is onto the bucket."""
        if not record.place.shared:
            tags = {"TagSet": documents.to_tags(record.stamp)}
            await self._s3.call("put_bucket_tagging", Bucket=record.place.bucket, Tagging=tags)

    async def configuration(self, bucket: str) -> Configuration:
        """How the bucket stands."""
        return await (await self._configurations()).read(bucket)

    async def configure(self, bucket: str, wanted: Configuration, seen: Configuration) -> None:
        """Set what differs."""
        await (await self._configurations()).write(bucket, wanted, seen)

    async def lay_out(self, place: Place, folders: Sequence[str]) -> None:
        """Make empty folders."""
        keys = [place.prefix + folder for folder in folders]
        await at_once(
            _FOLDERS_AT_ONCE, *(self._s3.call("put_object", Bucket=place.bucket, Key=key, Body=b"") for key in keys)
        )

    async def discard(self, place: Place) -> None:
        """Remove the bucket; of a prefix nothing is left once it is empty."""
        if place.shared:
            return
        try:
            await self._s3.call("delete_bucket", Bucket=place.bucket, tell=NO_BUCKET | {"BucketNotEmpty"})
        except Answered as answered:
            if answered.code == "BucketNotEmpty":
                raise not_empty(place, self._s3.provider, "") from answered

    async def _holds_anything(self, place: Place) -> bool:
        try:
            page = await self._s3.call(
                "list_object_versions", Bucket=place.bucket, Prefix=place.prefix, MaxKeys=1, tell=NO_BUCKET
            )
        except Answered:
            self._home.lost(place.bucket)
            return False
        return bool(page.get("Versions") or page.get("DeleteMarkers"))

    async def _configurations(self) -> Configurations:
        return Configurations(self._s3, await self._home.capabilities())
