"""Passwords that are kept as hashes, and client secrets that are kept as digests."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from identity_service.providers.local.settings import LocalSettings

NONE: Final = ""
"""The hash of who has no password yet: no password is right."""


class Hasher:
    """argon2id in threads, some at once: each takes memory, and the loop goes on meanwhile."""

    def __init__(self, settings: LocalSettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.rounds, memory_cost=settings.memory_kib, parallelism=settings.lanes, type=Type.ID
        )
        self._turns = asyncio.Semaphore(settings.concurrency)

    async def hash(self, password: str) -> str:
        """What is kept of a password; of none, nothing."""
        if not password:
            return NONE
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def is_right(self, password: str, kept: str) -> bool:
        """Whether it is the password."""
        async with self._turns:
            return await asyncio.to_thread(self._verified, kept, password)

    def _verified(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False


def digest_of(secret: str) -> bytes | None:
    """What is kept of a client secret: it has 160 bits nobody can guess, so it needs no slow hash. Of none, nothing."""
    return hashlib.sha256(secret.encode()).digest() if secret else None
