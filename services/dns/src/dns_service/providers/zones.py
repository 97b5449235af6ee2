"""Which zones a vendor's account holds, asked once in a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from time import monotonic

from dns_service.providers import refusals

_KEPT = timedelta(minutes=5).total_seconds()
_ASKED_AGAIN = timedelta(seconds=30).total_seconds()
"""A name in no known zone may be in a new one; but who asks for nonsense does not make us ask the vendor each time."""


class Zones:
    """The zones of an account by name, each with the vendor's identifier, limited to some where that is configured."""

    def __init__(
        self,
        provider: str,
        read: Callable[[], Awaitable[Mapping[str, str]]],
        only: tuple[str, ...],
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._provider = provider
        self._read = read
        self._only = frozenset(zone.lower().removesuffix(".") for zone in only)
        self._clock = clock
        self._known: Mapping[str, str] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def of(self, name: str) -> str:
        """The longest zone that holds the name; ZONE_NOT_SERVED where none does."""
        known = await self._younger_than(_KEPT)
        if not any(name == zone or name.endswith(f".{zone}") for zone in known):
            known = await self._younger_than(_ASKED_AGAIN)
        return refusals.zone_among(known, name, self._provider)

    async def identifier(self, zone: str) -> str:
        """What the vendor calls the zone."""
        known = await self._younger_than(_KEPT)
        if zone not in known:
            raise refusals.zone_not_served(zone, self._provider)
        return known[zone]

    async def all(self) -> Mapping[str, str]:
        """Every zone, with its identifier."""
        return await self._younger_than(_KEPT)

    async def check(self) -> None:
        """Ask now, unless just asked; a configured zone that is not there is ZONE_NOT_SERVED."""
        known = await self._younger_than(_ASKED_AGAIN)
        for zone in self._only - known.keys():
            raise refusals.zone_not_served(zone, self._provider)

    async def _younger_than(self, age: float) -> Mapping[str, str]:
        async with self._reading:
            if self._clock() - self._read_at > age:
                found = await self._read()
                self._known = {zone: key for zone, key in found.items() if not self._only or zone in self._only}
                self._read_at = self._clock()
        return self._known
