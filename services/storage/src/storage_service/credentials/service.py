"""What is done with credentials: they are issued, handed over once, rotated and revoked.

The place's record names them. Their identity in the store, and the key, are made when they are claimed: until then
there is no secret that could be lost.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from faults import Conflict, Exhausted, Fault, NotFound
from storage_service.buckets.model import Feature, Place, Record
from storage_service.buckets.ports import Store
from storage_service.buckets.service import Places, Tenant, incapable
from storage_service.credentials.model import Access, Claim, Credentials, Key, Owner, Rules, State
from storage_service.credentials.ports import ClaimTokens


class Issuer:
    """The credentials of tenants' places."""

    def __init__(
        self,
        store: Store,
        places: Places,
        tokens: ClaimTokens,
        rules: Rules,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Compose it.

        Args:
            store: who makes identities and keys.
            places: where the records are.
            tokens: makes and reads claim tokens.
            rules: what is allowed.
            clock: the time.
        """
        self._store = store
        self._places = places
        self._tokens = tokens
        self._rules = rules
        self._clock = clock

    async def issue(
        self, tenant: Tenant, *, operation_id: str, access: Access, lifetime: timedelta | None
    ) -> tuple[Record, Credentials, bool]:
        """Credentials to be claimed; the same operation again gets the same."""
        return await self._add(tenant, operation_id, f"issue|{access.value}", access=access, lifetime=lifetime)

    async def rotate(
        self, tenant: Tenant, credentials_id: str, *, operation_id: str, keep_previous: bool
    ) -> tuple[Record, Credentials, bool]:
        """Successors of credentials; those work until the new ones are claimed, or longer."""
        record = (await self._places.owned(tenant)).record
        made = f"rotate|{credentials_id}"
        old = record.credential(credentials_id) or record.credential(_identifier(record, operation_id, made))
        if old is None:
            raise _not_found(credentials_id)
        return await self._add(
            tenant, operation_id, made, access=old.access, lifetime=old.lifetime, replaces=credentials_id,
            keeps_previous=keep_previous,
        )  # fmt: skip

    async def list(
        self, tenant: Tenant, *, operation_id: str, after: str, size: int
    ) -> tuple[Record, list[Credentials]]:
        """One page of them, and one more where more follow."""
        record = (await self._places.owned(tenant)).record
        chosen = [
            one
            for one in sorted(record.credentials, key=lambda one: one.credentials_id)
            if one.credentials_id > after and operation_id in {"", one.owner.operation_id}
        ]
        return record, chosen[: size + 1]

    async def revoke(self, tenant: Tenant, *, credentials_id: str, operation_id: str) -> int:
        """End them at once; answer how many there were."""
        entry = await self._places.entry_of(tenant)
        chosen = {
            one.credentials_id
            for one in (entry.record.credentials if entry else ())
            if credentials_id in {"", one.credentials_id} and operation_id in {"", one.owner.operation_id}
        }
        if entry is None or not chosen:
            return 0
        await self._places.end_credentials(entry.record, chosen)
        return len(chosen)

    async def issue_claim(self, tenant: Tenant, credentials_id: str) -> tuple[str, datetime]:
        """A token that claims them once, and until when; the one before is void."""
        place = (await self._places.owned(tenant)).record.place
        token, digest = self._tokens.new_token(place, credentials_id)
        claim = Claim(digest, self._clock() + self._rules.claim_lifetime)

        def claimable(record: Record) -> Record:
            held = record.credential(credentials_id)
            if held is None:
                raise _not_found(credentials_id)
            if held.claim_time is not None:
                raise _claimed("CREDENTIALS_CLAIMED", held.claim_time)
            return _with(record, replace(held, claim=claim))

        await self._places.update_at(place, claimable)
        return token, claim.expire_time

    async def claim(self, token: str) -> tuple[Record, Key]:
        """Make the key and hand it over, once."""
        place, credentials_id, digest = self._tokens.read_token(token) or (None, "", "")
        if place is None:
            raise _claim_not_found()
        spent = await self._places.update_at(
            place, lambda one: self._spent(one, credentials_id, digest), _claim_not_found
        )
        held = next(one for one in spent.record.credentials if one.credentials_id == credentials_id)
        try:
            await self._store.identities.grant(place, held)
            key = await self._store.identities.new_key(place, held)
        except Fault:
            # Nobody has a key: the token may be tried again.
            await self._places.update_at(place, lambda one: _with(one, replace(held, claim_time=None)))
            raise
        made = replace(held, access_key_id=key.access_key_id, expire_time=key.expire_time)
        return await self._settle(place, made), key

    def state_of(self, one: Credentials, record: Record) -> State:
        """How they stand."""
        if one.claim_time is None:
            return State.CLAIMABLE
        if one.expire_time is not None and one.expire_time <= self._clock():
            return State.EXPIRED
        return State.ACTIVE if record.access_enabled else State.SUSPENDED

    async def _add(
        self,
        tenant: Tenant,
        operation_id: str,
        made: str,
        *,
        access: Access,
        lifetime: timedelta | None,
        replaces: str = "",
        keeps_previous: bool = False,
    ) -> tuple[Record, Credentials, bool]:
        if Feature.LIMITED_CREDENTIALS not in await self._store.capabilities():
            raise incapable(self._store.name, Feature.LIMITED_CREDENTIALS.value)
        record = (await self._places.owned(tenant)).record
        owner = Owner(tenant.tenant_id, operation_id, self._clock())
        wanted = Credentials(
            _identifier(record, operation_id, made), access, owner, lifetime, replaces, keeps_previous=keeps_previous
        )
        await self._drop_expired(record)

        def added(record: Record) -> Record:
            if record.credential(wanted.credentials_id):
                return record
            if len(record.credentials) >= self._rules.limit:
                raise _limit_reached(self._store.name, self._rules.limit)
            return replace(record, credentials=(*record.credentials, wanted))

        record = (await self._places.update_at(record.place, added)).record
        held = record.credential(wanted.credentials_id) or wanted
        return record, held, held == wanted

    async def _drop_expired(self, record: Record) -> None:
        """Remove what works no longer, so that it counts no longer."""
        expired = {one.credentials_id for one in record.credentials if self.state_of(one, record) is State.EXPIRED}
        await self._places.end_credentials(record, expired)

    def _spent(self, record: Record, credentials_id: str, digest: str) -> Record:
        """The record once the token is used; refused where it is not good."""
        held, now = record.credential(credentials_id), self._clock()
        if held is None or held.claim is None or not self._tokens.same(held.claim.digest, digest):
            raise _claim_not_found()
        if held.claim_time is not None:
            raise _claimed("CLAIM_SPENT", held.claim_time)
        if held.claim.expire_time <= now:
            raise _claim_expired(held.claim.expire_time)
        if not record.access_enabled:
            raise suspended(record.place)
        return _with(record, replace(held, claim_time=now))

    async def _settle(self, place: Place, held: Credentials) -> Record:
        """Keep what is public of the key, and end what it replaces."""
        try:
            record = (await self._places.update_at(place, lambda now: _with(now, held), _claim_not_found)).record
        except NotFound:
            record = None
        if record is None or record.credential(held.credentials_id) is None:
            # They were revoked while their key was made.
            await self._store.identities.withdraw(place, held.credentials_id)
            raise _claim_not_found()
        if not record.access_enabled:
            await self._store.identities.suspend(place, held.credentials_id)
        if held.replaces and not held.keeps_previous:
            await self._places.end_credentials(record, {held.replaces})
        return record


def _identifier(record: Record, operation_id: str, made: str) -> str:
    """The same for the same want of the same operation. It ends as the name of an identity, which is short."""
    seed = f"{record.place.bucket}|{record.place.prefix}|{operation_id}|{made}"
    digest = base64.b32encode(hashlib.sha256(seed.encode()).digest()).decode().lower()
    return f"{record.tenant_key}.{digest[:10]}"


def _with(record: Record, changed: Credentials) -> Record:
    kept = tuple(changed if one.credentials_id == changed.credentials_id else one for one in record.credentials)
    return replace(record, credentials=kept)


def suspended(place: Place) -> Fault:
    """The tenant may not reach its objects."""
    return Conflict(
        "The tenant is suspended and may not reach its objects.",
        reason="ACCESS_SUSPENDED",
        facts={"bucket": place.bucket},
    )


def _not_found(credentials_id: str) -> Fault:
    return NotFound(
        "The tenant has no such credentials.", reason="CREDENTIALS_NOT_FOUND", facts={"credentials_id": credentials_id}
    )


def _claimed(reason: str, time: datetime) -> Fault:
    return Conflict("It was claimed already.", reason=reason, facts={"claim_time": time.isoformat()})


def _claim_not_found() -> Fault:
    return NotFound("Nothing waits for this claim token.", reason="CLAIM_NOT_FOUND")


def _claim_expired(time: datetime) -> Fault:
    return Conflict("The time to claim is over.", reason="CLAIM_EXPIRED", facts={"expire_time": time.isoformat()})


def _limit_reached(provider: str, limit: int) -> Fault:
    return Exhausted(
        "The tenant has as many credentials as it may.",
        reason="CREDENTIALS_LIMIT_REACHED",
        facts={"provider": provider, "limit": limit},
    )
