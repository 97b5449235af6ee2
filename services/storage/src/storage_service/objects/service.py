"""What is done with a tenant's objects: emptied, counted, limited, and linked to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from faults import Aborted, Conflict, Exhausted, Fault, Invalid, NotFound
from storage_service.buckets.model import Place, Record
from storage_service.buckets.ports import Store
from storage_service.buckets.service import Places, Tenant
from storage_service.credentials.service import suspended
from storage_service.objects.model import Item, Link, Lock, Quota, Removal, Upload, Usage

_LONGEST_KEY = 1024


class Objects:
    """The objects of tenants' places."""

    def __init__(
        self,
        store: Store,
        places: Places,
        *,
        usage_age: timedelta,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Compose it.

        Args:
            store: who holds the objects.
            places: where the records are.
            usage_age: how old a count may be that a quota is held against.
            clock: the time.
        """
        self._store = store
        self._places = places
        self._usage_age = usage_age
        self._clock = clock

    async def empty(self, tenant: Tenant, *, validate_only: bool) -> AsyncIterator[Removal]:
        """Remove everything for good, page by page; nothing at all where something is locked."""
        place = await self._places.removable(tenant)
        if place is None:
            yield Removal(done=True)
            return
        await self._check_unlocked(place)
        total = Removal()
        while True:
            before = total
            async for page in self._store.contents.versions(place):
                if not validate_only:
                    await self._store.contents.remove(place, page)
                total = _counted(total, page, uploads=False)
                yield total
            async for page in self._store.contents.uploads(place):
                if not validate_only:
                    await self._store.contents.abort(place, page)
                total = _counted(total, page, uploads=True)
                yield total
            # What came while pages were removed is met by another round.
            if validate_only or total == before:
                break
        yield replace(total, done=True)

    async def usage(self, tenant: Tenant, *, max_age: timedelta) -> tuple[Usage, Quota]:
        """How much the tenant stores, counted no longer ago than asked, and how much it may."""
        record = (await self._places.owned(tenant)).record
        return await self._usage(record, max_age), record.quota

    async def set_quota(self, tenant: Tenant, quota: Quota) -> bool:
        """Set how much the tenant may store; answer whether that is new."""
        record = (await self._places.owned(tenant)).record
        await self._places.update_at(record.place, lambda now: replace(now, quota=quota))
        return record.quota != quota

    async def upload_link(self, tenant: Tenant, upload: Upload, lifetime: timedelta) -> Link:
        """A link that writes one object, as long as the quota has room."""
        record = await self._reachable(tenant, upload.key)
        if record.quota != Quota():
            _check_quota(record, await self._usage(record, self._usage_age), upload.content_length)
        return await self._store.links.upload_link(record.place, upload, lifetime)

    async def download_link(self, tenant: Tenant, key: str, name: str, lifetime: timedelta) -> Link:
        """A link that reads one object."""
        record = await self._reachable(tenant, key)
        if not await self._store.links.holds(record.place, key):
            raise NotFound(
                "There is no object of that key.",
                reason="OBJECT_NOT_FOUND",
                facts={"bucket": record.place.bucket, "key": key},
            )
        return await self._store.links.download_link(record.place, key, name, lifetime)

    async def _reachable(self, tenant: Tenant, key: str) -> Record:
        record = (await self._places.owned(tenant)).record
        if len((record.place.prefix + key).encode()) > _LONGEST_KEY:
            raise Invalid(
                f"A key has at most {_LONGEST_KEY} bytes.", reason="NAME_INVALID", facts={"name": key, "rule": "length"}
            )
        if not record.access_enabled:
            raise suspended(record.place)
        return record

    async def _usage(self, record: Record, max_age: timedelta) -> Usage:
        now = self._clock()
        if record.usage is not None and max_age and record.usage.time >= now - max_age:
            return record.usage
        usage = await self._counted(record.place, now)
        try:
            await self._places.update_at(record.place, lambda held: replace(held, usage=usage))
        except (Aborted, NotFound):
            # It is kept only to be found sooner the next time.
            return usage
        return usage

    async def _counted(self, place: Place, now: datetime) -> Usage:
        usage = Usage(0, 0, 0, 0, now)
        async for page in self._store.contents.versions(place):
            latest = [item.size for item in page if item.latest and not item.marker]
            usage = replace(
                usage,
                objects=usage.objects + len(latest),
                bytes=usage.bytes + sum(latest),
                noncurrent_bytes=usage.noncurrent_bytes + sum(item.size for item in page if not item.latest),
            )
        async for page in self._store.contents.uploads(place):
            usage = replace(usage, incomplete_uploads=usage.incomplete_uploads + len(page))
        return usage

    async def _check_unlocked(self, place: Place) -> None:
        """Look at every version before the first is removed."""
        if not await self._store.contents.lockable(place):
            return
        async for page in self._store.contents.versions(place):
            lock = await self._store.contents.lock_among(place, [item for item in page if not item.marker])
            if lock is not None:
                raise _locked(place, lock)


def _counted(total: Removal, page: Sequence[Item], *, uploads: bool) -> Removal:
    if uploads:
        return replace(total, uploads=total.uploads + len(page), last_key=page[-1].key)
    size = sum(item.size for item in page)
    return replace(total, versions=total.versions + len(page), bytes=total.bytes + size, last_key=page[-1].key)


def _check_quota(record: Record, usage: Usage, coming: int) -> None:
    quota = record.quota
    # An upload of a length that nobody knows yet has one byte at least.
    bytes_then = usage.bytes + usage.noncurrent_bytes + max(coming, 1)
    for name, limit, then in (
        ("bytes", quota.max_bytes, bytes_then),
        ("objects", quota.max_objects, usage.objects + 1),
    ):
        if limit and then > limit:
            raise Exhausted(
                "The tenant stores as much as it may.",
                reason="QUOTA_EXCEEDED",
                facts={"bucket": record.place.bucket, "quota": name, "limit": limit},
            )


def _locked(place: Place, lock: Lock) -> Fault:
    return Conflict(
        f"{lock.key} is under {lock.kind.replace('_', ' ')}; nothing was removed.",
        reason="OBJECTS_LOCKED",
        facts={
            "bucket": place.bucket,
            "key": lock.key,
            "lock": lock.kind,
            "until_time": lock.until.isoformat() if lock.until else "",
        },
    )
