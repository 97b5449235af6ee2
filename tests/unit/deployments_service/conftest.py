"""The service over memory, and a clock that only the test moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from deployments_service.model import State, Tier
from deployments_service.providers.memory import MemoryProvider, MemorySettings
from deployments_service.service import Deployments, Wish
from deployments_service.translate import report_from

ACME, GLOBEX = "0192f0c1-2b3c-7d4e-8f50-112233445566", "0192f0c1-2b3c-7d4e-8f50-665544332211"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
VERSIONS = {Tier.SILO: "stable", Tier.BRIDGE: "stable", Tier.POOLED: "shared"}
WISH = Wish(ACME, "provision-acme", "web", Tier.SILO, "1.0", hostnames=("acme.example.com",), settings={"A": "1"})


class World:
    """A provider, the service over it, and the time."""

    def __init__(self, **settings):
        self.now = NOW
        self.provider = MemoryProvider(MemorySettings(**settings), clock=lambda: self.now)
        self.service = over(self.provider, clock=lambda: self.now)

    def ensure(self, **changes):
        return self.service.ensure(replace(WISH, **changes))

    def pass_time(self, time=MINUTE):
        self.now += time

    async def ready(self, **changes):
        """A deployment that serves."""
        await self.ensure(**changes)
        self.pass_time()
        deployment = await self.service.get(ACME, "web")
        assert deployment.state is State.READY
        return deployment


def over(provider, reports=None, **more):
    more = {"interval": timedelta(milliseconds=1), **more}
    return Deployments(provider, reports, reading=report_from, versions=VERSIONS, **more)


@pytest.fixture
def world():
    """Where a rollout takes a minute."""
    return World(pace=MINUTE)


@pytest.fixture
def quick():
    """Where rollouts end as they begin."""
    return World()
