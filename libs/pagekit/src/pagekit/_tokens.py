"""Signing where a page ended, and reading it back.

A token is `<position>.<signature>`, each in base64url. The signature covers the scope as well (method, filter, order),
which the token does not carry: a token that is used with another filter has another signature.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from faults import Invalid
from settingskit import Secret, setting

Scalar = str | int | float | bool | None

# 128 bits cannot be guessed, and half a signature keeps tokens short enough for a URL.
_SIGNATURE_BYTES = 16


@dataclass(frozen=True, slots=True)
class PageSettings:
    """Settings of whoever answers lists in pages."""

    key: Secret | None = setting(
        "PAGE_TOKEN_KEY",
        default=None,
        help="Signs page tokens; give all replicas the same. Without it each process makes one of its own, and a token "
        "is good for that process only.",
    )
    previous_key: Secret | None = setting(
        "PAGE_TOKEN_KEY_PREVIOUS", default=None, help="Still accepted, so that PAGE_TOKEN_KEY can be changed."
    )


class PageTokens:
    """Makes and reads the page tokens of one process."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Sign with the first key; accept all of them."""
        if not keys:
            raise ValueError("page tokens need a key")
        self._keys = tuple(keys)

    @classmethod
    def configured(cls, settings: PageSettings) -> PageTokens:
        """As the settings say."""
        keys = [key.reveal().encode() for key in (settings.key, settings.previous_key) if key]
        return cls(keys or [secrets.token_bytes(32)])

    def sign(self, position: Sequence[Scalar], *, scope: str) -> str:
        """The token for the page after `position`, in the list that `scope` names."""
        payload = json.dumps(list(position), separators=(",", ":"), ensure_ascii=False).encode()
        return f"{_encode(payload)}.{_encode(_signature(self._keys[0], scope, payload))}"

    def open(self, token: str, *, scope: str) -> tuple[Scalar, ...] | None:
        """The position a token stands for; None for the empty token, which is the first page.

        Raises:
            Invalid: PAGE_TOKEN_INVALID, when we did not sign it, or signed it for another list.
        """
        if not token:
            return None
        payload, signature = _split(token)
        if not any(hmac.compare_digest(signature, _signature(key, scope, payload)) for key in self._keys):
            raise _invalid()
        # What bears our signature was written by `sign`.
        return tuple(json.loads(payload))


def page_size(asked: int, *, default: int, limit: int) -> int:
    """How many items a page holds: the default where none was asked, never more than the limit."""
    return min(asked or default, limit)


def _split(token: str) -> tuple[bytes, bytes]:
    payload, dot, signature = token.partition(".")
    if not dot:
        raise _invalid()
    try:
        return _decode(payload), _decode(signature)
    except (binascii.Error, ValueError):
        raise _invalid() from None


def _signature(key: bytes, scope: str, payload: bytes) -> bytes:
    # The length keeps a scope and a position from trading characters.
    message = len(scope).to_bytes(4, "big") + scope.encode() + payload
    return hmac.digest(key, message, "sha256")[:_SIGNATURE_BYTES]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _invalid() -> Invalid:
    return Invalid(
        "The page token was not given out for this list. Start again from the first page.",
        reason="PAGE_TOKEN_INVALID",
        domain="tenantmesh",
    )
