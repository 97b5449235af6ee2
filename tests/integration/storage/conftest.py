"""Real servers that speak S3, and tenants in them."""

from __future__ import annotations

import pytest
import pytest_asyncio
from tests.fixtures.stores import moto, open_s3, seaweedfs

__all__ = ["moto", "seaweedfs"]


@pytest.fixture(params=["seaweedfs", "moto"])
def server(request):
    """Each server that speaks S3."""
    return request.getfixturevalue(request.param)


@pytest_asyncio.fixture
async def world(server):
    """A store with names of its own on each server."""
    async with open_s3(server) as world:
        yield world


@pytest_asyncio.fixture
async def seaweed_world(seaweedfs):
    """A store on the server that is the most like S3 itself."""
    async with open_s3(seaweedfs) as world:
        yield world
