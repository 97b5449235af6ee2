"""A key nobody can guess, and what is kept of it."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_BYTES = 32


def new_key() -> str:
    """A key of 256 bits."""
    return secrets.token_urlsafe(_BYTES)


def digest_of(key: str) -> bytes:
    """What is kept of a key. It has so many bits that nothing slower than a plain digest is needed."""
    return hashlib.sha256(key.encode()).digest()


def opens(key: str, digest: bytes) -> bool:
    """Whether it is the key of that digest; it takes as long either way."""
    return hmac.compare_digest(digest, digest_of(key))
