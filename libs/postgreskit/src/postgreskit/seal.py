"""Sealing what is kept in rows: nobody who reads the database alone learns it.

Each service has a label of its own, so that what one has sealed no other one opens, though both be given one secret.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from faults import Internal


class Seal:
    """Encrypts with the first of some secrets, and opens what any of them sealed."""

    def __init__(self, secrets: Sequence[str], *, label: str) -> None:
        """Describe it.

        Args:
            secrets: the one that is used, then those that were used before.
            label: whose it is.
        """
        self._fernet = MultiFernet([Fernet(_key(secret, label)) for secret in secrets])

    def close(self, content: bytes) -> bytes:
        """The content, unreadable and unchangeable for who has none of the secrets."""
        return self._fernet.encrypt(content)

    def open(self, sealed: bytes) -> bytes:
        """The content again.

        Raises:
            Internal: none of the secrets opens it.
        """
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise Internal(
                "Something the service keeps was sealed with a secret it no longer has.",
                reason="UNEXPECTED",
                domain="tenantmesh",
            ) from None


def _key(secret: str, label: str) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(f"{label} seal {secret}".encode()).digest())
