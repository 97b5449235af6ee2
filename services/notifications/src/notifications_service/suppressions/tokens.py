"""The token in the unsubscribe header: it stands for one address and one tenant, and says neither.

It is the same each time, because a message that is handed over again has to be the same message. AES-SIV is made for
that: without a nonce, it gives away nothing but that two tokens are equal, and whatever it did not make itself it does
not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from faults import Invalid

_UUID_BYTES: Final = 16


class UnsubscribeTokens:
    """Makes tokens with the first of some secrets, and reads those of all of them."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._ciphers = [AESSIV(hashlib.sha512(b"unsubscribe " + secret.encode()).digest()) for secret in secrets]

    def make(self, tenant_id: UUID, email: str) -> str:
        """The token of an address."""
        sealed = self._ciphers[0].encrypt(tenant_id.bytes + email.encode(), None)
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def read(self, token: str) -> tuple[UUID, str]:
        """The tenant and the address of a token.

        Raises:
            Invalid: UNSUBSCRIBE_TOKEN_INVALID.
        """
        for cipher in self._ciphers:
            try:
                content = cipher.decrypt(base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True), None)
            except (InvalidTag, binascii.Error, ValueError):
                continue
            return UUID(bytes=content[:_UUID_BYTES]), content[_UUID_BYTES:].decode()
        raise Invalid("The token is in no message of ours.", reason="UNSUBSCRIBE_TOKEN_INVALID")
