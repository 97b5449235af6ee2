"""Real servers for the dns service, started when a test first asks for one."""

from __future__ import annotations

import pytest_asyncio
from tests.fixtures import zonetrio
from tests.fixtures.cloudflare import Cloudflare
from tests.fixtures.dnsproviders import bind, knot, powerdns, route53

__all__ = ["bind", "cloudflare", "knot", "powerdns", "route53", "trio"]


@pytest_asyncio.fixture(scope="session")
async def trio(tmp_path_factory):
    async with zonetrio.trio(tmp_path_factory.mktemp("trio")) as servers:
        yield servers


@pytest_asyncio.fixture
async def cloudflare():
    async with Cloudflare().running() as server:
        yield server
