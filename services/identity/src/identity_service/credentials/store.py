"""The SQL of credentials."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from identity_service.credentials.model import Credential, Kept, Kind
from identity_service.model import changed
from identity_service.store import Records

# How long it is remembered that there was one: for repeats of the call that asked for it.
_REMEMBERED: Final = timedelta(days=30)
_COLUMNS: Final = tuple(Credential.__slots__)
_ADD: Final = (
    f"INSERT INTO credentials ({', '.join(_COLUMNS)}, sealed) "  # noqa: S608 - our own names
    f"VALUES ({', '.join(f'${number}' for number in range(1, len(_COLUMNS) + 2))}) "
    "ON CONFLICT (tenant_id, source) DO NOTHING"
)
_OF_SOURCE: Final = "SELECT * FROM credentials WHERE tenant_id = $1 AND source = $2"
_ONE: Final = "SELECT * FROM credentials WHERE tenant_id = $1 AND credential_id = $2"
_BIND: Final = """
UPDATE credentials SET subject = $3, place = $4
WHERE tenant_id = $1 AND credential_id = $2 AND subject IN ('', $3) AND place IN ('', $4)
RETURNING *"""
_DESCRIBE: Final = "UPDATE credentials SET subject = $3 WHERE tenant_id = $1 AND credential_id = $2"
_SPEND: Final = """
UPDATE credentials SET spend_time = $3, sealed = NULL
WHERE tenant_id = $1 AND credential_id = $2 AND sealed IS NOT NULL"""
_ADMIT: Final = """
UPDATE credentials SET claim_digest = $3
WHERE tenant_id = $1 AND credential_id = $2 AND sealed IS NOT NULL"""
_REMOVE: Final = "DELETE FROM credentials WHERE tenant_id = $1 AND credential_id = $2 RETURNING *"
_REMOVE_OF: Final = "DELETE FROM credentials WHERE tenant_id = $1 AND place IN ('', $2)"
_WIPE: Final = "UPDATE credentials SET sealed = NULL WHERE sealed IS NOT NULL AND expire_time <= $1"
_FORGET: Final = "DELETE FROM credentials WHERE expire_time <= $1"
_SOME: Final = "UPDATE 1"


class CredentialStore:
    """The credentials of all tenants, in PostgreSQL."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def add(self, new: Kept) -> Kept:
        """Keep it, unless its source has one already."""
        credential = new.credential
        async with self._records.of(credential.tenant_id) as tx:
            await tx.execute(_ADD, *_values(credential), new.sealed)
            row = await tx.fetchrow(_OF_SOURCE, credential.tenant_id, credential.source)
        if row is None:  # removed between the two statements
            raise changed("the credential")
        return _kept(row)

    async def find(self, tenant_id: UUID, credential_id: UUID) -> Kept | None:
        """The credential."""
        async with self._records.of(tenant_id) as tx:
            row = await tx.fetchrow(_ONE, tenant_id, credential_id)
        return _kept(row) if row else None

    async def bind(self, credential: Credential, subject: str, place: str) -> Kept | None:
        """Let nobody but this subject have it."""
        async with self._records.of(credential.tenant_id) as tx:
            row = await tx.fetchrow(_BIND, credential.tenant_id, credential.credential_id, subject, place)
        return _kept(row) if row else None

    async def describe(self, credential: Credential, subject: str) -> None:
        """Note whom or what it signs in."""
        async with self._records.of(credential.tenant_id) as tx:
            await tx.execute(_DESCRIBE, credential.tenant_id, credential.credential_id, subject)

    async def spend(self, credential: Credential, now: datetime) -> bool:
        """Forget the secret as used."""
        async with self._records.of(credential.tenant_id) as tx:
            return await tx.execute(_SPEND, credential.tenant_id, credential.credential_id, now) == _SOME

    async def admit(self, credential: Credential, claim_digest: bytes) -> bool:
        """Make this the only claim token."""
        async with self._records.of(credential.tenant_id) as tx:
            return await tx.execute(_ADMIT, credential.tenant_id, credential.credential_id, claim_digest) == _SOME

    async def remove(self, tenant_id: UUID, credential_id: UUID) -> Kept | None:
        """Forget the credential itself."""
        async with self._records.of(tenant_id) as tx:
            row = await tx.fetchrow(_REMOVE, tenant_id, credential_id)
        return _kept(row) if row else None

    async def remove_of(self, tenant_id: UUID, place: str) -> None:
        """Forget all of a tenant that are for a place, or for none yet."""
        async with self._records.of(tenant_id) as tx:
            await tx.execute(_REMOVE_OF, tenant_id, place)

    async def sweep(self, now: datetime) -> None:
        """Forget every secret whose time ran out, and in the end that there was one."""
        async with self._records.of_all() as tx:
            await tx.execute(_WIPE, now)
            await tx.execute(_FORGET, now - _REMEMBERED)


def _kept(row: asyncpg.Record) -> Kept:
    values = {name: row[name] for name in _COLUMNS}
    return Kept(Credential(**{**values, "kind": Kind(row["kind"])}), row["sealed"])


def _values(credential: Credential) -> list[object]:
    return [credential.kind.value if name == "kind" else getattr(credential, name) for name in _COLUMNS]
