"""The suite runs over every provider in the registry. A provider that needs a server starts it in its own opener."""

from contextlib import asynccontextmanager

import pytest

from dns_service.model import Record
from dns_service.providers import PROVIDERS
from dns_service.providers.memory import MemoryProvider, MemorySettings


@asynccontextmanager
async def open_memory(foreign: list[Record]):
    async with MemoryProvider(MemorySettings(zones=("example.com",)), foreign) as provider:
        yield provider


OPENERS = {"memory": open_memory}


@pytest.fixture(params=sorted(PROVIDERS))
def opener(request):
    """Opens the provider with some records that somebody else made in the zone example.com."""
    return OPENERS[request.param]
