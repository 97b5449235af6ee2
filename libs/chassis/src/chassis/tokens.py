"""Bearer tokens: signed claims become a principal, and are believed without another look until they end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jwt

from chassis.interceptors.call import Method, refusal
from chassis.keys import FileKeys, Keys, UrlKeys
from chassis.permissions import Permissions, is_pattern
from chassis.principal import Principal
from chassis.settings import AuthSettings
from faults import Unauthenticated

_REMEMBERED = 4096
_LONGEST = 300.0
"""Seconds a token is believed at most: then its key is looked up again, which may have been withdrawn."""


def tokens_of(settings: AuthSettings) -> Tokens:
    """The tokens that the settings say to believe."""
    url = settings.jwks.startswith(("http://", "https://"))
    return Tokens(settings, UrlKeys(settings.jwks) if url else FileKeys(Path(settings.jwks)))


class Tokens:
    """Verifies tokens, and remembers those it has verified."""

    def __init__(self, settings: AuthSettings, keys: Keys) -> None:
        self._settings = settings
        self._keys = keys
        self._known: dict[str, tuple[Principal, float]] = {}

    def known(self, credentials: str) -> Principal | None:
        """Whom the value of an `authorization` header stands for, if it was verified before and has not ended."""
        known = self._known.get(credentials)
        return known[0] if known is not None and time.monotonic() < known[1] else None

    async def verified(self, credentials: str, method: Method) -> Principal:
        """Whom the value of an `authorization` header stands for.

        Raises:
            Unauthenticated: when its token is no token, has ended, or is not meant for this service.
        """
        try:
            claims = await self._claims(credentials.partition(" ")[2].strip())
            principal = _principal(claims)
        except jwt.ExpiredSignatureError:
            raise refusal(Unauthenticated, "TOKEN_EXPIRED", "The bearer token has expired.", method) from None
        except (jwt.PyJWTError, ValueError, RecursionError) as error:  # a header may be nested as deep as it is long
            raise refusal(Unauthenticated, "TOKEN_INVALID", "The bearer token is not valid here.", method) from error
        left = float(claims["exp"]) + self._settings.leeway.total_seconds() - time.time()
        self._remember(credentials, principal, time.monotonic() + min(left, _LONGEST))
        return principal

    async def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in self._settings.algorithms:  # before its key is looked for: that may be a fetch
            msg = "the algorithm is not accepted"
            raise jwt.InvalidAlgorithmError(msg)
        key = await self._keys.find(header.get("kid"))
        if key is None:
            msg = "the key is not one of the issuer's"
            raise jwt.InvalidKeyError(msg)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(self._settings.algorithms),
            issuer=self._settings.issuer,
            audience=self._settings.audience,
            leeway=self._settings.leeway,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        return claims

    def _remember(self, credentials: str, principal: Principal, until: float) -> None:
        self._known.pop(credentials, None)
        if len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]  # the one verified longest ago
        self._known[credentials] = principal, until


def _principal(claims: dict[str, Any]) -> Principal:
    subject, tenant, scope = claims["sub"], claims.get("tenant_id"), claims.get("scope", "")
    listed = claims.get("permissions", [])
    if not subject:
        msg = "the subject is empty"
        raise ValueError(msg)
    if "tenant_id" in claims and not (isinstance(tenant, str) and tenant):
        msg = "the tenant is none"  # and must not make an operator of its bearer
        raise ValueError(msg)
    if not isinstance(scope, str) or not isinstance(listed, list):
        msg = "the permissions are no list"
        raise ValueError(msg)  # noqa: TRY004 - the token is at fault, not a caller's type
    granted = [one for one in (*scope.split(), *listed) if isinstance(one, str) and is_pattern(one)]
    return Principal(subject, Permissions(granted), tenant or "")
