"""Claim tokens: they say which credentials they are for, and prove it with a secret of which only a digest is kept."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets

from storage_service.buckets.model import Place

# What names of buckets, prefixes and credentials consist of: nothing else is asked for, whatever a token says.
_PLAIN = re.compile(r"([a-z0-9-]{1,63}([./][a-z0-9]{0,10})?)?")


def new_token(place: Place, credentials_id: str) -> tuple[str, str]:
    """A token for these credentials, and the digest by which it will be known."""
    secret = secrets.token_urlsafe(32)
    about = json.dumps([place.bucket, place.prefix, credentials_id], separators=(",", ":"))
    return f"{base64.urlsafe_b64encode(about.encode()).decode().rstrip('=')}.{secret}", _digest(secret)


def read_token(token: str) -> tuple[Place, str, str] | None:
    """The place and the credentials that a token is for, and its digest; None for what is no token."""
    about, _, secret = token.partition(".")
    try:
        bucket, prefix, credentials_id = json.loads(base64.urlsafe_b64decode(about + "=" * (-len(about) % 4)))
    except (ValueError, TypeError):
        return None
    parts = (bucket, prefix, credentials_id)
    if not all(isinstance(part, str) and _PLAIN.fullmatch(part) for part in parts):
        return None
    return Place(bucket, prefix), credentials_id, _digest(secret)


def same(one: str, other: str) -> bool:
    """Whether two digests are the same, in a time that tells nothing."""
    return hmac.compare_digest(one, other)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
