"""What the domain needs to keep credentials."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from identity_service.credentials.model import Credential, Kept


class Credentials(Protocol):
    """The credentials of all tenants. Every method is one transaction."""

    async def add(self, new: Kept) -> Kept:
        """Keep it, unless its source has one already; answer the one the source has then."""
        ...

    async def find(self, tenant_id: UUID, credential_id: UUID) -> Kept | None:
        """The credential."""
        ...

    async def bind(self, credential: Credential, subject: str, place: str) -> Kept | None:
        """Let nobody but this subject have it; answer it, or None where it is another's."""
        ...

    async def describe(self, credential: Credential, subject: str) -> None:
        """Note whom or what it signs in."""
        ...

    async def spend(self, credential: Credential, now: datetime) -> bool:
        """Forget the secret as used; answer whether it still waited, which only one of many is told."""
        ...

    async def admit(self, credential: Credential, claim_digest: bytes) -> bool:
        """Make this the only claim token; answer whether the secret still waits."""
        ...

    async def remove(self, tenant_id: UUID, credential_id: UUID) -> Kept | None:
        """Forget the credential itself; answer what it was."""
        ...

    async def remove_of(self, tenant_id: UUID, place: str) -> None:
        """Forget all of a tenant that are for a place, or for none yet."""
        ...


class Seal(Protocol):
    """Hides what is kept from who reads the database alone."""

    def close(self, content: bytes) -> bytes:
        """The content, unreadable."""
        ...

    def open(self, sealed: bytes) -> bytes:
        """The content again."""
        ...
