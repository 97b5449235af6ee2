"""How a process is: every dependency is asked again and again, and balancers and operators see what follows."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from prometheus_client import CollectorRegistry, Gauge

from chassis.resources import Resource
from faults import Fault

_log = logging.getLogger(__name__)
_JITTER = 0.1
"""The share of an interval by which checks are spread, so that replicas do not all ask at once."""


@dataclass(slots=True)
class Dependency:
    """What is known about one dependency."""

    name: str
    usable: bool = False
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    error: str = "not checked yet"
    """One neutral sentence: operators of other systems read it too. The log has the cause."""


class Health:
    """The state of every dependency, and the one word that follows from them."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self.dependencies = tuple(Dependency(resource.name) for resource in resources)
        self._resources = resources
        self._open = False
        self._changed: list[Callable[[bool], Awaitable[None]]] = []

    @property
    def ready(self) -> bool:
        """Whether the process can do its work: it has started, is not about to stop, and can use every dependency."""
        return self._open and all(dependency.usable for dependency in self.dependencies)

    def on_change(self, listener: Callable[[bool], Awaitable[None]]) -> None:
        """Have `listener` told when readiness changes."""
        self._changed.append(listener)

    async def open(self) -> None:
        """From here on the dependencies decide."""
        before, self._open = self.ready, True
        await self._tell(before)

    async def close(self) -> None:
        """Not ready any more, whatever the dependencies say."""
        before, self._open = self.ready, False
        await self._tell(before)

    @asynccontextmanager
    async def watched(self, interval: timedelta, registry: CollectorRegistry) -> AsyncIterator[None]:
        """Check every dependency now, and at every interval for as long as the block lasts, and count which are up."""
        seconds = interval.total_seconds()
        up = Gauge("dependency_up", "Whether a dependency is usable.", ("dependency",), registry=registry)
        for dependency in self.dependencies:
            up.labels(dependency.name).set_function(partial(getattr, dependency, "usable"))
        await asyncio.gather(*(self._check(*pair, seconds) for pair in self._pairs()))
        tasks = [asyncio.create_task(self._repeat(*pair, seconds)) for pair in self._pairs()]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            registry.unregister(up)

    def _pairs(self) -> list[tuple[Resource, Dependency]]:
        return list(zip(self._resources, self.dependencies, strict=True))

    async def _repeat(self, resource: Resource, dependency: Dependency, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - spreads load
            await self._check(resource, dependency, seconds)

    async def _check(self, resource: Resource, dependency: Dependency, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await resource.check()
        except Exception as error:  # noqa: BLE001 - whatever it raises, it is not usable
            await self._note(dependency, usable=False, error=_neutral(error), cause=error)
        else:
            await self._note(dependency, usable=True)

    async def _note(
        self, dependency: Dependency, *, usable: bool, error: str = "", cause: Exception | None = None
    ) -> None:
        before, known = self.ready, dependency.error != "not checked yet"
        if usable != dependency.usable:
            dependency.since = datetime.now(UTC)
        if usable != dependency.usable or not known:
            facts = {"dependency": dependency.name} | ({"cause": repr(cause)} if cause else {})
            level = logging.INFO if usable else logging.WARNING
            _log.log(level, "dependency is usable" if usable else "dependency is not usable", extra=facts)
        dependency.usable, dependency.error = usable, error
        await self._tell(before)

    async def _tell(self, before: bool) -> None:  # noqa: FBT001 - readiness itself
        if self.ready != before:
            for listener in self._changed:
                await listener(self.ready)


def _neutral(error: Exception) -> str:
    if isinstance(error, Fault):
        return error.message
    return "did not answer in time" if isinstance(error, TimeoutError) else "cannot be used"
