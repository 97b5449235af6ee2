"""The suite runs over every provider in the registry, on every server it is known to work with."""

from __future__ import annotations

import pytest
import pytest_asyncio
from tests.fixtures.identityproviders import OPENERS


@pytest_asyncio.fixture(params=sorted(OPENERS))
async def world(request: pytest.FixtureRequest):
    """A provider on its server, with what somebody else can do there."""
    server, opened = OPENERS[request.param]
    running = request.getfixturevalue(server) if server else None
    async with opened(running) as world:
        yield world
