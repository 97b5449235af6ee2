"""What is done with places, whichever store holds them.

A place is made record first: the record is written only where there was neither a record nor a bucket, so of two
tenants with one key one wins; and a bucket without a stamp is completed only where a record says that it was being
made. Everything after that can be repeated, and is, until the record says that it is complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from faults import Aborted, AlreadyExists, Conflict, Fault, NotFound
from storage_service.buckets.model import (
    Bucket,
    Configuration,
    Defaults,
    Entry,
    Feature,
    Names,
    Place,
    Record,
    SettingsChange,
    Standing,
    Tier,
)
from storage_service.buckets.ports import Store
from storage_service.credentials.model import Owner

# Writers of one record cross once in a while; so many times in a row somebody fights over it.
_TRIES = 5
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose place a call is about."""

    tenant_id: str
    key: str
    tier: Tier


@dataclass(frozen=True, slots=True)
class Page:
    """Some buckets, and the last one's place where more follow."""

    buckets: tuple[Bucket, ...]
    last: Place | None


class Places:
    """The places of tenants in one store."""

    def __init__(
        self, store: Store, names: Names, defaults: Defaults, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Compose it.

        Args:
            store: who holds the buckets.
            names: how they are called.
            defaults: what a new place gets, and what the store must have.
            clock: the time.
        """
        self.store: Store = store
        self._names = names
        self._defaults = defaults
        self._clock = clock

    async def ensure(
        self,
        tenant: Tenant,
        *,
        operation_id: str,
        domains: Sequence[str] = (),
        change: SettingsChange | None = None,
        validate_only: bool = False,
    ) -> tuple[Bucket, bool]:
        """Make the place so, or confirm that it is so; answer it and whether this call made it."""
        place = self._names.place_of(tenant.key, tenant.tier)
        await self._check_able(place, change)
        now = self._clock()
        fresh = Record(
            place, tenant.key, tenant.tier, Owner(tenant.tenant_id, operation_id, now), self._defaults.settings,
            folders=self._defaults.folders, create_time=now, update_time=now,
        )  # fmt: skip
        for _ in range(_TRIES):
            entry, standing = await self._look(place)
            self._check_owner(place, tenant.tenant_id, entry, standing)
            wanted = _changed(_owned(entry, standing, fresh), tenant.tier, domains, change, now)
            created = not wanted.complete
            if validate_only:
                return await self._planned(wanted), created
            try:
                return await self._complete(wanted, entry, standing), created
            except Aborted:
                continue
        raise changed(place)

    async def get(self, tenant: Tenant) -> Bucket:
        """The tenant's place as its store holds it now."""
        return await self._seen((await self.owned(tenant)).record)

    async def list(self, *, tenant_id: str, operation_id: str, after: Place | None, size: int) -> Page:
        """One page of what the mesh made, ordered by bucket and prefix, from the store itself."""
        found: list[Record] = []
        async for entry in self.store.records.entries(after):
            owner = entry.record.owner
            if tenant_id in {"", owner.tenant_id} and operation_id in {"", owner.operation_id}:
                found.append(entry.record)
            if len(found) > size:
                break
        buckets = await at_once(_AT_ONCE, *map(self._seen, found[:size]))
        return Page(tuple(buckets), found[size - 1].place if len(found) > size else None)

    async def set_access(self, tenant: Tenant, *, enabled: bool) -> tuple[Bucket, bool]:
        """Let the tenant's credentials and links work, or refuse them; answer whether that is new."""
        await self._require(Feature.LIMITED_CREDENTIALS)
        before = (await self.owned(tenant)).record
        now = self._clock()
        entry = await self.update_at(
            before.place,
            lambda held: (
                held if held.access_enabled is enabled else replace(held, access_enabled=enabled, update_time=now)
            ),
        )
        # Always, and not only when it is new: a call that was interrupted here is completed by the next.
        await self._admit(entry.record)
        return await self._seen(entry.record), before.access_enabled is not enabled

    async def delete(self, tenant: Tenant, *, operation_id: str = "") -> bool:
        """Remove the tenant's empty place and its credentials; answer whether there was one."""
        entry, standing = await self._mine(tenant)
        if entry is None:
            return False
        record = entry.record
        if operation_id not in {"", record.owner.operation_id}:
            raise _operation_mismatch(record)
        if standing is not None:
            await self._remove_folders(record)
        ended = await self.end_credentials(record, {one.credentials_id for one in record.credentials})
        entry = ended or entry
        if not record.access_enabled:
            await self.store.links.admit_links(record.place, admitted=True)
        await self.store.buckets.discard(record.place)
        # Last, so that a call that was interrupted before can be repeated.
        await self.store.records.forget(entry)
        return True

    async def owned(self, tenant: Tenant) -> Entry:
        """The record of the tenant's place; BUCKET_NOT_FOUND or BUCKET_NOT_OWNED where there is none of its own."""
        entry, standing = await self._mine(tenant)
        if entry is None or not _stands(entry.record.place, standing):
            raise not_found(self._names.place_of(tenant.key, tenant.tier), self.store.name)
        return entry

    async def entry_of(self, tenant: Tenant) -> Entry | None:
        """The record of the tenant's place, if there is one; BUCKET_NOT_OWNED where it is somebody else's."""
        return (await self._mine(tenant))[0]

    async def update_at(
        self, place: Place, change: Callable[[Record], Record], absent: Callable[[], Fault] | None = None
    ) -> Entry:
        """Change the record of a place, however others change it at the same time; answer what it is then."""
        for _ in range(_TRIES):
            entry = await self.store.records.find(place)
            if entry is None:
                raise absent() if absent else not_found(place, self.store.name)
            wanted = change(entry.record)
            if wanted == entry.record:
                return entry
            try:
                return await self.store.records.save(wanted, entry)
            except Aborted:
                continue
        raise changed(place)

    async def end_credentials(self, record: Record, ended: Collection[str]) -> Entry | None:
        """Take these credentials from the store and from the record; answer the record then, if it was changed.

        From the store first, so that a call that was interrupted can be repeated, and once more when nobody can claim
        them any longer: who was about to may have made their key meanwhile.
        """
        if not ended:
            return None
        await self._withdraw(record.place, ended)
        entry = await self.update_at(record.place, lambda held: held.without(ended))
        await self._withdraw(record.place, ended)
        return entry

    async def removable(self, tenant: Tenant) -> Place | None:
        """The tenant's place, if there is one; BUCKET_NOT_OWNED where it is somebody else's."""
        _, standing = await self._mine(tenant)
        return None if standing is None else self._names.place_of(tenant.key, tenant.tier)

    async def _mine(self, tenant: Tenant) -> tuple[Entry | None, Standing | None]:
        place = self._names.place_of(tenant.key, tenant.tier)
        entry, standing = await self._look(place)
        self._check_owner(place, tenant.tenant_id, entry, standing)
        return entry, standing

    async def _look(self, place: Place) -> tuple[Entry | None, Standing | None]:
        entry, standing = await at_once(2, self.store.records.find(place), self.store.buckets.standing(place))
        if entry is None and standing is not None and standing.stamp is not None:
            entry = Entry(self._defaults.recovered(place, standing.stamp), None)
        return entry, standing

    def _check_owner(self, place: Place, tenant_id: str, entry: Entry | None, standing: Standing | None) -> None:
        """Refuse what somebody else made, or nobody says who."""
        if entry is not None and not entry.record.belongs_to(tenant_id):
            raise self._not_owned(place, "another_tenant")
        if standing is None or (place.shared and entry is not None):
            return
        if standing.stamp is not None and standing.stamp.owner.tenant_id != tenant_id:
            raise self._not_owned(place, "another_tenant")
        # Without a stamp it is ours only if it was being made when the call ended, and is as it would be then.
        if standing.stamp is None and (entry is None or entry.record.complete or not standing.bare):
            raise self._not_owned(place, "unknown")

    async def _complete(self, wanted: Record, entry: Entry | None, standing: Standing | None) -> Bucket:
        """Do whatever is left to do."""
        place = wanted.place
        if entry is None or entry.version is None or entry.record != wanted:
            entry = await self.store.records.save(wanted, entry)
        if standing is None or standing.stamp is None:
            await self._make(wanted, entry)
        planned = await self._planned(wanted)
        if not place.shared:
            seen = await self.store.buckets.configuration(place.bucket) if standing else Configuration()
            await self.store.buckets.configure(place.bucket, planned.configuration, seen)
        if not wanted.complete:
            await self.store.buckets.lay_out(place, wanted.folders)
            wanted = replace(wanted, complete=True)
            await self.store.records.save(wanted, entry)
        return replace(planned, record=wanted)

    async def _withdraw(self, place: Place, ended: Collection[str]) -> None:
        for one in sorted(ended):
            await self.store.identities.withdraw(place, one)

    async def _make(self, wanted: Record, entry: Entry) -> None:
        """The bucket and its stamp; where somebody was faster with the name, the record goes again."""
        try:
            if not await self.store.buckets.create(wanted):
                standing = await self.store.buckets.standing(wanted.place)
                self._check_owner(wanted.place, wanted.owner.tenant_id, entry, standing)
        except AlreadyExists:
            await self.store.records.forget(entry)
            raise
        await self.store.buckets.stamp(wanted)

    async def _planned(self, record: Record) -> Bucket:
        """What would be."""
        capabilities = await self.store.capabilities()
        wanted = Configuration.of(record.settings, record.domains).within(capabilities)
        return Bucket(record, Configuration() if record.place.shared else wanted, capabilities)

    async def _seen(self, record: Record) -> Bucket:
        """The record beside what stands in the store."""
        shared = record.place.shared
        configuration = Configuration() if shared else await self.store.buckets.configuration(record.place.bucket)
        return Bucket(record, configuration, await self.store.capabilities())

    async def _admit(self, record: Record) -> None:
        """Let credentials and links work as the record says."""
        await self.store.links.admit_links(record.place, admitted=record.access_enabled)
        for one in record.credentials:
            if one.claim_time is None:
                continue
            if record.access_enabled:
                await self.store.identities.grant(record.place, one)
            else:
                await self.store.identities.suspend(record.place, one.credentials_id)

    async def _remove_folders(self, record: Record) -> None:
        """Remove the folders, if there is nothing else; BUCKET_NOT_EMPTY names one object of the rest."""
        laid_out = {record.place.prefix + folder for folder in record.folders}
        async for page in self.store.contents.versions(record.place):
            for item in page:
                if item.key not in laid_out or item.size:
                    raise not_empty(record.place, self.store.name, item.key)
        async for page in self.store.contents.uploads(record.place):
            raise not_empty(record.place, self.store.name, page[0].key)
        async for page in self.store.contents.versions(record.place):
            await self.store.contents.remove(record.place, page)

    async def _check_able(self, place: Place, change: SettingsChange | None) -> None:
        """What the store cannot do, or must be able to."""
        if place.shared and change is not None and change != SettingsChange():
            raise incapable(self.store.name, "settings")
        for feature in sorted(self.store.required, key=lambda one: one.value):
            await self._require(feature)

    async def _require(self, feature: Feature) -> None:
        if feature not in await self.store.capabilities():
            raise incapable(self.store.name, feature.value)

    def _not_owned(self, place: Place, owner: str) -> Fault:
        # Not which tenant's: one tenant's caller learns nothing of another.
        return AlreadyExists(
            f"{_named(place)} was not made for this tenant.",
            reason="BUCKET_NOT_OWNED",
            facts={"bucket": place.bucket, "provider": self.store.name, "owner": owner},
        )


def _stands(place: Place, standing: Standing | None) -> bool:
    """Whether the place is there: a bucket that is gone is gone, a prefix is there as long as its record is."""
    return place.shared or standing is not None


def _owned(entry: Entry | None, standing: Standing | None, fresh: Record) -> Record:
    """The record to go on with. The stamp stays the maker's: undoing a later call must not take the bucket away."""
    if entry is None:
        return fresh
    if entry.record.complete and not _stands(entry.record.place, standing):
        # Somebody removed it by hand: it is to be made again.
        return replace(entry.record, complete=False, owner=fresh.owner)
    return entry.record


def _changed(
    record: Record, tier: Tier, domains: Collection[str], change: SettingsChange | None, now: datetime
) -> Record:
    """The record as the caller wants it; the same where nothing differs."""
    settings = change.applied(record.settings) if change else record.settings
    # As browsers write an origin: in lower case, and without the dot that ends a name in the DNS.
    origins = {domain.lower().removesuffix(".") for domain in domains}
    wanted = replace(record, tier=tier, domains=tuple(sorted(origins)), settings=settings)
    return record if wanted == record else replace(wanted, update_time=now)


async def at_once(limit: int, *coroutines: Any) -> list[Any]:
    """Await all of them, so many at a time; the first failure ends the rest, and is raised as it is."""
    turns = asyncio.Semaphore(limit)

    async def one(coroutine: Any) -> Any:
        async with turns:
            return await coroutine

    tasks = [asyncio.ensure_future(one(coroutine)) for coroutine in coroutines]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def not_found(place: Place, provider: str) -> Fault:
    """The tenant has no bucket or prefix."""
    return NotFound(
        f"{_named(place)} does not exist.", reason="BUCKET_NOT_FOUND",
        facts={"bucket": place.bucket, "provider": provider},
    )  # fmt: skip


def not_empty(place: Place, provider: str, key: str) -> Fault:
    """It holds something."""
    return Conflict(
        f"{_named(place)} is not empty.",
        reason="BUCKET_NOT_EMPTY",
        facts={"bucket": place.bucket, "provider": provider, "key": key},
    )


def incapable(provider: str, capability: str) -> Fault:
    """The store cannot do what was asked."""
    return Conflict(
        "The store cannot do this.",
        reason="CAPABILITY_MISSING",
        facts={"provider": provider, "capability": capability},
    )


def _operation_mismatch(record: Record) -> Fault:
    return Conflict(
        f"{_named(record.place)} was made by another operation.",
        reason="OPERATION_MISMATCH",
        facts={"name": record.place.bucket + record.place.prefix, "operation_id": record.owner.operation_id},
    )


def changed(place: Place) -> Fault:
    """Others were faster, again and again."""
    return Aborted(
        f"Others are changing {_named(place)} at the same time.",
        reason="BUCKET_CHANGED",
        facts={"bucket": place.bucket},
    )


def _named(place: Place) -> str:
    return f"The prefix {place.prefix} of {place.bucket}" if place.shared else f"The bucket {place.bucket}"
