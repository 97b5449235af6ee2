"""The suite runs over every provider in the registry, on every server it is known to work with."""

from __future__ import annotations

import pytest
import pytest_asyncio
from tests.fixtures.stores import moto, open_memory, seaweedfs, sharing_s3

__all__ = ["moto", "seaweedfs"]

SERVERS = {"memory": None, "s3-moto": "moto", "s3-seaweedfs": "seaweedfs"}


@pytest.fixture(scope="session", params=SERVERS)
def server(request):
    """The server behind the provider under test; None where it needs none."""
    return SERVERS[request.param] and request.getfixturevalue(SERVERS[request.param])


@pytest_asyncio.fixture(scope="session")
async def sharing(server):
    """Opens the provider under test, over one store for all tests on one server."""
    if server is None:
        yield open_memory
        return
    async with sharing_s3(server) as opened:
        yield opened


@pytest_asyncio.fixture
async def world(sharing):
    """The provider under test."""
    async with sharing(None) as world:
        yield world
