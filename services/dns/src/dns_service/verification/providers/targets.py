"""Whether the hosts that records point to exist, as name servers see it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from time import monotonic
from typing import Protocol

from dns_service.verification.model import Server

_KEPT = 60.0
"""Seconds for which a host is known to exist: all tenants point to the same few."""
_MOST_KEPT = 1024


class Hosts(Protocol):
    """Asks one server whether it knows a host."""

    async def exists(self, server: Server, host: str) -> bool | None:
        """Whether the host exists; None where the server cannot tell."""
        ...


class LiveTargets:
    """Asks name servers. A host is missing when enough of them say so and none of them knows it."""

    def __init__(self, hosts: Hosts, servers: Sequence[Server], *, quorum: int) -> None:
        self._hosts = hosts
        self._servers = tuple(servers)
        self._quorum = quorum
        self._known: dict[str, float] = {}

    async def missing(self, hosts: Collection[str]) -> frozenset[str]:
        """Those of the hosts that certainly do not exist."""
        now = monotonic()
        asked = [host for host in hosts if self._known.get(host, 0.0) < now]
        async with asyncio.TaskGroup() as group:
            found = {host: group.create_task(self._exists(host)) for host in asked}
        for host in asked:
            if found[host].result():
                self._remember(host)
        return frozenset(host for host in asked if not found[host].result())

    async def _exists(self, host: str) -> bool:
        """Ask all at once, and wait no longer than until the first knows it."""
        asking = [asyncio.ensure_future(self._hosts.exists(server, host)) for server in self._servers]
        denials = 0
        try:
            for answer in asyncio.as_completed(asking):
                known = await answer
                if known:
                    return True
                denials += known is False
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        return denials == 0 or denials < self._quorum

    def _remember(self, host: str) -> None:
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        self._known[host] = monotonic() + _KEPT
