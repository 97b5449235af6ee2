"""The suite runs over every provider in the registry, on every server it is known to work with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from tests.fixtures import nameservers
from tests.fixtures.cloudflare import Cloudflare
from tests.fixtures.nameservers import NameServer
from tests.fixtures.route53 import Route53

from dns_service.model import Record
from dns_service.providers.cloudflare import CloudflareProvider, CloudflareSettings
from dns_service.providers.lexicon import LexiconProvider, LexiconSettings
from dns_service.providers.logging import LoggingProvider
from dns_service.providers.memory import MemoryProvider, MemorySettings
from dns_service.providers.powerdns import PowerDnsProvider, PowerDnsSettings
from dns_service.providers.rfc2136 import Rfc2136Provider, Rfc2136Settings
from dns_service.providers.route53 import Route53Provider, Route53Settings
from settingskit import Secret

Opener = Callable[[list[Record]], AbstractAsyncContextManager[Any]]


@pytest_asyncio.fixture(scope="session")
async def bind(tmp_path_factory):
    async with nameservers.bind(tmp_path_factory.mktemp("bind")) as server:
        yield server


@pytest_asyncio.fixture(scope="session")
async def knot(tmp_path_factory):
    async with nameservers.knot(tmp_path_factory.mktemp("knot")) as server:
        yield server


@pytest_asyncio.fixture(scope="session")
async def powerdns(tmp_path_factory):
    async with nameservers.powerdns(tmp_path_factory.mktemp("powerdns")) as server:
        yield server


@pytest_asyncio.fixture(scope="session")
async def route53():
    async with Route53().running() as server:
        yield server


@asynccontextmanager
async def open_memory(_, foreign):
    async with MemoryProvider(MemorySettings(zones=("example.com",)), foreign) as provider:
        yield provider


@asynccontextmanager
async def open_logging(_, foreign):
    async with LoggingProvider(MemorySettings(zones=("example.com",)), foreign) as provider:
        yield provider


@asynccontextmanager
async def open_rfc2136(server: NameServer, foreign):
    await server.clear()
    await make_foreign(server, foreign)
    async with Rfc2136Provider(rfc2136_settings(server)) as provider:
        yield provider


def rfc2136_settings(server: NameServer, **changes) -> Rfc2136Settings:
    settings = {
        "nameserver": server.address,
        "zones": (nameservers.ZONE,),
        "key": nameservers.KEY,
        "secret": Secret(server.secret),
        "algorithm": nameservers.ALGORITHM,
    }
    return Rfc2136Settings(**(settings | changes))


@asynccontextmanager
async def open_powerdns(server: NameServer, foreign):
    await server.clear()
    await make_foreign(server, foreign)
    async with PowerDnsProvider(powerdns_settings(server)) as provider:
        yield provider


def powerdns_settings(server: NameServer, **changes) -> PowerDnsSettings:
    return PowerDnsSettings(**({"url": server.api, "key": Secret(server.api_key)} | changes))


@asynccontextmanager
async def open_lexicon(server: NameServer, foreign):
    await server.clear()
    await make_foreign(server, foreign)
    async with LexiconProvider(lexicon_settings(server)) as provider:
        yield provider


def lexicon_settings(server: NameServer, **changes) -> LexiconSettings:
    options = Secret(f"auth_token={server.api_key},pdns_server={server.api}")
    settings = {"hoster": "powerdns", "options": options, "zones": (nameservers.ZONE,), "rate": 1000.0, "burst": 1000}
    return LexiconSettings(**(settings | changes))


@asynccontextmanager
async def open_route53(server: Route53, foreign):
    await server.reset()
    for record in foreign:
        await server.add(record.key.name, record.key.type.value, 300, *record.data.values)
    async with Route53Provider(route53_settings(server)) as provider:
        yield provider


def route53_settings(server: Route53, **changes) -> Route53Settings:
    settings = {"key_id": "key", "key": Secret("secret"), "endpoint": server.url, "rate": 1000.0}
    return Route53Settings(**(settings | {"sync_pause": timedelta(milliseconds=10)} | changes))


@asynccontextmanager
async def open_cloudflare(_, foreign):
    async with Cloudflare().running() as server:
        for record in foreign:
            for value in record.data.values:
                server.add(record.key.name, record.key.type.value, value)
        async with CloudflareProvider(cloudflare_settings(server)) as provider:
            yield provider


def cloudflare_settings(server: Cloudflare, **changes) -> CloudflareSettings:
    return CloudflareSettings(**({"token": Secret(server.token), "url": server.url} | changes))


async def make_foreign(server: NameServer, records: list[Record]) -> None:
    for record in records:
        await server.add(
            record.key.name, int(record.data.ttl.total_seconds()), record.key.type.value, *record.data.values
        )


OPENERS: dict[str, tuple[str | None, Any]] = {
    "memory": (None, open_memory),
    "logging": (None, open_logging),
    "rfc2136-bind": ("bind", open_rfc2136),
    "rfc2136-knot": ("knot", open_rfc2136),
    "rfc2136-powerdns": ("powerdns", open_rfc2136),
    "powerdns": ("powerdns", open_powerdns),
    "lexicon": ("powerdns", open_lexicon),
    "route53": ("route53", open_route53),
    "cloudflare": (None, open_cloudflare),
}


@pytest.fixture(params=sorted(OPENERS))
def opener(request) -> Opener:
    """Opens the provider with some records that somebody else made in the zone example.com."""
    server, opened = OPENERS[request.param]
    running = request.getfixturevalue(server) if server else None
    return lambda foreign: opened(running, foreign)
