"""Whether the hosts that records point to exist, as name servers see it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol
from weakref import WeakValueDictionary

from dns_service.verification.model import Server


class Hosts(Protocol):
    """Asks one server whether it knows a host."""

    async def exists(self, server: Server, host: str) -> bool | None:
        """Whether the host exists; None where the server cannot tell."""
        ...


@dataclass(slots=True, weakref_slot=True)
class _Question:
    """The last time a host was asked for, and what came of it."""

    asked: float = float("-inf")
    exists: bool = True
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class LiveTargets:
    """Asks name servers. A host is missing when enough of them say so and none of them knows it.

    All tenants point to the same few hosts, so those who come together share a question. Nobody is told what was asked
    before he came: a host may have gone since.
    """

    def __init__(self, hosts: Hosts, servers: Sequence[Server], *, quorum: int) -> None:
        self._hosts = hosts
        self._servers = tuple(servers)
        self._quorum = quorum
        self._questions: WeakValueDictionary[str, _Question] = WeakValueDictionary()

    async def missing(self, hosts: Collection[str]) -> frozenset[str]:
        """Those of the hosts that certainly do not exist."""
        async with asyncio.TaskGroup() as group:
            found = {host: group.create_task(self._exists(host)) for host in hosts}
        return frozenset(host for host, task in found.items() if not task.result())

    async def _exists(self, host: str) -> bool:
        came = monotonic()
        question = self._questions.setdefault(host, _Question())
        async with question.turn:
            if question.asked < came:
                begun = monotonic()
                question.exists = await self._ask(host)
                question.asked = begun
            return question.exists

    async def _ask(self, host: str) -> bool:
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
