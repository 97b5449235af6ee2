"""What PostgreSQL keeps of a password, made on this side: so the password itself is in no statement and no log."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

_ROUNDS = 4096  # what the server itself takes


def verifier_of(password: str) -> str:
    """The SCRAM-SHA-256 verifier of a password of ASCII characters."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _ROUNDS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${_ROUNDS}:{_text(salt)}${_text(stored_key)}:{_text(server_key)}"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
