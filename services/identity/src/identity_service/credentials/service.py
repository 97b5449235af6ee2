"""What is done with credentials: staged, used once, handed over once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from faults import Internal
from identity_service.credentials.model import (
    Credential,
    Handover,
    Kept,
    Kind,
    State,
    check_password,
    claim_gone,
    claim_not_found,
    credential_gone,
    credential_not_found,
    digest_of,
    meant_by,
    new_secret,
    new_token,
    opens,
    request_id_reused,
)
from identity_service.credentials.ports import Credentials, Seal

STAGED_LIFE: Final = timedelta(minutes=15)
"""How long what a caller staged waits. What was generated waits as long as the settings say: a person must come."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a generated secret is for, and who asks: the same source gets the same secret."""

    tenant_id: str
    kind: Kind
    source: str
    subject: str
    issuer: str
    place: str


@dataclass(frozen=True, slots=True)
class Staged:
    """A credential, and its secret while that waits."""

    credential: Credential
    secret: str | None

    def __repr__(self) -> str:
        return f"Staged({self.credential!r})"


class Staging:
    """Keeps secrets until their one use."""

    def __init__(
        self,
        credentials: Credentials,
        seal: Seal,
        *,
        claim_life: timedelta,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Compose it.

        Args:
            credentials: where they are kept.
            seal: hides them there.
            claim_life: how long a generated one waits to be claimed.
            clock: the time.
        """
        self._credentials = credentials
        self._seal = seal
        self._claim_life = claim_life
        self._clock = clock

    def now(self) -> datetime:
        """The time by which credentials stand as they do."""
        return self._clock()

    async def stage(self, tenant_id: str, request_id: str, kind: Kind, secret: str) -> Credential:
        """Keep what a caller supplies; the same request with the same secret answers the same credential."""
        if kind is Kind.PASSWORD:
            check_password(secret)
        new = self._new(tenant_id, kind, f"request:{request_id.lower()}", STAGED_LIFE)
        kept = await self._credentials.add(self._closed(new, secret))
        if kept.credential.kind is not kind or self._opened(kept).secret not in {None, secret}:
            raise request_id_reused()
        return kept.credential

    async def generate(self, purpose: Purpose) -> Staged:
        """Make a secret and keep it to be claimed; the same source gets the one it has, spent or not."""
        new = self._new(purpose.tenant_id, purpose.kind, purpose.source, self._claim_life)
        new = replace(new, generated=True, subject=purpose.subject, issuer=purpose.issuer, place=purpose.place)
        return self._opened(await self._credentials.add(self._closed(new, new_secret())))

    async def describe(self, staged: Staged, subject: str) -> None:
        """Note whom or what it signs in, where only the provider could say."""
        await self._credentials.describe(staged.credential, subject)

    async def discard(self, staged: Staged) -> None:
        """Forget one that turned out not to be needed."""
        await self._credentials.remove(staged.credential.tenant_id, staged.credential.credential_id)

    async def renew(self, staged: Staged, purpose: Purpose) -> Staged:
        """Make another one for the source, whose thing was removed since."""
        await self.discard(staged)
        return await self.generate(purpose)

    async def borrow(self, tenant_id: str, credential_id: str, kind: Kind, *, subject: str, place: str) -> Staged:
        """A staged credential for this subject and nobody else; its secret is None where it waits no longer."""
        kept = await self._find(tenant_id, credential_id)
        if kept.credential.kind is not kind or kept.credential.generated:
            raise credential_not_found(kept.credential.credential_id)
        bound = await self._credentials.bind(kept.credential, subject, place)
        if bound is None:
            raise credential_gone(kept.credential.credential_id, State.SPENT)
        return self._opened(bound)

    async def spend(self, credential: Credential) -> None:
        """Note that it was used, and forget the secret."""
        await self._credentials.spend(credential, self._clock())

    def gone(self, credential: Credential) -> Exception:
        """Why its secret cannot be had."""
        return credential_gone(credential.credential_id, credential.state(self._clock()))

    async def get(self, tenant_id: str, credential_id: str) -> Credential:
        """How a credential stands."""
        return (await self._find(tenant_id, credential_id)).credential

    async def delete(self, tenant_id: str, credential_id: str) -> bool:
        """Forget it before its time; answer whether it still waited."""
        removed = await self._credentials.remove(UUID(tenant_id), UUID(credential_id))
        return removed is not None and removed.credential.state(self._clock()) is State.STAGED

    async def forget(self, tenant_id: str, place: str) -> None:
        """Forget all that a tenant has waiting for a place that is removed."""
        await self._credentials.remove_of(UUID(tenant_id), place)

    async def admit(self, tenant_id: str, credential_id: str) -> tuple[str, datetime]:
        """A claim token for a generated credential, in the place of any before, and until when it is good."""
        credential = (await self._find(tenant_id, credential_id)).credential
        if not credential.generated:
            raise credential_not_found(credential.credential_id)
        token, state = new_token(credential), credential.state(self._clock())
        if state is not State.STAGED:
            raise credential_gone(credential.credential_id, state)
        if not await self._credentials.admit(credential, digest_of(token)):
            raise credential_gone(credential.credential_id, State.SPENT)
        return token, credential.expire_time

    async def claim(self, token: str) -> Handover:
        """Hand the secret over to whoever holds its token, and forget it."""
        kept = await self._credentials.find(*meant_by(token))
        if kept is None or not opens(token, kept.credential):
            raise claim_not_found()
        credential, state = kept.credential, kept.credential.state(self._clock())
        if state is not State.STAGED:
            raise claim_gone(credential, state)
        secret = self._opened(kept).secret
        if secret is None or not await self._credentials.spend(credential, self._clock()):
            raise claim_gone(replace(credential, spend_time=self._clock()), State.SPENT)
        return Handover(secret, credential.kind, credential.subject, credential.issuer)

    async def _find(self, tenant_id: str, credential_id: str) -> Kept:
        kept = await self._credentials.find(UUID(tenant_id), UUID(credential_id))
        if kept is None:
            raise credential_not_found(UUID(credential_id))
        return kept

    def _new(self, tenant_id: str, kind: Kind, source: str, life: timedelta) -> Credential:
        now = self._clock()
        return Credential(UUID(tenant_id), uuid.uuid4(), kind, source, now, now + life)

    def _closed(self, credential: Credential, secret: str) -> Kept:
        """The secret, sealed together with what it is for: moved to another row it opens nothing."""
        return Kept(credential, self._seal.close(json.dumps([_purpose(credential), secret]).encode()))

    def _opened(self, kept: Kept) -> Staged:
        if kept.sealed is None or kept.credential.state(self._clock()) is not State.STAGED:
            return Staged(kept.credential, None)
        purpose, secret = json.loads(self._seal.open(kept.sealed))
        if purpose != _purpose(kept.credential):
            raise Internal("A kept secret is not where it was put.", reason="UNEXPECTED", domain="tenantmesh")
        return Staged(kept.credential, secret)


def _purpose(credential: Credential) -> list[str]:
    return [str(credential.tenant_id), str(credential.credential_id), credential.kind.value]
