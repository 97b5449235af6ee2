"""Questions that a ready check asks. Each raises when the answer is not the one it should be."""

from __future__ import annotations

import asyncio
import urllib.request

from localstack.site import HOST


async def listening(port: int) -> None:
    """Something accepts connections there."""
    _, writer = await asyncio.open_connection(HOST, port)
    writer.close()
    await writer.wait_closed()


async def http_ok(url: str) -> None:
    """The page answers 200."""
    await asyncio.to_thread(_get, url)


def _get(url: str) -> None:
    with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - a page of the stack itself
        pass
