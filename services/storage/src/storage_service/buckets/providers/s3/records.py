"""The mesh's records: one object each, written only if what was read still stands."""

from __future__ import annotations

from collections.abc import AsyncIterator

from faults import Fault
from storage_service.buckets.model import Defaults, Entry, Names, Place, Record
from storage_service.buckets.providers import refusals
from storage_service.buckets.providers.s3 import documents
from storage_service.buckets.providers.s3.api import NO_BUCKET, Answered, Api
from storage_service.buckets.providers.s3.home import Home
from storage_service.buckets.providers.s3.places import S3Buckets
from storage_service.buckets.service import at_once

_ABSENT = NO_BUCKET | {"NoSuchKey"}
# Somebody else wrote first, or is writing right now.
_RACED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409", "NoSuchKey"})
_BATCH = 16


class S3Records:
    """Records in a bucket of the mesh's own."""

    def __init__(self, s3: Api, home: Home, buckets: S3Buckets, names: Names, defaults: Defaults) -> None:
        self._s3 = s3
        self._home = home
        self._buckets = buckets
        self._names = names
        self._defaults = defaults

    async def find(self, place: Place) -> Entry | None:
        """The record of a place."""
        try:
            text, version = await self._s3.read(Bucket=self._names.records, Key=documents.name_of(place), tell=_ABSENT)
        except Answered:
            return None
        return Entry(documents.from_text(text), version)

    async def save(self, record: Record, seen: Entry | None) -> Entry:
        """Write the record if what was seen still stands."""
        try:
            return await self._put(record, seen)
        except Answered as answered:
            if answered.code not in NO_BUCKET:
                raise refusals.changed(record.place) from answered
        self._home.lost(self._names.records)
        await self._home.records()
        try:
            return await self._put(record, seen)
        except Answered as answered:
            raise refusals.changed(record.place) from answered

    async def forget(self, entry: Entry) -> None:
        """Remove the record."""
        await self._s3.call("delete_object", Bucket=self._names.records, Key=documents.name_of(entry.record.place))

    async def entries(self, after: Place | None = None) -> AsyncIterator[Entry]:
        """Every record, and every stamped bucket that lost its own, in the order of places."""
        places = [place for place in await self._places() if after is None or place.order > after.order]
        for start in range(0, len(places), _BATCH):
            for entry in await at_once(_BATCH, *map(self._entry, places[start : start + _BATCH])):
                if entry is not None:
                    yield entry

    async def _places(self) -> list[Place]:
        """Where there is a record, or a bucket that may have had one."""
        own = {self._names.records, self._names.shared}
        found = {Place(name) async for name in self._buckets.names() if name not in own}
        pages = self._s3.pages("list_objects_v2", Bucket=self._names.records, tell=NO_BUCKET)
        async for page in pages:
            found |= {place for one in page.get("Contents", ()) if (place := documents.place_of(one["Key"]))}
        return sorted(found, key=lambda place: place.order)

    async def _entry(self, place: Place) -> Entry | None:
        entry = await self.find(place)
        if entry is not None or place.shared:
            return entry
        try:
            standing = await self._buckets.standing(place)
        except Fault:
            # Somebody else's bucket, which happens to be called so: nothing the mesh made.
            return None
        stamp = standing.stamp if standing else None
        return Entry(self._defaults.recovered(place, stamp), None) if stamp else None

    async def _put(self, record: Record, seen: Entry | None) -> Entry:
        condition = {"IfMatch": seen.version} if seen and seen.version else {"IfNoneMatch": "*"}
        answer = await self._s3.call(
            "put_object", Bucket=self._names.records, Key=documents.name_of(record.place),
            Body=documents.to_text(record), ContentType="application/json", tell=_RACED | NO_BUCKET, **condition,
        )  # fmt: skip
        return Entry(record, answer["ETag"])
