"""Sealing what is kept: nobody who reads the database alone learns a secret that waits."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from faults import Internal


class Seal:
    """Encrypts with the first of some secrets, and opens what any of them sealed."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(_key(secret)) for secret in secrets])

    def close(self, content: bytes) -> bytes:
        """The content, unreadable and unchangeable for who has none of the secrets."""
        return self._fernet.encrypt(content)

    def open(self, sealed: bytes) -> bytes:
        """The content again."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise Internal(
                "Something the service keeps was sealed with a secret it no longer has.",
                reason="UNEXPECTED",
                domain="tenantmesh",
            ) from None


def _key(secret: str) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(b"seal " + secret.encode()).digest())
