"""The service over memory, and a clock that only the test moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from infrastructure_service.model import Tier
from infrastructure_service.providers.memory import MemoryProvider, MemorySettings
from infrastructure_service.service import Stacks, Wish

ACME, GLOBEX = "0192f0c1-2b3c-7d4e-8f50-112233445566", "0192f0c1-2b3c-7d4e-8f50-665544332211"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WISH = Wish(ACME, "provision-acme", "tenant-acme", Tier.SILO, variables={"size": "small"})


class World:
    """A provider, the service over it, and the time."""

    def __init__(self, **settings):
        self.now = NOW
        self.provider = MemoryProvider(MemorySettings(**settings), clock=lambda: self.now)
        self.stacks = Stacks(self.provider, interval=timedelta(milliseconds=1), clock=lambda: self.now)

    def ensure(self, **changes):
        return self.stacks.ensure(replace(WISH, **changes))

    def pass_time(self, time=MINUTE):
        self.now += time


@pytest.fixture
def world():
    """Where a run plans for a minute, and applies for a minute."""
    return World(pace=MINUTE)


@pytest.fixture
def quick():
    """Where runs end as they begin."""
    return World()
