"""An identity service in this process, over the local directory, and a clock that a test can set forward."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from tests.fixtures.identity import environment, serving


@dataclass(slots=True)
class Clock:
    """The time of a service."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def pass_by(self, span: timedelta) -> None:
        self.ahead += span


@pytest.fixture(scope="session")
def clock():
    return Clock()


@pytest_asyncio.fixture(scope="session")
async def environ(postgres):
    return await environment(postgres, IDENTITY_PROVIDER="local", CREDENTIAL_SWEEP_INTERVAL="100ms")


@pytest_asyncio.fixture(scope="session")
async def identity(environ, clock):
    async with serving(environ, clock) as identity:
        yield identity


@pytest.fixture
def where():
    """The coordinates of a tenant nobody had before."""
    number = uuid4()
    return {"tenant_id": str(number), "tenant_key": f"t{number.hex[:12]}", "tier": "TIER_SILO"}


@pytest.fixture
def who(where):
    return f"ada@{where['tenant_key']}.example"
