"""Several Keycloaks: which tenant is on which, and which takes another realm.

Where a tenant is, the Keycloaks themselves know: all are asked, side by side, and what was found is remembered.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, Protocol

from identity_service.model import Organization, Tenant
from identity_service.providers import refusals
from identity_service.providers.keycloak.server import Server
from identity_service.providers.keycloak.settings import FIRST, KeycloakSettings

_COUNT_GOOD: Final = 60.0
"""Seconds after which realms are counted again. What this process makes and removes it counts itself."""
_MOST_REMEMBERED: Final = 10_000


Counting = Callable[[Server], Awaitable[int]]


class Kind(Protocol):
    """One way to hold organizations: a realm each, or in a shared realm."""

    async def find(self, server: Server, name: str) -> Organization | None:
        """The one of that name."""
        ...

    def all(self, server: Server) -> AsyncIterator[Organization]:
        """Those that bear the mesh's stamp."""
        ...


@dataclass(slots=True)
class _Count:
    """How many realms a shard was last seen to hold."""

    realms: int
    until: float


class Shards:
    """The Keycloaks of the settings."""

    def __init__(self, settings: KeycloakSettings) -> None:
        self._settings = settings
        self.servers = {name: Server(name, url, settings) for name, url in settings.addresses.items()}
        self._counts: dict[str, _Count] = {}
        self._places: OrderedDict[str, str] = OrderedDict()

    async def close(self) -> None:
        """Close every connection."""
        async with AsyncExitStack() as closing:
            for server in self.servers.values():
                closing.push_async_callback(server.close)

    def named(self, name: str) -> Server:
        """The shard of that name."""
        if name not in self.servers:
            raise refusals.shard_unknown(name)
        return self.servers[name]

    async def find(self, kind: Kind, tenant: Tenant) -> Organization | None:
        """The tenant's organization, wherever it is."""
        known = self._places.get(tenant.place)
        found = await kind.find(self.servers[known], tenant.name) if known else None
        if found is None:
            found = await _first(kind.find(server, tenant.name) for server in self.servers.values())
        self.remember(tenant.place, found)
        return found

    async def stands_elsewhere(self, kind: Kind, name: str, server: Server) -> bool:
        """Whether another shard has something of that name."""
        others = [one for one in self.servers.values() if one is not server]
        return await _first(kind.find(one, name) for one in others) is not None

    def remember(self, place: str, found: Organization | None) -> None:
        """Note where it is, or that it is nowhere."""
        self._places.pop(place, None)
        if found:
            self._places[place] = found.shard
        if len(self._places) > _MOST_REMEMBERED:
            self._places.popitem(last=False)

    def for_pooled(self, wanted: str) -> Server:
        """Where a new organization goes: an organization takes little, so the first shard unless another is said."""
        return self.named(wanted or FIRST)

    async def for_realm(self, wanted: str, count: Counting) -> Server:
        """Where a new realm goes: the shard that is said, or that with the fewest. SHARDS_FULL where none has room."""
        candidates = [self.named(wanted)] if wanted else list(self.servers.values())
        counts = await asyncio.gather(*(self._counted(server, count) for server in candidates))
        fewest, server = min(zip(counts, candidates, strict=True), key=lambda one: one[0])
        if fewest >= self._settings.realm_limit:
            raise refusals.shards_full(self._settings.realm_limit, ", ".join(one.name for one in candidates))
        return server

    def changed(self, shard: str, by: int) -> None:
        """Count a realm that this process made or removed."""
        if shard in self._counts:
            self._counts[shard].realms += by

    async def _counted(self, server: Server, count: Counting) -> int:
        known = self._counts.get(server.name)
        if known is None or time.monotonic() >= known.until:
            known = self._counts[server.name] = _Count(await count(server), time.monotonic() + _COUNT_GOOD)
        return known.realms


async def _first(looks: Iterable[Coroutine[Any, Any, Organization | None]]) -> Organization | None:
    """What one of them found. Where none did, one that could not look is told of: it might be there."""
    results = await asyncio.gather(*looks, return_exceptions=True)
    failures = [one for one in results if isinstance(one, BaseException)]
    found = next((one for one in results if isinstance(one, Organization)), None)
    if found is None and failures:
        raise failures[0]
    return found
