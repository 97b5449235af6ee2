"""What lies in a place: listed page by page, and removed with every version."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any

from storage_service.buckets.model import Place
from storage_service.buckets.providers import refusals
from storage_service.buckets.providers.s3.api import MISSING, NO_BUCKET, Answered, Api
from storage_service.buckets.service import at_once
from storage_service.objects.model import Item, Lock

_log = logging.getLogger(__name__)
_AT_ONCE = 16
_UNLOCKED = MISSING | NO_BUCKET | {"ObjectLockConfigurationNotFoundError"}


class S3Contents:
    """Objects of a bucket, or below a prefix of it."""

    def __init__(self, s3: Api, clock: Callable[[], datetime]) -> None:
        self._s3 = s3
        self._clock = clock

    async def versions(self, place: Place) -> AsyncIterator[Sequence[Item]]:
        """Every version and removal marker, page by page."""
        pages = self._s3.pages("list_object_versions", Bucket=place.bucket, Prefix=place.prefix, tell=NO_BUCKET)
        async for page in pages:
            items = [_item(one, one["Size"]) for one in page.get("Versions", ())]
            items += [_item(one, 0, marker=True) for one in page.get("DeleteMarkers", ())]
            if items:
                yield sorted(items, key=lambda item: item.key)

    async def uploads(self, place: Place) -> AsyncIterator[Sequence[Item]]:
        """Every unfinished upload, page by page."""
        pages = self._s3.pages("list_multipart_uploads", Bucket=place.bucket, Prefix=place.prefix, tell=NO_BUCKET)
        async for page in pages:
            if items := [Item(one["Key"], one["UploadId"], 0) for one in page.get("Uploads", ())]:
                yield items

    async def remove(self, place: Place, items: Sequence[Item]) -> None:
        """Remove these versions for good."""
        doomed = [{"Key": item.key, "VersionId": item.version} for item in items]
        answer = await self._s3.call("delete_objects", Bucket=place.bucket, Delete={"Objects": doomed, "Quiet": True})
        if failed := answer.get("Errors"):
            codes = {one.get("Code", "") for one in failed}
            _log.warning("the store did not remove", extra={"bucket": place.bucket, "codes": sorted(codes)})
            if "AccessDenied" in codes:
                raise refusals.credentials_refused(self._s3.provider)
            raise refusals.unavailable(self._s3.provider)

    async def abort(self, place: Place, uploads: Sequence[Item]) -> None:
        """Give up these uploads."""
        await at_once(_AT_ONCE, *(self._abort(place, upload) for upload in uploads))

    async def lockable(self, place: Place) -> bool:
        """Whether the bucket can hold objects under lock at all."""
        try:
            await self._s3.call("get_object_lock_configuration", Bucket=place.bucket, tell=_UNLOCKED)
        except Answered:
            return False
        return True

    async def lock_among(self, place: Place, items: Sequence[Item]) -> Lock | None:
        """What keeps one of these versions from being removed."""
        locks = await at_once(_AT_ONCE, *(self._lock_of(place, item) for item in items))
        return next((lock for lock in locks if lock), None)

    async def _abort(self, place: Place, upload: Item) -> None:
        try:
            await self._s3.call(
                "abort_multipart_upload", Bucket=place.bucket, Key=upload.key, UploadId=upload.version,
                tell={"NoSuchUpload"},
            )  # fmt: skip
        except Answered:
            return  # it was completed or given up meanwhile

    async def _lock_of(self, place: Place, item: Item) -> Lock | None:
        try:
            head = await self._s3.call(
                "head_object", Bucket=place.bucket, Key=item.key, VersionId=item.version, tell={"404", "NoSuchKey"}
            )
        except Answered:
            return None
        until = head.get("ObjectLockRetainUntilDate")
        if head.get("ObjectLockLegalHoldStatus") == "ON":
            return Lock(item.key, "legal_hold")
        return Lock(item.key, "retention", until) if until is not None and until > self._clock() else None


def _item(one: dict[str, Any], size: int, *, marker: bool = False) -> Item:
    return Item(one["Key"], one["VersionId"], size, latest=one["IsLatest"], marker=marker)
