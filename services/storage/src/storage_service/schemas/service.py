"""What the mesh does with tenants' places, whichever database holds them.

Every change holds the place alone, looks at what stands there, decides, and is kept whole or not at all. So a call that
was cut short left nothing, or everything; repeating it completes or confirms.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from faults import Conflict, NotFound
from storage_service.blueprint.model import Blueprint
from storage_service.schemas.model import (
    Connection,
    HandOver,
    Limits,
    Position,
    Record,
    Schema,
    Seed,
    Stamp,
    Standing,
    Tenant,
    capability_missing,
    name_invalid,
    not_found,
    not_owned,
    operation_mismatch,
)
from storage_service.schemas.ports import Databases


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say about places."""

    limits: Limits
    template: str = "default"
    claim_life: timedelta = timedelta(hours=1)
    reserved: Collection[str] = ()
    """Names that no tenant's schema may have."""


class Schemas:
    """The places of tenants."""

    def __init__(
        self,
        databases: Databases,
        blueprint: Blueprint,
        rules: Rules,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._databases = databases
        self._blueprint = blueprint
        self._rules = rules
        self._clock = clock

    async def ensure(
        self, tenant: Tenant, *, operation_id: str, limits: Limits, server: str = "", validate_only: bool = False
    ) -> tuple[Schema, bool]:
        """Make the tenant's place, or confirm it; answer it and whether this call made it."""
        if tenant.own_name in self._rules.reserved and not tenant.pooled:
            raise name_invalid(tenant.own_name, "is reserved")
        if validate_only:
            standing = _ours(await self._databases.look(tenant, server=server))
            wanted = self._wanted(standing, tenant, operation_id, limits)
            return self._schema(standing, wanted), not standing.whole
        async with self._databases.place(tenant, server=server, operation_id=operation_id) as place:
            before = _ours(place.standing)
            wanted = self._wanted(before, tenant, operation_id, limits)
            migrations = self._blueprint.migrations
            version = await (place.migrate(migrations) if before.whole else place.build(wanted, migrations))
            if wanted != before.record or not before.whole:
                await place.keep(wanted)
            after = replace(before, version=version)
            return self._schema(after, wanted), not before.whole

    async def get(self, tenant: Tenant) -> Schema:
        """The tenant's place as its database holds it now."""
        return self._there(await self._databases.look(tenant))

    async def list(self, *, tenant_id: str, operation_id: str, after: Position | None, size: int) -> list[Schema]:
        """What the mesh made, in order, behind a position."""
        return list(await self._databases.list(tenant_id=tenant_id, operation_id=operation_id, after=after, size=size))

    async def seed(
        self,
        tenant: Tenant,
        *,
        template: str,
        variables: Mapping[str, str],
        validate_only: bool = False,
    ) -> tuple[Seed, bool]:
        """Fill the place, unless it is filled; answer with what, and whether this call did it."""
        async with self._databases.place(tenant) as place:
            record = self._there(place.standing).record
            if record.seed is not None:
                return record.seed, False
            chosen = self._blueprint.template(template or self._rules.template)
            values = chosen.values(variables)
            rows = {} if validate_only else await place.fill(chosen, values)
            now = self._clock()
            seed = Seed(chosen.name, chosen.version, chosen.sha256, rows, now)
            if not validate_only:
                await place.keep(replace(record, seed=seed, update_time=now))
            return seed, True

    async def set_access(self, tenant: Tenant, *, enabled: bool) -> tuple[Schema, bool, int]:
        """Let the tenant in, or refuse it; answer the place, whether that is new, and how many connections ended."""
        async with self._databases.place(tenant) as place:
            schema = self._there(place.standing)
            changed = schema.record.access_enabled != enabled
            if changed:
                schema = replace(schema, record=self._changed(schema.record, access_enabled=enabled))
                await place.keep(schema.record)
        # Only now is everybody refused; whoever came before has to go.
        ended = 0 if enabled else await self._databases.end_connections(tenant)
        return schema, changed, ended

    async def delete(self, tenant: Tenant, *, operation_id: str = "") -> bool:
        """Remove the place and everything in it; answer whether there was one."""
        async with self._databases.place(tenant) as place:
            standing = _ours(place.standing)
            if standing.empty:
                return False
            stamp = standing.record.stamp if standing.record else standing.stamp
            if operation_id and stamp and stamp.operation_id != operation_id:
                raise operation_mismatch(standing.location, stamp)
            await place.drop()
            return True

    async def rotate(self, tenant: Tenant, *, operation_id: str) -> tuple[Schema, bool]:
        """Let a new password be claimed; answer the place, and whether it could not be before."""
        self._check_role(tenant)
        async with self._databases.place(tenant) as place:
            schema = self._there(place.standing)
            if schema.record.hand_over.operation_id == operation_id:
                return schema, False
            record = self._changed(schema.record, hand_over=HandOver(operation_id=operation_id))
            await place.keep(record)
            return replace(schema, record=record), True

    async def stage_claim(self, tenant: Tenant, *, digest: str) -> datetime:
        """Let whoever holds the token of this digest claim the password; answer until when."""
        self._check_role(tenant)
        async with self._databases.place(tenant) as place:
            record = self._there(place.standing).record
            hand_over = record.hand_over
            if not hand_over.claimable:
                raise Conflict(
                    "The password was claimed already.",
                    reason="CREDENTIALS_CLAIMED",
                    facts={"claim_time": hand_over.claim_time.isoformat() if hand_over.claim_time else ""},
                )
            expire_time = self._clock() + self._rules.claim_life
            await place.keep(
                self._changed(record, hand_over=replace(hand_over, digest=digest, expire_time=expire_time))
            )
            return expire_time

    async def claim(self, tenant: Tenant, *, digest: str, password: str) -> Connection:
        """Give the role this password, for whoever holds the token of this digest."""
        async with self._databases.place(tenant) as place:
            location, record = place.standing.location, place.standing.record
            if place.standing.foreign or record is None or not hmac.compare_digest(record.hand_over.digest, digest):
                raise claim_not_found()
            self._check_claim(record.hand_over)
            await place.set_password(password)
            spent = replace(record.hand_over, claimable=False, claim_time=self._clock())
            await place.keep(self._changed(record, hand_over=spent))
        return Connection(password, location, *self._databases.address(location.server))

    def _wanted(self, standing: Standing, tenant: Tenant, operation_id: str, limits: Limits) -> Record:
        """What should be on record; what is there already stays, and only what was asked for changes."""
        now = self._clock()
        record = standing.record
        if record is None or not standing.schema:
            stamp = Stamp(tenant.tenant_id, operation_id, now)
            return Record(tenant, stamp, limits.over(self._rules.limits), update_time=now)
        # A role that somebody removed has no password any more when it is made again.
        hand_over = record.hand_over if standing.role else HandOver()
        wanted = replace(record, tenant=tenant, limits=limits.over(record.limits), hand_over=hand_over)
        return wanted if wanted == record else replace(wanted, update_time=now)

    def _changed(self, record: Record, **changes: object) -> Record:
        return replace(record, update_time=self._clock(), **changes)  # type: ignore[arg-type] # fields of a Record

    def _there(self, standing: Standing) -> Schema:
        if not _ours(standing).whole or standing.record is None:
            raise not_found(standing.location)
        return self._schema(standing, standing.record)

    def _schema(self, standing: Standing, record: Record) -> Schema:
        return Schema(standing.location, record, standing.version, standing.size, self._databases.provider)

    def _check_role(self, tenant: Tenant) -> None:
        if tenant.pooled:
            raise capability_missing(
                self._databases.provider, "own_role", "A pooled tenant has no role of its own, and so no password."
            )

    def _check_claim(self, hand_over: HandOver) -> None:
        if not hand_over.claimable:
            time = hand_over.claim_time.isoformat() if hand_over.claim_time else ""
            raise Conflict("The password was claimed already.", reason="CLAIM_SPENT", facts={"claim_time": time})
        if hand_over.expire_time is None or hand_over.expire_time <= self._clock():
            time = hand_over.expire_time.isoformat() if hand_over.expire_time else ""
            raise Conflict("The time to claim is over.", reason="CLAIM_EXPIRED", facts={"expire_time": time})


def claim_not_found() -> NotFound:
    """The fault of a claim token that nothing waits for."""
    return NotFound("Nothing waits for this claim token.", reason="CLAIM_NOT_FOUND")


def _ours(standing: Standing) -> Standing:
    if standing.foreign:
        raise not_owned(standing.location, standing.foreign)
    return standing
