"""The suite runs over every provider in the registry that makes something."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from infrastructure_service.model import Spec, Stack, StackState, Tier
from infrastructure_service.providers.memory import MemoryProvider, MemorySettings

FOREIGN = Stack(Spec("made-by-hand", Tier.SILO, "silo"), None, StackState.READY, "")


@asynccontextmanager
async def open_memory():
    async with MemoryProvider(MemorySettings(), [FOREIGN]) as provider:
        yield provider


OPENERS = {"memory": open_memory}
MAKES_NOTHING = {"none"}


@pytest.fixture(params=sorted(OPENERS))
def opener(request):
    """Opens the provider with a stack that somebody else made."""
    return OPENERS[request.param]
