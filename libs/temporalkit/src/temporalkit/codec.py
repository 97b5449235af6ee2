"""Payloads encrypted before they leave the process: AES-256-GCM, with keys that rotate while runs are in flight."""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

import faults
from settingskit import Problem, Secret, SettingsInvalid, setting

ENCODING: Final = b"binary/encrypted"
KEY_ID: Final = "encryption-key-id"

_KEYS: Final = "TEMPORAL_PAYLOAD_KEYS"
_KEYS_FILE: Final = "TEMPORAL_PAYLOAD_KEYS_FILE"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_WORTH_A_THREAD: Final = 512 * 1024  # 0.25 ms of encryption; handing it to a thread costs 0.12 ms


@dataclass(frozen=True, slots=True)
class Key:
    """One key, and the id that payloads name it by."""

    id: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class EncryptionSettings:
    """Which keys encrypt payloads; none leaves them readable."""

    keys: Secret | None = setting(
        _KEYS,
        default=None,
        help="Keys that encrypt payloads, the newest first: `id:base64 of 32 bytes`, comma separated.",
    )
    keys_file: Path | None = setting(_KEYS_FILE, default=None, help="A file with such keys instead, one a line.")

    def __post_init__(self) -> None:
        """Refuse two sources and unreadable keys."""
        if self.keys and self.keys_file:
            raise SettingsInvalid([Problem(_KEYS, f"excludes {_KEYS_FILE}")])
        if self.keys:
            _parsed(_KEYS, self.keys.reveal().split(","))

    def read(self) -> tuple[Key, ...]:
        """The keys, newest first. A file is read now."""
        if self.keys_file:
            try:
                return _parsed(_KEYS_FILE, self.keys_file.read_text().splitlines())
            except OSError as error:
                raise SettingsInvalid([Problem(_KEYS_FILE, f"cannot be read: {error.strerror}")]) from None
        return _parsed(_KEYS, self.keys.reveal().split(",")) if self.keys else ()


class EncryptionCodec(PayloadCodec):
    """Encrypts with the first key, decrypts with whichever key a payload names.

    To rotate: give every process the new key behind the old one, then in front of it, and drop the old key once no
    history that used it is retained. What is not encrypted is passed through, so that encryption can be switched on
    while runs are in flight.
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        """Take at least one key, the newest first."""
        self._ciphers: Mapping[str, AESGCM] = {key.id: AESGCM(_decoded(key.secret.reveal())) for key in keys}
        self._newest = keys[0].id

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See base class."""
        return await _off_loop_if_large(self._encrypt, payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See base class."""
        return await _off_loop_if_large(self._decrypt, payloads)

    def _encrypt(self, payload: Payload) -> Payload:
        nonce, key_id = os.urandom(_NONCE_BYTES), self._newest.encode()
        sealed = self._ciphers[self._newest].encrypt(nonce, payload.SerializeToString(), key_id)
        return Payload(metadata={"encoding": ENCODING, KEY_ID: key_id}, data=nonce + sealed)

    def _decrypt(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        key_id = payload.metadata.get(KEY_ID, b"")
        name = key_id.decode(errors="replace")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise _unreadable("A payload is encrypted with the key {!r}, which this process does not have.", name)
        try:
            plain = cipher.decrypt(payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:], key_id)
        except (InvalidTag, ValueError):
            raise _unreadable("A payload is not what the key {!r}, which it names, has encrypted.", name) from None
        return Payload.FromString(plain)


async def _off_loop_if_large(work: Callable[[Payload], Payload], payloads: Sequence[Payload]) -> list[Payload]:
    if sum(len(payload.data) for payload in payloads) < _WORTH_A_THREAD:
        return list(map(work, payloads))
    return await asyncio.to_thread(lambda: list(map(work, payloads)))


def _unreadable(message: str, key_id: str) -> faults.Fault:
    # The id stands in the text as well: a worker that cannot read its keys cannot tell Temporal either, only its log.
    return faults.Internal(message.format(key_id), reason="UNEXPECTED", facts={"key_id": key_id}, domain="tenantmesh")


def _parsed(setting_name: str, entries: Iterable[str]) -> tuple[Key, ...]:
    keys = []
    for number, entry in enumerate(filter(None, map(str.strip, entries)), start=1):
        key_id, _, encoded = entry.partition(":")
        if not key_id or len(_decoded(encoded)) != _KEY_BYTES:
            # The entry itself is not shown: it is a key.
            raise SettingsInvalid([Problem(setting_name, f"key {number} must be `id:base64 of 32 bytes`")])
        keys.append(Key(key_id, Secret(encoded)))
    if len({key.id for key in keys}) != len(keys):
        raise SettingsInvalid([Problem(setting_name, "every key needs an id of its own")])
    return tuple(keys)


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return b""
