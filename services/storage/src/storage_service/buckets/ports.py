"""What buckets, credentials and links need of a store. One contract suite holds every provider to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Protocol

from storage_service.buckets.model import Configuration, Entry, Feature, Place, Record, Standing
from storage_service.credentials.model import Credentials, Key
from storage_service.objects.model import Item, Link, Lock, Upload


class Records(Protocol):
    """The mesh's records, kept in the store itself beside the buckets. A writer states what it read."""

    async def find(self, place: Place) -> Entry | None:
        """The record of a place."""
        ...

    async def save(self, record: Record, seen: Entry | None) -> Entry:
        """Write the record if what was `seen` still stands, nothing included; else Aborted."""
        ...

    async def forget(self, entry: Entry) -> None:
        """Remove the record."""
        ...

    def entries(self, after: Place | None = None) -> AsyncIterator[Entry]:
        """Every record, and every stamped bucket that lost its own, in the order of places."""
        ...


class Buckets(Protocol):
    """The buckets themselves."""

    async def standing(self, place: Place) -> Standing | None:
        """What stands at the place: a bucket and its stamp, or objects below the prefix; None where nothing does."""
        ...

    async def create(self, record: Record) -> bool:
        """Make the bucket; False where this account has one of that name. A bucket of another account is refused."""
        ...

    async def stamp(self, record: Record) -> None:
        """Write whose it is onto the bucket."""
        ...

    async def configuration(self, bucket: str) -> Configuration:
        """How the bucket stands; nothing of it where the bucket is gone."""
        ...

    async def configure(self, bucket: str, wanted: Configuration, seen: Configuration) -> None:
        """Set what of the wanted differs from what was seen."""
        ...

    async def lay_out(self, place: Place, folders: Sequence[str]) -> None:
        """Make empty folders."""
        ...

    async def discard(self, place: Place) -> None:
        """Remove the bucket, or what the store keeps about the prefix; nothing where it is gone already."""
        ...


class Contents(Protocol):
    """What lies in a place."""

    def versions(self, place: Place) -> AsyncIterator[Sequence[Item]]:
        """Every version and removal marker, page by page; nothing where the bucket is not there."""
        ...

    def uploads(self, place: Place) -> AsyncIterator[Sequence[Item]]:
        """Every unfinished upload, page by page."""
        ...

    async def remove(self, place: Place, items: Sequence[Item]) -> None:
        """Remove these versions for good."""
        ...

    async def abort(self, place: Place, uploads: Sequence[Item]) -> None:
        """Give up these uploads, and what of them arrived."""
        ...

    async def lockable(self, place: Place) -> bool:
        """Whether the bucket can hold objects under lock at all."""
        ...

    async def lock_among(self, place: Place, items: Sequence[Item]) -> Lock | None:
        """What keeps one of these versions from being removed."""
        ...


class Identities(Protocol):
    """Identities of the store, one for each credentials, that reach one place and nothing else."""

    async def grant(self, place: Place, credentials: Credentials) -> None:
        """Make the identity if it is not there, and let it do what its credentials allow."""
        ...

    async def suspend(self, place: Place, credentials_id: str) -> None:
        """Let the identity do nothing; nothing where it is not there."""
        ...

    async def new_key(self, place: Place, credentials: Credentials) -> Key:
        """Make the identity's one key; what it had before works no longer."""
        ...

    async def withdraw(self, place: Place, credentials_id: str) -> None:
        """Remove the identity and its keys; nothing where it is not there."""
        ...


class Links(Protocol):
    """Ways to one object for somebody without credentials."""

    async def upload_link(self, place: Place, upload: Upload, lifetime: timedelta) -> Link:
        """A link that writes one object."""
        ...

    async def download_link(self, place: Place, key: str, name: str, lifetime: timedelta) -> Link:
        """A link that reads one object, and suggests a file name."""
        ...

    async def holds(self, place: Place, key: str) -> bool:
        """Whether there is an object of that key."""
        ...

    async def admit_links(self, place: Place, *, admitted: bool) -> None:
        """Let links to the place work, or not, those given out before included."""
        ...


class Store(Protocol):
    """All of it, as a provider is."""

    name: str
    endpoint: str
    region: str
    path_style: bool
    required: frozenset[Feature]
    """What no place is made without."""

    records: Records
    buckets: Buckets
    contents: Contents
    identities: Identities
    links: Links

    async def capabilities(self) -> frozenset[Feature]:
        """What the store has, as it answered when it was first asked."""
        ...
