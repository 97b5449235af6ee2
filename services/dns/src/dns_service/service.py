"""What the dns service does, whichever provider holds the records.

Every write follows one rule: decide upon what was read, and write only if that still stands. A writer that lost the
race reads and decides again. The first attempt reads nothing: it assumes that nobody has the name yet, which is so for
most, and the provider refuses it where that is wrong.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from dns_service.model import (
    Capability,
    Cause,
    Finding,
    Node,
    Owner,
    Record,
    RecordData,
    RecordKey,
    RecordType,
    name_invalid,
)
from dns_service.ports import Provider, Targets, Verifier
from dns_service.verification.model import Verification
from faults import Aborted, AlreadyExists, Conflict, Fault, NotFound, Timeout, Unavailable

# Writers cross once in a while; so many times in a row somebody fights over the name, and the caller should know.
_TRIES = 5
_PROXIABLE = frozenset({RecordType.A, RecordType.AAAA, RecordType.CNAME})
_ADDRESSES = frozenset({RecordType.A, RecordType.AAAA})


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, and the last one's key where more follow."""

    records: tuple[Record, ...]
    last: RecordKey | None


class Records:
    """The records of tenants at one provider."""

    def __init__(
        self,
        provider: Provider,
        verifier: Verifier,
        targets: Targets,
        *,
        reserved: Collection[str] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Compose it.

        Args:
            provider: who holds the records.
            verifier: who finds out whether they are answered.
            targets: who knows whether a target exists.
            reserved: labels that no tenant may have directly below a zone.
            clock: the time.
        """
        self._provider = provider
        self._verifier = verifier
        self._targets = targets
        self._reserved = frozenset(reserved)
        self._clock = clock

    async def ensure(
        self, key: RecordKey, data: RecordData, *, tenant_id: str, operation_id: str, validate_only: bool = False
    ) -> tuple[Record, bool]:
        """Make the record so, or confirm that it is so; answer it and whether this call made it."""
        zone = await self._provider.zone_of(key.name)
        self._check_allowed(key, data, zone)
        await self._check_targets(key, data)
        now = self._clock()
        owner = Owner(tenant_id, operation_id, now)
        wanted = Record(key, data, owner, self._provider.name, zone, create_time=now, update_time=now)
        if validate_only:
            decided = self._decide(wanted, await self._provider.at(key.name))
            return decided, decided is wanted
        return await self._ensure(wanted, owner)

    async def get(self, key: RecordKey, *, tenant_id: str) -> Record:
        """The tenant's record as the provider holds it now."""
        await self._provider.zone_of(key.name)
        record = (await self._provider.at(key.name, key.type)).find(key)
        if record is None or not record.is_there or not record.belongs_to(tenant_id):
            raise self._not_found(key)
        return record

    async def delete(self, key: RecordKey, *, tenant_id: str, operation_id: str = "") -> bool:
        """Remove the tenant's record; answer whether there was one."""
        await self._provider.zone_of(key.name)
        for attempt in range(_TRIES):
            node = await self._provider.at(key.name)
            record = node.find(key)
            if record is None:
                return False
            self._check_removable(record, tenant_id, operation_id)
            try:
                await self._remove(record, node)
            except Aborted:
                if attempt == _TRIES - 1:
                    raise
            else:
                break
        return True

    async def list(self, *, tenant_id: str, operation_id: str, after: RecordKey | None, size: int) -> Page:
        """One page of what the mesh made, ordered by name and type, from the provider itself."""
        chosen = [
            record
            async for record in self._provider.stamped()
            if _is_of(record, tenant_id, operation_id) and (after is None or _order(record.key) > _order(after))
        ]
        first = heapq.nsmallest(size + 1, chosen, key=lambda record: _order(record.key))
        return Page(tuple(first[:size]), first[size - 1].key if len(first) > size else None)

    async def verify(self, key: RecordKey, *, tenant_id: str, patience: timedelta) -> AsyncIterator[Verification]:
        """How far the tenant's record has reached its name servers, round by round."""
        record = await self.get(key, tenant_id=tenant_id)
        async for verification in self._verifier.verify(record, patience):
            yield verification

    async def sweep(self, *, tenant_id: str, older_than: timedelta, validate_only: bool) -> AsyncIterator[Finding]:
        """Find what dangles among the mesh's own records, and remove it as it is found."""
        before = self._clock() - older_than
        standing: set[str] = set()
        async for record in self._provider.stamped():
            changed = record.update_time or record.create_time
            if not _is_of(record, tenant_id, "") or changed is None or changed > before:
                continue
            cause = await self._cause_of(record, standing)
            if cause is not None:
                yield Finding(record, cause, removed=not validate_only and await self._sweep_away(record))

    async def _cause_of(self, record: Record, standing: set[str]) -> Cause | None:
        """Why a record should go: only its stamp is left, or nothing that it points to exists.

        Targets that exist are noted as standing: many records point to the same few, and a sweep asks for each once.
        """
        if not record.is_there:
            return Cause.RECORD_GONE
        targets = targets_of(record.key.type, record.data.values)
        if not targets or targets & standing:
            return None
        missing = await self._targets.missing(targets)
        standing |= targets - missing
        return Cause.TARGET_MISSING if missing == targets else None

    async def _sweep_away(self, record: Record) -> bool:
        """Remove it if it still is what was found; whoever changed it meanwhile wants it."""
        node = await self._provider.at(record.key.name)
        if node.find(record.key) != record:
            return False
        try:
            await self._remove(record, node)
        except Aborted:
            return False
        return True

    async def _ensure(self, wanted: Record, owner: Owner) -> tuple[Record, bool]:
        node = Node(wanted.key.name)
        for attempt in range(_TRIES):
            decided = self._decide(wanted, node)
            if decided == node.find(wanted.key):
                # The stamp bears this very call's time where an earlier attempt of it worked and lost its reply.
                return decided, decided.owner == owner
            try:
                return await self._put(decided, node), decided is wanted
            except Aborted:
                if attempt == _TRIES - 1:
                    raise
            node = await self._provider.at(wanted.key.name)
        raise AssertionError  # the last attempt returns or raises

    def _decide(self, wanted: Record, node: Node) -> Record:
        """What the provider should hold, given what stands at the name."""
        existing = node.find(wanted.key)
        if existing is not None and not (wanted.owner and existing.belongs_to(wanted.owner.tenant_id)):
            raise self._not_owned(existing)
        _check_neighbours(wanted, node)
        if existing is None or not existing.is_there:
            return wanted
        if existing.data == wanted.data:
            return existing
        # The stamp stays the maker's: undoing a later change must not take the record away. The change comes after the
        # one that was seen, even where its caller came before, or a clock is behind.
        times = [time for time in (existing.update_time, wanted.update_time) if time is not None]
        return replace(existing, data=wanted.data, update_time=max(times))

    async def _put(self, record: Record, node: Node) -> Record:
        """Write it; where the reply was lost, look whether it was written."""
        try:
            return await self._provider.put(record, seen=node)
        except (Unavailable, Timeout):
            found = (await self._provider.at(record.key.name, record.key.type)).find(record.key)
            if found and (found.data, found.owner, found.update_time) == (
                record.data,
                record.owner,
                record.update_time,
            ):
                return found
            raise

    async def _remove(self, record: Record, node: Node) -> None:
        """Remove it; where the reply was lost, look whether it is gone."""
        try:
            await self._provider.remove(record, seen=node)
        except (Unavailable, Timeout):
            if (await self._provider.at(record.key.name, record.key.type)).find(record.key) is not None:
                raise

    def _check_allowed(self, key: RecordKey, data: RecordData, zone: str) -> None:
        """What no record may be, and what this provider cannot do."""
        below = key.name.removesuffix(zone).rstrip(".")
        if below.rpartition(".")[2] in self._reserved:
            raise name_invalid(key.name, "reserved", "is reserved in its zone")
        able = self._provider.capabilities
        if key.type not in self._provider.types:
            raise self._incapable(key, key.type.value)
        if data.proxied and (key.type not in _PROXIABLE or Capability.PROXIED not in able):
            raise self._incapable(key, Capability.PROXIED.value)
        if key.type is RecordType.CNAME and key.name == zone and Capability.APEX_CNAME not in able:
            raise self._incapable(key, Capability.APEX_CNAME.value)

    async def _check_targets(self, key: RecordKey, data: RecordData) -> None:
        """Whoever takes a name that a record points to in vain takes the record's visitors with it."""
        missing = await self._targets.missing(targets_of(key.type, data.values))
        if missing:
            target = min(missing)
            raise Conflict(
                f"{key.name} would point to {target}, which does not exist.",
                reason="TARGET_MISSING",
                facts={"name": key.name, "type": key.type.value, "target": target},
            )

    def _check_removable(self, record: Record, tenant_id: str, operation_id: str) -> None:
        if record.owner is None or not record.belongs_to(tenant_id):
            raise self._not_owned(record)
        if operation_id not in {"", record.owner.operation_id}:
            raise Conflict(
                f"The record {record.key.name} was made by another operation.",
                reason="OPERATION_MISMATCH",
                facts={**_facts(record.key), "operation_id": record.owner.operation_id},
            )

    def _incapable(self, key: RecordKey, capability: str) -> Fault:
        return Conflict(
            f"The provider cannot do this for {key.name}.",
            reason="CAPABILITY_MISSING",
            facts={"name": key.name, "provider": self._provider.name, "capability": capability},
        )

    def _not_owned(self, record: Record) -> Fault:
        # Not which tenant's: one tenant's caller learns nothing of another.
        owner = "another_tenant" if record.owner else "unknown"
        return AlreadyExists(
            f"The record {record.key.name} was not made for this tenant.",
            reason="RECORD_NOT_OWNED",
            facts={**_facts(record.key), "provider": self._provider.name, "owner": owner},
        )

    def _not_found(self, key: RecordKey) -> Fault:
        return NotFound(
            f"There is no {key.type.value} record {key.name}.",
            reason="RECORD_NOT_FOUND",
            facts={**_facts(key), "provider": self._provider.name},
        )


def targets_of(kind: RecordType, values: Collection[str]) -> frozenset[str]:
    """The hosts that the values of a record point to."""
    if kind in {RecordType.CNAME, RecordType.MX}:
        return frozenset(value.rpartition(" ")[2] for value in values)
    return frozenset()


def _check_neighbours(wanted: Record, node: Node) -> None:
    """A CNAME tolerates no other record of its name; at the top of a zone a provider answers addresses in its place."""
    apex = wanted.key.name == wanted.zone
    kind = wanted.key.type
    for other in (record.key.type for record in node.records if record.is_there and record.key.type is not kind):
        clash = RecordType.CNAME in {kind, other}
        if clash and (not apex or {kind, other} & _ADDRESSES):
            raise _neighbour_conflict(wanted.key, other.value)
    if kind is RecordType.CNAME and node.others and not apex:
        raise _neighbour_conflict(wanted.key, node.others[0])


def _neighbour_conflict(key: RecordKey, existing: str) -> Fault:
    return Conflict(
        f"A CNAME tolerates no neighbour, and {key.name} carries a {existing} record.",
        reason="RECORD_CONFLICT",
        facts={**_facts(key), "existing_type": existing},
    )


def _is_of(record: Record, tenant_id: str, operation_id: str) -> bool:
    return (
        record.owner is not None
        and tenant_id in {"", record.owner.tenant_id}
        and operation_id in {"", record.owner.operation_id}
    )


def _facts(key: RecordKey) -> dict[str, str]:
    return {"name": key.name, "type": key.type.value}


def _order(key: RecordKey) -> tuple[str, str]:
    return key.name, key.type.value
