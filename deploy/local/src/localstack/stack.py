"""A stack: the components that were asked for, started in the order of their needs and stopped in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from localstack import ports
from localstack.component import Component
from localstack.process import Child, spawn, tail
from localstack.settings import StackSettings
from localstack.site import Site

FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.1
ATTEMPT = 5.0


class ComponentFailed(Exception):  # noqa: N818 - names what happened
    """A component did not become ready, or ended while it should run."""

    def __init__(self, name: str, problem: str, last_lines: list[str]) -> None:
        super().__init__(f"{name} {problem}")
        self.name = name
        self.problem = problem
        self.last_lines = last_lines


@dataclass(frozen=True, slots=True)
class Plan:
    """Which components run where."""

    components: tuple[Component, ...]
    sites: Mapping[str, Site]

    def settings(self) -> dict[str, str]:
        """All settings the components give, for clients of the stack."""
        return {name: value for one in self.components for name, value in one.gives(self.sites[one.name]).items()}

    def environment(self, component: Component) -> dict[str, str]:
        """The settings one component gets: what its needs give, what it gives itself, what is its alone."""
        sources = [one for one in self.components if one.name in component.needs or one is component]
        given = {name: value for one in sources for name, value in one.gives(self.sites[one.name]).items()}
        return given | dict(component.environment(self.sites[component.name]))


def plan(components: Iterable[Component], settings: StackSettings, *, usual_ports: bool = True) -> Plan:
    """Choose the ports and lay out the sites of the components."""
    chosen = tuple(components)
    state = settings.state.resolve()
    numbers = ports.choose({one.name: one.ports for one in chosen}, usual=usual_ports)
    sites = {one.name: Site(one.name, state, numbers[one.name], settings, numbers) for one in chosen}
    return Plan(chosen, sites)


Report = Callable[[str, str, float], None]
"""Hears of each component: its name, "starting", "ready" or a problem, and the seconds since its start."""


def silent(name: str, state: str, seconds: float) -> None:
    """Report nothing."""


@dataclass(slots=True)
class Stack:
    """The processes of one plan."""

    plan: Plan
    report: Report = silent
    children: dict[str, Child] = field(default_factory=dict)
    _ready: dict[str, asyncio.Event] = field(default_factory=dict)

    async def start(self) -> None:
        """Start every component, side by side where no need stands between, and return when all are ready."""
        self._ready = {one.name: asyncio.Event() for one in self.plan.components}
        try:
            async with asyncio.TaskGroup() as group:
                for component in self.plan.components:
                    group.create_task(self.start_one(component))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def start_one(self, component: Component) -> None:
        """Start one component once what it needs is ready, and return when it is ready itself."""
        for need in component.needs:
            if need in self._ready:
                await self._ready[need].wait()
        site = self.plan.sites[component.name]
        begun = monotonic()
        self.report(component.name, "starting", 0)
        site.folder.mkdir(parents=True, exist_ok=True)
        await component.prepare(site)
        child = await self._spawn(component, site)
        await self._until_ready(component, site, child)
        self.report(component.name, "ready", monotonic() - begun)
        self._ready[component.name].set()

    async def stop(self) -> None:
        """Stop every component, those that others need last."""
        remaining = [one for one in self.plan.components if one.name in self.children]
        while remaining:
            needed = {need for one in remaining for need in one.needs}
            last = [one for one in remaining if one.name not in needed]
            await asyncio.gather(*(self.stop_one(one) for one in last))
            remaining = [one for one in remaining if one not in last]

    async def stop_one(self, component: Component) -> None:
        """Stop one component; nothing of it is left when this returns."""
        child = self.children.get(component.name)
        if child is not None:
            await child.stop(component.stop)
            self.report(component.name, "stopped", monotonic() - child.since)

    async def _spawn(self, component: Component, site: Site) -> Child:
        child = await spawn(
            component.name,
            component.command(site),
            state=site.state,
            folder=site.folder,
            log=site.log,
            env=self.plan.environment(component),
        )
        self.children[component.name] = child
        return child

    async def _until_ready(self, component: Component, site: Site, child: Child) -> None:
        """Ask again and again, until it is ready, it ends or patience does."""
        patience = component.patience.total_seconds()
        ended = asyncio.create_task(child.process.wait())
        asking = asyncio.create_task(_ask(component, site))
        try:
            await asyncio.wait({ended, asking}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if asking.done() and not ended.done():
                return
            problem = f"ended with {ended.result()}" if ended.done() else f"was not ready after {patience:.0f} s"
            raise ComponentFailed(component.name, problem, tail(site.log))
        finally:
            for task in (ended, asking):
                task.cancel()
            await asyncio.gather(ended, asking, return_exceptions=True)


async def _ask(component: Component, site: Site) -> None:
    """Return when the ready check passes."""
    pause = FIRST_PAUSE
    while True:
        try:
            async with asyncio.timeout(ATTEMPT):
                return await component.ready(site)
        except Exception:  # noqa: BLE001 - whatever it is, it is not ready yet; what goes wrong stands in its log
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


@asynccontextmanager
async def running(plan: Plan, report: Report = silent) -> AsyncIterator[Stack]:
    """A stack that runs inside the block and of which nothing is left after it."""
    stack = Stack(plan, report)
    try:
        await stack.start()
        yield stack
    finally:
        await stack.stop()
