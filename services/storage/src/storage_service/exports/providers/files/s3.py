"""Exports in an S3-compatible store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from storage_service.buckets.model import Place
from storage_service.buckets.providers.s3.api import NO_BUCKET, Answered, Session
from storage_service.buckets.providers.s3.settings import S3Settings
from storage_service.buckets.service import Places
from storage_service.exports.providers.places import place_of
from storage_service.schemas.model import Tenant

_ABSENT = NO_BUCKET | {"NoSuchKey"}
_MADE = frozenset({"BucketAlreadyOwnedByYou"})


class S3Files:
    """Objects through a client of its own."""

    name = "exports"

    def __init__(self, settings: S3Settings, places: Places, archive: str) -> None:
        self._settings = settings
        self._places = places
        self._archive = Place(archive)
        self._session = Session("s3", settings)

    async def __aenter__(self) -> Self:
        self._s3 = await self._session.open("s3", self._settings.endpoint)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def check(self) -> None:
        """The store itself is checked where the buckets are."""

    async def tenant_place(self, tenant: Tenant) -> Place:
        """Where the tenant's objects are."""
        return await place_of(self._places, tenant)

    async def archive(self) -> Place:
        """Where the archive is."""
        try:
            await self._s3.call("head_bucket", Bucket=self._archive.bucket, tell=NO_BUCKET)
        except Answered:
            await self._make_archive()
        return self._archive

    async def put(self, place: Place, key: str, source: Path | bytes) -> None:
        """Write an object, a large one in parts."""
        if isinstance(source, bytes):
            await self._s3.call("put_object", Bucket=place.bucket, Key=place.prefix + key, Body=source)
        else:
            await self._s3.call("upload_file", Filename=str(source), Bucket=place.bucket, Key=place.prefix + key)

    async def read(self, place: Place, key: str) -> bytes | None:
        """A small object, if it is there."""
        try:
            return (await self._s3.read(Bucket=place.bucket, Key=place.prefix + key, tell=_ABSENT))[0]
        except Answered:
            return None

    async def get(self, place: Place, key: str, file: Path) -> None:
        """Copy an object into a file."""
        await self._s3.call("download_file", Bucket=place.bucket, Key=place.prefix + key, Filename=str(file))

    async def keys(self, place: Place, prefix: str) -> Sequence[str]:
        """The keys that begin so."""
        pages = self._s3.pages("list_objects_v2", Bucket=place.bucket, Prefix=place.prefix + prefix)
        return [item["Key"].removeprefix(place.prefix) async for page in pages for item in page.get("Contents", ())]

    async def remove(self, place: Place, key: str) -> None:
        """Remove every version of an object."""
        name = place.prefix + key
        async for page in self._s3.pages("list_object_versions", Bucket=place.bucket, Prefix=name):
            for item in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                if item["Key"] == name:
                    await self._s3.call("delete_object", Bucket=place.bucket, Key=name, VersionId=item["VersionId"])

    async def link(self, place: Place, key: str, lifetime: timedelta) -> tuple[str, datetime]:
        """A link that reads an object."""
        link = await self._places.store.links.download_link(place, key, "", lifetime)
        return link.url, link.expire_time

    async def _make_archive(self) -> None:
        request: dict[str, Any] = {"Bucket": self._archive.bucket}
        if self._settings.region != "us-east-1":  # the one region that must not be named
            request["CreateBucketConfiguration"] = {"LocationConstraint": self._settings.region}
        try:
            await self._s3.call("create_bucket", **request, tell=_MADE)
        except Answered:
            return
