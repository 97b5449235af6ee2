"""The keys themselves: kept sealed, made when their time comes, and held in memory for a while."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from postgreskit import Transaction
from postgreskit.seal import Seal
from tenants_service.signing.model import Schedule, Term, key_id_of, next_term
from tenants_service.store import Records

# A key that an operator takes out of the table signs no more, and is believed no more, after so long.
_FRESH = timedelta(minutes=1)

_READ = "SELECT sequence, key_id, sign_time, retire_time, public_key, sealed_key FROM signing_keys ORDER BY sequence"
# Of several replicas that make the next key at once, one wins; all of them use what it made.
_ADD = """
INSERT INTO signing_keys (sequence, key_id, public_key, sealed_key, sign_time, retire_time)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, sequence) DO NOTHING"""
_SWEEP = "DELETE FROM signing_keys WHERE retire_time < $1 RETURNING true"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key and its term."""

    term: Term
    key_id: str
    public: bytes
    private: Ed25519PrivateKey = field(repr=False)


class SigningKeys:
    """The keys of all replicas."""

    def __init__(self, records: Records, seal: Seal, schedule: Schedule, clock: Callable[[], datetime]) -> None:
        self._records = records
        self._seal = seal
        self._schedule = schedule
        self._clock = clock
        self._keys: Sequence[SigningKey] = ()
        self._look_time: datetime | None = None

    async def signing(self) -> SigningKey:
        """The key whose turn it is."""
        now = self._clock()
        keys = await self._current(now)
        # The clock of the replica that made the first key may be a little ahead of ours.
        return next((key for key in reversed(keys) if key.term.sign_time <= now), keys[0])

    async def published(self) -> Sequence[SigningKey]:
        """Every key that tokens may be signed with, now or soon."""
        now = self._clock()
        return [key for key in await self._current(now) if key.term.published(now, self._schedule)]

    async def find(self, key_id: str) -> SigningKey | None:
        """The published key of that name."""
        return next((key for key in await self.published() if key.key_id == key_id), None)

    async def _current(self, now: datetime) -> Sequence[SigningKey]:
        if self._look_time is None or now >= self._look_time:
            self._keys = await self._read(now)
            self._look_time = min(now + _FRESH, self._keys[-1].term.retire_time - self._schedule.ahead)
        return self._keys

    async def _read(self, now: datetime) -> Sequence[SigningKey]:
        async with self._records.of_mesh() as tx:
            rows = await tx.fetch(_READ)
            # Whoever slept through several terms makes no more than the one whose turn it is.
            term = next_term([_term_in(row) for row in rows], now, self._schedule)
            if term:
                await self._make(tx, term)
                rows = await tx.fetch(_READ)
        return [self._key_in(row) for row in rows]

    async def _make(self, tx: Transaction, term: Term) -> None:
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        sealed = self._seal.close(private.private_bytes_raw())
        await tx.execute(_ADD, term.sequence, key_id_of(public), public, sealed, term.sign_time, term.retire_time)

    def _key_in(self, row: asyncpg.Record) -> SigningKey:
        private = Ed25519PrivateKey.from_private_bytes(self._seal.open(row["sealed_key"]))
        return SigningKey(_term_in(row), row["key_id"], row["public_key"], private)


async def sweep(tx: Transaction, now: datetime, token_life: timedelta) -> int:
    """Forget the keys whose last token has expired; answer how many."""
    return len(await tx.fetch(_SWEEP, now - token_life))


def _term_in(row: asyncpg.Record) -> Term:
    return Term(row["sequence"], row["sign_time"], row["retire_time"])
