"""What the dns service does, whichever provider holds the records.

Every write follows one rule: read, decide, and write only if what was read still stands. A writer that lost the race
reads and decides again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from dns_service.model import Owner, Record, RecordData, RecordKey, RecordType, Verification
from dns_service.ports import Provider, Verifier
from faults import Aborted, AlreadyExists, Conflict, Fault, NotFound

T = TypeVar("T")

# Writers cross once in a while; four times in a row somebody fights over the name, and the caller should know.
_TRIES = 4


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, and the last one's key where more follow."""

    records: tuple[Record, ...]
    last: RecordKey | None


class Records:
    """The records of tenants at one provider."""

    def __init__(
        self, provider: Provider, verifier: Verifier, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._provider = provider
        self._verifier = verifier
        self._clock = clock

    async def ensure(
        self, key: RecordKey, data: RecordData, *, tenant_id: str, operation_id: str, validate_only: bool = False
    ) -> tuple[Record, bool]:
        """Make the record so, or confirm that it is so; answer it and whether this call made it."""
        owner = Owner(tenant_id, operation_id, self._clock())
        return await _until_settled(lambda: self._ensure_once(key, data, owner, validate_only=validate_only))

    async def get(self, key: RecordKey, *, tenant_id: str) -> Record:
        """The tenant's record as the provider holds it now."""
        record = await self._find(key)
        if record is None or not record.belongs_to(tenant_id):
            raise self._not_found(key)
        return record

    async def delete(self, key: RecordKey, *, tenant_id: str, operation_id: str = "") -> bool:
        """Remove the tenant's record; answer whether there was one."""
        return await _until_settled(lambda: self._delete_once(key, tenant_id, operation_id))

    async def list(self, *, tenant_id: str, operation_id: str, after: RecordKey | None, size: int) -> Page:
        """One page of what the mesh made, ordered by name and type, from the provider itself."""
        chosen = [
            record
            async for record in self._provider.stamped()
            if record.owner is not None
            and tenant_id in {"", record.owner.tenant_id}
            and operation_id in {"", record.owner.operation_id}
            and (after is None or _order(record.key) > _order(after))
        ]
        chosen.sort(key=lambda record: _order(record.key))
        page = tuple(chosen[:size])
        return Page(page, page[-1].key if len(chosen) > size else None)

    async def verify(self, key: RecordKey, *, tenant_id: str, patience: timedelta) -> AsyncIterator[Verification]:
        """How far the tenant's record has reached its name servers, round by round."""
        record = await self.get(key, tenant_id=tenant_id)
        async for verification in self._verifier.verify(record, patience):
            yield verification

    async def _ensure_once(
        self, key: RecordKey, data: RecordData, owner: Owner, *, validate_only: bool
    ) -> tuple[Record, bool]:
        zone = await self._provider.zone_of(key.name)
        neighbours = await self._provider.at(key.name)
        existing = next((record for record in neighbours if record.key == key), None)
        if existing is not None and not existing.belongs_to(owner.tenant_id):
            raise self._not_owned(existing)
        _check_neighbours(key, neighbours)
        if existing is not None and existing.data == data:
            return existing, False
        wanted = Record(key, data, owner, self._provider.name, zone, create_time=owner.time, update_time=owner.time)
        if existing is not None:
            # The stamp stays the maker's: undoing a later change must not take the record away.
            wanted = replace(existing, data=data, update_time=owner.time)
        if validate_only:
            return wanted, existing is None
        return await self._provider.put(wanted, expected=existing), existing is None

    async def _delete_once(self, key: RecordKey, tenant_id: str, operation_id: str) -> bool:
        await self._provider.zone_of(key.name)
        record = await self._find(key)
        if record is None:
            return False
        if record.owner is None or not record.belongs_to(tenant_id):
            raise self._not_owned(record)
        if operation_id not in {"", record.owner.operation_id}:
            raise Conflict(
                f"The record {key.name} was made by another operation.",
                reason="OPERATION_MISMATCH",
                facts={"name": key.name, "type": key.type.value, "operation_id": record.owner.operation_id},
            )
        await self._provider.remove(record)
        return True

    async def _find(self, key: RecordKey) -> Record | None:
        return next((record for record in await self._provider.at(key.name) if record.key == key), None)

    def _not_owned(self, record: Record) -> Fault:
        return AlreadyExists(
            f"The record {record.key.name} was not made for this tenant.",
            reason="RECORD_NOT_OWNED",
            facts={
                "name": record.key.name,
                "type": record.key.type.value,
                "provider": self._provider.name,
                # Not which tenant: one tenant's caller learns nothing of another.
                "owner": "another_tenant" if record.owner else "unknown",
            },
        )

    def _not_found(self, key: RecordKey) -> Fault:
        return NotFound(
            f"There is no {key.type.value} record {key.name}.",
            reason="RECORD_NOT_FOUND",
            facts={"name": key.name, "type": key.type.value, "provider": self._provider.name},
        )


async def _until_settled(attempt: Callable[[], Awaitable[T]]) -> T:
    """Read, decide and write again while another writer was faster."""
    for _ in range(_TRIES - 1):
        try:
            return await attempt()
        except Aborted:
            continue
    return await attempt()


def _check_neighbours(key: RecordKey, neighbours: Sequence[Record]) -> None:
    """A CNAME tolerates no other record of its name."""
    for other in neighbours:
        if other.key.type != key.type and RecordType.CNAME in {other.key.type, key.type}:
            raise Conflict(
                f"A CNAME tolerates no neighbour, and {key.name} carries a {other.key.type.value} record.",
                reason="RECORD_CONFLICT",
                facts={"name": key.name, "type": key.type.value, "existing_type": other.key.type.value},
            )


def _order(key: RecordKey) -> tuple[str, str]:
    return key.name, key.type.value
