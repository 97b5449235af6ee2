"""Questions that a ready check asks. Each raises when the answer is not the one it should be."""

from __future__ import annotations

import asyncio

from localstack.site import HOST


async def listening(port: int) -> None:
    """Something accepts connections there."""
    _, writer = await asyncio.open_connection(HOST, port)
    writer.close()
    await writer.wait_closed()
