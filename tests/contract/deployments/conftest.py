"""The suite runs over every provider in the registry that deploys something."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from tests.fixtures.pipelines import cicd, environment

from deployments_service.providers.memory import MemoryProvider, MemorySettings
from deployments_service.settings import read
from deployments_service.translate import report_from


@asynccontextmanager
async def open_memory(_):
    async with MemoryProvider(MemorySettings()) as provider:
        yield provider


@asynccontextmanager
async def open_webhook(postgres):
    async with cicd() as system:
        environ = await environment(postgres, system)
        _, settings = read({"MESH_MODE": "development", **environ})
        # Imported here, where it is chosen.
        from deployments_service.providers.webhook import WebhookProvider

        async with WebhookProvider(settings, reading=report_from) as provider:
            yield provider


OPENERS = {"memory": (None, open_memory), "webhook": ("postgres", open_webhook)}
MAKES_NOTHING = {"none"}


@pytest.fixture(params=sorted(OPENERS))
def opener(request):
    """Opens the provider on the server it needs."""
    server, opened = OPENERS[request.param]
    running = request.getfixturevalue(server) if server else None
    return lambda: opened(running)


@pytest_asyncio.fixture
async def provider(opener):
    async with opener() as one:
        yield one
