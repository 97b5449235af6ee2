"""The public keys an issuer signs tokens with, from a file or a URL, found by their id."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Protocol
from urllib.request import urlopen

from jwt import PyJWK, PyJWKSet
from jwt.exceptions import PyJWTError

from chassis.errors import DOMAIN
from chassis.reloading import Reloading
from faults import Unavailable

_log = logging.getLogger(__name__)
_FRESH = 600.0
"""Seconds until keys are fetched again without being asked for an unknown one: a key that was withdrawn must go."""
_PAUSE = 10.0
"""Seconds between fetches, whatever ids callers make up."""
_TIMEOUT = 5.0
_LIMIT = 1 << 20


class Keys(Protocol):
    """Where the keys come from."""

    async def find(self, key_id: str | None) -> PyJWK | None:
        """The key of that id; without an id, the only key there is."""


class FileKeys:
    """Keys in a file, read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._keys = Reloading([path], lambda: parse(path.read_bytes()))

    async def find(self, key_id: str | None) -> PyJWK | None:
        """See `Keys`."""
        return _pick(self._keys.value(), key_id)


class UrlKeys:
    """Keys fetched when they are first needed, when an unknown id turns up, and every ten minutes."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, PyJWK] = {}
        self._tried = self._fetched = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> PyJWK | None:
        """See `Keys`. An unknown id waits for a fetch; a known one never does."""
        key = _pick(self._keys, key_id)
        now = time.monotonic()
        if (key is None or now - self._fetched > _FRESH) and now - self._tried > _PAUSE:
            self._tried = now
            self._fetching = asyncio.create_task(self._fetch())
        if key is None and self._fetching is not None:
            await asyncio.shield(self._fetching)  # others wait for it too: one caller's deadline must not end it
            key = _pick(self._keys, key_id)
        if not self._keys:
            raise Unavailable(
                "The keys that tokens are checked with cannot be fetched.",
                reason="DEPENDENCY_UNAVAILABLE",
                domain=DOMAIN,
                facts={"dependency": "token keys"},
            )
        return key

    async def _fetch(self) -> None:
        try:
            self._keys = parse(await asyncio.to_thread(_download, self._url))
        except (OSError, ValueError) as error:
            _log.error("token keys cannot be fetched", extra={"url": self._url, "cause": str(error)})
        else:
            self._fetched = time.monotonic()


def parse(document: bytes) -> dict[str, PyJWK]:
    """The keys of a JWKS document by their ids.

    Raises:
        ValueError: when it holds no usable key.
    """
    try:
        keys = PyJWKSet.from_json(document.decode()).keys
    except (PyJWTError, AttributeError, TypeError) as error:  # the library expects the shape it should have
        msg = f"no usable key: {error}"
        raise ValueError(msg) from error
    return {key.key_id or "": key for key in keys if key.public_key_use in (None, "sig")}


def _pick(keys: dict[str, PyJWK], key_id: str | None) -> PyJWK | None:
    if key_id is None and len(keys) == 1:
        return next(iter(keys.values()))
    return keys.get(key_id or "")


def _download(url: str) -> bytes:
    with urlopen(url, timeout=_TIMEOUT) as response:  # noqa: S310 - the settings accept http and https alone
        document: bytes = response.read(_LIMIT)
    return document
