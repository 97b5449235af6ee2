"""The suite runs over every provider in the registry, on every server it is known to work with."""

from __future__ import annotations

import pytest
import pytest_asyncio
from tests.fixtures.identityproviders import OPENERS, auth0, directory

__all__ = ["auth0", "directory"]


@pytest.fixture(params=sorted(OPENERS))
def opened(request: pytest.FixtureRequest):
    """A provider, still to be opened on its server."""
    server, opener = OPENERS[request.param]
    return opener(request.getfixturevalue(server) if server else None)


@pytest_asyncio.fixture
async def world(opened):
    """A provider on its server, with what somebody else can do there."""
    async with opened as world:
        yield world
