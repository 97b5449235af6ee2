"""The suite runs over every provider in the registry, on every server it is known to work with."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from tests.fixtures.stores import moto, open_memory, open_s3, seaweedfs

__all__ = ["moto", "seaweedfs"]

OPENERS: dict[str, tuple[str | None, Any]] = {
    "memory": (None, open_memory),
    "s3-seaweedfs": ("seaweedfs", open_s3),
    "s3-moto": ("moto", open_s3),
}


@pytest.fixture(params=sorted(OPENERS))
def opening(request):
    """The provider under test, to be opened."""
    server, opened = OPENERS[request.param]
    return opened(request.getfixturevalue(server) if server else None)


@pytest_asyncio.fixture
async def world(opening):
    """The provider under test."""
    async with opening as world:
        yield world
