"""A stack: the components that were asked for, started in the order of their needs and stopped in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic

from localstack import ports
from localstack.component import Absent, Component, Unprepared
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
    required: frozenset[str] = frozenset()
    """The components without which the stack does not count as started, though they may be absent otherwise."""

    def environment(self, component: Component, absent: Iterable[str] = ()) -> dict[str, str]:
        """The settings one component gets: what its needs give, what it gives itself, what is its alone."""
        sources = [one for one in self.components if one.name in component.needs or one is component]
        own = component.environment(self.sites[component.name])
        return self._given(sources, absent) | dict(own)

    def settings(self, absent: Iterable[str] = ()) -> dict[str, str]:
        """All settings the components give, for clients of the stack."""
        return self._given(self.components, absent)

    def _given(self, sources: Iterable[Component], absent: Iterable[str]) -> dict[str, str]:
        present = [one for one in sources if one.name not in absent]
        return {name: value for one in present for name, value in one.gives(self.sites[one.name]).items()}


def plan(
    components: Iterable[Component],
    settings: StackSettings,
    *,
    required: Iterable[str] = (),
) -> Plan:
    """Choose the ports and lay out the sites of the components."""
    chosen = tuple(components)
    state = settings.state.resolve()
    numbers = ports.choose({one.name: one.ports for one in chosen}, usual=settings.usual_ports)
    sites = {one.name: Site(one.name, state, numbers[one.name], settings, numbers) for one in chosen}
    return Plan(chosen, sites, frozenset(required))


class State(Enum):
    """How it stands with one component."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    ABSENT = "absent"
    FAILED = "failed"
    DIED = "died"
    STOPPED = "stopped"


Report = Callable[[str, State, str], None]
"""Hears of each change: the component's name, its new state, and a note."""


def silent(name: str, state: State, note: str) -> None:
    """Report nothing."""


@dataclass(slots=True)
class Stack:
    """The processes of one plan."""

    plan: Plan
    report: Report = silent
    children: dict[str, Child] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    _settled: dict[str, asyncio.Event] = field(default_factory=dict)

    async def start(self) -> None:
        """Start every component, side by side where no need stands between, and return when all are ready."""
        self._settled = {one.name: asyncio.Event() for one in self.plan.components}
        try:
            async with asyncio.TaskGroup() as group:
                for component in self.plan.components:
                    group.create_task(self.start_one(component))
        except ExceptionGroup as failures:
            # The first failure ends the others, so that it is the one that tells something.
            raise failures.exceptions[0] from None

    async def start_one(self, component: Component) -> None:
        """Start one component once what it needs is ready, and return when it is ready itself."""
        name = component.name
        for need in component.needs:
            if need in self._settled:
                await self._settled[need].wait()
        self.report(name, State.STARTING, "")
        try:
            note = await self._start(component, self.plan.sites[name])
        except Absent as reason:
            if name in self.plan.required:
                raise self._failed(name, str(reason)) from None
            self.absent.add(name)
            self.report(name, State.ABSENT, str(reason))
        else:
            self.report(name, State.READY, note or "")
        if name in self._settled:
            self._settled[name].set()

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
        child = self.children.pop(component.name, None)
        if child is not None:
            await child.stop(component.stop)
            component.tidy(self.plan.sites[component.name])
            self.report(component.name, State.STOPPED, "")

    async def watch(self) -> None:
        """Report every component that ends by itself, for as long as this runs. None is started again."""
        async with asyncio.TaskGroup() as group:
            for child in list(self.children.values()):
                group.create_task(self._watch_one(child))

    async def _watch_one(self, child: Child) -> None:
        code = await child.process.wait()
        self.report(child.name, State.DIED, f"ended with {code} after {monotonic() - child.since:.1f} s")

    async def _start(self, component: Component, site: Site) -> str | None:
        site.folder.mkdir(parents=True, exist_ok=True)
        try:
            note = await component.prepare(site)
        except (Unprepared, OSError) as error:
            raise self._failed(component.name, f"could not be prepared: {error}") from error
        child = await spawn(
            component.name,
            component.command(site),
            state=site.state,
            folder=site.folder,
            log=site.log,
            env=self.plan.environment(component, self.absent),
        )
        self.children[component.name] = child
        await self._until_ready(component, site, child)
        try:
            await component.arrange(site)
        except (Unprepared, OSError) as error:
            raise self._failed(component.name, f"could not be arranged: {error}", tail(site.log)) from error
        return note

    async def _until_ready(self, component: Component, site: Site, child: Child) -> None:
        """Ask again and again, until it is ready, it ends or patience does."""
        patience = component.patience.total_seconds()
        ended = asyncio.create_task(child.process.wait())
        asking = asyncio.create_task(_ask(component, site))
        try:
            await asyncio.wait({ended, asking}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise self._failed(component.name, f"ended with {ended.result()}", tail(site.log))
            if not asking.done():
                raise self._failed(component.name, f"was not ready after {patience:.0f} s", tail(site.log))
        finally:
            for task in (ended, asking):
                task.cancel()
            await asyncio.gather(ended, asking, return_exceptions=True)

    def _failed(self, name: str, problem: str, last_lines: list[str] | None = None) -> ComponentFailed:
        self.report(name, State.FAILED, problem)
        return ComponentFailed(name, problem, last_lines or [])


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
