"""When which key signs."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long each key signs, and how long what it signed can be used."""

    key_life: timedelta
    token_life: timedelta

    @property
    def ahead(self) -> timedelta:
        """How long before its first signature a key is published: who verifies may keep the keys it knows so long."""
        return min(self.key_life / 4, timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Term:
    """When one key signs. They follow each other without a gap."""

    sequence: int
    sign_time: datetime
    retire_time: datetime

    def published(self, now: datetime, schedule: Schedule) -> bool:
        """Whether there may be a token of this key that somebody has to verify, or soon will be."""
        return now < self.retire_time + schedule.token_life


def next_term(terms: Iterable[Term], now: datetime, schedule: Schedule) -> Term | None:
    """The key that should be made now, if one should: the first, or the successor of one that soon retires."""
    last = max(terms, key=lambda term: term.sequence, default=None)
    if last is None:
        return Term(1, now, now + schedule.key_life)
    if now < last.retire_time - schedule.ahead:
        return None
    begins = max(last.retire_time, now)
    return Term(last.sequence + 1, begins, begins + schedule.key_life)


def key_id_of(public: bytes) -> str:
    """What a key is called: its thumbprint (RFC 7638), so that no two share a name."""
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{base64url(public)}"}}'
    return base64url(hashlib.sha256(canonical.encode()).digest())


def base64url(data: bytes) -> str:
    """Bytes as JSON Web Keys write them."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
