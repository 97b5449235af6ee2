"""Buckets in this process's memory: for mock mode, for tests and for a first look. Nobody can reach them."""

# ruff: noqa: ARG002 - what a key opens and a link leads to is nothing here, whatever was asked

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from storage_service.buckets.model import Configuration, Defaults, Entry, Feature, Names, Place, Record, Stamp, Standing
from storage_service.buckets.providers import refusals
from storage_service.credentials.model import Access, Credentials, Key
from storage_service.objects.model import Item, Link, Lock, Upload


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """The memory store has nothing to set."""


@dataclass(slots=True)
class _Bucket:
    stamp: Stamp | None = None
    configuration: Configuration = field(default_factory=Configuration)
    objects: dict[str, Item] = field(default_factory=dict)
    uploads: list[Item] = field(default_factory=list)
    locks: dict[str, Lock] = field(default_factory=dict)


class MemoryStore:
    """A store whose buckets last as long as the process."""

    name = "memory"
    endpoint = "memory://"
    region = "memory"
    path_style = True
    required: frozenset[Feature] = frozenset()
    Settings = MemorySettings

    def __init__(
        self,
        _: MemorySettings,
        names: Names,
        defaults: Defaults,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._defaults = defaults
        self._clock = clock
        self._records: dict[Place, Entry] = {}
        self._identities: dict[tuple[Place, str], Access | None] = {}
        self.held: dict[str, _Bucket] = {names.shared: _Bucket()}
        self.records = self.buckets = self.contents = self.identities = self.links = self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._records.clear()

    async def check(self) -> None:
        """Memory is always there."""

    async def capabilities(self) -> frozenset[Feature]:
        """Everything but a quota of its own."""
        return frozenset(Feature) - {Feature.QUOTA}

    async def find(self, place: Place) -> Entry | None:
        """The record of a place."""
        return self._records.get(place)

    async def save(self, record: Record, seen: Entry | None) -> Entry:
        """Write the record if what was seen still stands."""
        held = self._records.get(record.place)
        if (held and held.version) != (seen and seen.version):
            raise refusals.changed(record.place)
        entry = self._records[record.place] = Entry(record, secrets.token_hex(8))
        return entry

    async def forget(self, entry: Entry) -> None:
        """Remove the record."""
        self._records.pop(entry.record.place, None)

    async def entries(self, after: Place | None = None) -> AsyncIterator[Entry]:
        """Every record, and every stamped bucket that lost its own."""
        lost = {
            place: bucket.stamp for name, bucket in self.held.items() if (place := Place(name)) not in self._records
        }
        found = {place: Entry(self._defaults.recovered(place, stamp), None) for place, stamp in lost.items() if stamp}
        for place, entry in sorted((self._records | found).items(), key=lambda item: item[0].order):
            if after is None or place.order > after.order:
                yield entry

    async def standing(self, place: Place) -> Standing | None:
        """What stands at the place."""
        bucket = self.held.get(place.bucket)
        if bucket is None or (place.shared and not any(key.startswith(place.prefix) for key in bucket.objects)):
            return None
        return Standing() if place.shared else Standing(bucket.stamp, bare=not bucket.objects)

    async def create(self, record: Record) -> bool:
        """Make the bucket."""
        there = record.place.bucket in self.held
        self.held.setdefault(record.place.bucket, _Bucket())
        return not there

    async def stamp(self, record: Record) -> None:
        """Write whose it is onto the bucket."""
        if not record.place.shared:
            self.held[record.place.bucket].stamp = record.stamp

    async def configuration(self, bucket: str) -> Configuration:
        """How the bucket stands; nothing of it where the bucket is gone."""
        return self.held[bucket].configuration if bucket in self.held else Configuration()

    async def configure(self, bucket: str, wanted: Configuration, seen: Configuration) -> None:
        """Set all of it."""
        self.held[bucket].configuration = wanted

    async def lay_out(self, place: Place, folders: Sequence[str]) -> None:
        """Make empty folders."""
        for folder in folders:
            await self.put(place, folder, 0)

    async def discard(self, place: Place) -> None:
        """Remove the bucket."""
        if not place.shared:
            self.held.pop(place.bucket, None)

    async def put(self, place: Place, key: str, size: int) -> None:
        """Have an object, as if its owner had written it."""
        key = place.prefix + key
        self.held[place.bucket].objects[key] = Item(key, "1", size)

    async def versions(self, place: Place) -> AsyncIterator[Sequence[Item]]:
        """Every object, in one page."""
        held = self.held[place.bucket].objects if place.bucket in self.held else {}
        if items := [item for key, item in sorted(held.items()) if key.startswith(place.prefix)]:
            yield items

    async def uploads(self, place: Place) -> AsyncIterator[Sequence[Item]]:
        """Every unfinished upload, in one page."""
        held = self.held[place.bucket].uploads if place.bucket in self.held else []
        if items := [item for item in held if item.key.startswith(place.prefix)]:
            yield items

    async def remove(self, place: Place, items: Sequence[Item]) -> None:
        """Remove these objects."""
        for item in items:
            self.held[place.bucket].objects.pop(item.key, None)

    async def abort(self, place: Place, uploads: Sequence[Item]) -> None:
        """Forget these uploads."""
        bucket = self.held[place.bucket]
        bucket.uploads = [item for item in bucket.uploads if item not in uploads]

    async def lockable(self, place: Place) -> bool:
        """Whether anything was locked."""
        return bool(self.held[place.bucket].locks)

    async def lock_among(self, place: Place, items: Sequence[Item]) -> Lock | None:
        """What keeps one of these objects."""
        locks = self.held[place.bucket].locks
        return next((locks[item.key] for item in items if item.key in locks), None)

    async def grant(self, place: Place, credentials: Credentials) -> None:
        """Let the identity do what its credentials allow."""
        self._identities[place, credentials.credentials_id] = credentials.access

    async def suspend(self, place: Place, credentials_id: str) -> None:
        """Let the identity do nothing."""
        if (place, credentials_id) in self._identities:
            self._identities[place, credentials_id] = None

    async def new_key(self, place: Place, credentials: Credentials) -> Key:
        """Make a key that opens nothing."""
        token = secrets.token_urlsafe() if credentials.lifetime else ""
        expires = self._clock() + credentials.lifetime if credentials.lifetime else None
        return Key(f"MEMORY{secrets.token_hex(8).upper()}", secrets.token_urlsafe(), token, expires)

    async def withdraw(self, place: Place, credentials_id: str) -> None:
        """Remove the identity."""
        self._identities.pop((place, credentials_id), None)

    async def upload_link(self, place: Place, upload: Upload, lifetime: timedelta) -> Link:
        """A link that leads nowhere."""
        return Link(f"memory://{place.bucket}/{place.prefix}{upload.key}", self._clock() + lifetime)

    async def download_link(self, place: Place, key: str, name: str, lifetime: timedelta) -> Link:
        """A link that leads nowhere."""
        return Link(f"memory://{place.bucket}/{place.prefix}{key}", self._clock() + lifetime)

    async def holds(self, place: Place, key: str) -> bool:
        """Whether there is an object of that key."""
        return place.prefix + key in self.held[place.bucket].objects

    async def admit_links(self, place: Place, *, admitted: bool) -> None:
        """Its links lead nowhere in any case."""
