"""The tokens of leads: JSON Web Tokens (RFC 7519) that anybody can verify and only we can make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tenants_service.leads.model import token_expired, token_invalid, token_missing, token_of_another
from tenants_service.signing.store import SigningKey, SigningKeys

ALGORITHM = "EdDSA"
_SUBJECT = "lead:"
_PURPOSE = "convert_lead"


class LeadTokens:
    """Gives out the tokens of leads, and tells whether one is what it should be."""

    def __init__(self, keys: SigningKeys, life: timedelta, issuer: str, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._life = life
        self._issuer = issuer
        self._clock = clock

    async def issue(self, lead_id: UUID) -> tuple[str, datetime]:
        """A token for a lead, and when it expires."""
        now = self._clock()
        expires = (now + self._life).replace(microsecond=0)
        key = await self._keys.signing()
        return token_of(key, lead_id, issuer=self._issuer, now=now, expires=expires), expires

    async def check(self, token: str, lead_id: UUID) -> None:
        """A fault unless the token is this lead's, and in time."""
        if not token:
            raise token_missing(lead_id)
        key = await self._keys.find(key_id_in(token))
        claims = claims_in(token, key.public, issuer=self._issuer) if key else None
        if claims is None:
            raise token_invalid(lead_id)
        if lead_in(claims) != str(lead_id):
            raise token_of_another(lead_id)
        expires = datetime.fromtimestamp(claims["exp"], UTC)
        if self._clock() >= expires:
            raise token_expired(lead_id, expires)

    async def public_keys(self) -> Sequence[bytes]:
        """The public halves of the keys that tokens may be signed with."""
        return [key.public for key in await self._keys.published()]


def token_of(key: SigningKey, lead_id: UUID, *, issuer: str, now: datetime, expires: datetime) -> str:
    """A token that allows one thing: making that lead's tenant. It names no permission, so it opens no other method."""
    claims = {
        "iss": issuer,
        "aud": issuer,
        "sub": f"{_SUBJECT}{lead_id}",
        "purpose": _PURPOSE,
        "iat": int(now.timestamp()),
        "exp": int(expires.timestamp()),
    }
    return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.key_id})


def key_id_in(token: str) -> str:
    """Which key a token says it is signed with; empty where it is no token of this kind."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        return ""
    key_id = header.get("kid")
    return key_id if header.get("alg") == ALGORITHM and isinstance(key_id, str) else ""


def claims_in(token: str, public: bytes, *, issuer: str) -> dict[str, Any] | None:
    """What a token says, if that key signed it for us; whether it has expired is the reader's to decide."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            Ed25519PublicKey.from_public_bytes(public),
            algorithms=[ALGORITHM],
            issuer=issuer,
            audience=issuer,
            options={"require": ["iss", "aud", "sub", "iat", "exp"], "verify_exp": False, "verify_iat": False},
        )
    except jwt.PyJWTError:
        return None
    return claims if claims.get("purpose") == _PURPOSE else None


def lead_in(claims: dict[str, Any]) -> str:
    """The lead a token is for."""
    return str(claims["sub"]).removeprefix(_SUBJECT)
