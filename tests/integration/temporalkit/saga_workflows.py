"""A workflow that makes things, scripted by its input, and the world it makes them in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.exceptions import ActivityError

import faults
from temporalkit.ledger import Ledger, as_data
from temporalkit.retries import Preset
from temporalkit.saga import Saga
from temporalkit.shielding import shielded

QUICK = Preset(
    start_to_close=timedelta(seconds=10),
    first_delay=timedelta(milliseconds=10),
    attempts=1,
    longest_delay=timedelta(milliseconds=20),
    heartbeat_timeout=timedelta(seconds=5),
)
# A worker that stops while an undo runs costs it an attempt.
UNDO = replace(QUICK, attempts=2)


@dataclass
class Plan:
    """What a run does. A step of `parallel` is a branch of several names."""

    steps: list[str]
    parallel: list[list[str]] = field(default_factory=list)
    final: str = ""
    after: list[str] = field(default_factory=list)
    nap: float = 0
    verify: bool = False
    bug: str = ""
    skip: list[str] = field(default_factory=list)
    fault_between: bool = False
    hold: bool = False
    heartbeat_timeout: float = 5
    no_undo: list[str] = field(default_factory=list)
    undo_bug: str = ""
    bear: list[str] = field(default_factory=list)
    wrap: bool = False
    gather: list[str] = field(default_factory=list)


class World:
    """Where things are made. Tests say what fails, what hangs and what lies."""

    def __init__(self) -> None:
        self.things: set[str] = set()
        self.journal: list[str] = []
        self.fail_before: set[str] = set()
        self.fail_after: set[str] = set()
        self.undo_fails: set[str] = set()
        self.undo_lies: set[str] = set()
        self.hang: set[str] = set()
        self.stubborn: set[str] = set()
        self.cancelled: set[str] = set()
        self.reached = asyncio.Event()
        self.release = asyncio.Event()

    @activity.defn
    async def make(self, name: str) -> str:
        self.journal.append(f"make {name}")
        if name in self.fail_before:
            raise faults.Conflict(f"{name} cannot be made.", reason="CANNOT_BE_MADE", facts={"thing": name})
        self.things.add(name)
        await self._pause(name)
        if name in self.fail_after:
            raise faults.Unavailable(f"{name} was made, and nobody was told.", reason="REPLY_LOST")
        return f"{name}!"

    @activity.defn
    async def remove(self, name: str) -> bool:
        self.journal.append(f"remove {name}")
        await self._pause(f"remove {name}")
        if name in self.undo_fails:
            raise faults.Denied("Hands off.", reason="HANDS_OFF")
        existed = name in self.things
        if name not in self.undo_lies:
            self.things.discard(name)
        return existed

    @activity.defn
    async def gone(self, name: str) -> bool:
        return name not in self.things

    async def _pause(self, name: str) -> None:
        if name not in self.hang:
            return
        self.reached.set()
        try:
            while not self.release.is_set():
                activity.heartbeat()
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            if name not in self.stubborn:
                self.cancelled.add(name)
                raise
            self.journal.append(f"{name} ignores the cancellation")


@workflow.defn
class Making:
    """Follows a plan."""

    @workflow.init
    def __init__(self, plan: Plan) -> None:
        names = [*plan.steps, *plan.gather, *(name for branch in plan.parallel for name in branch)]
        names += [plan.final] if plan.final else []
        self._ledger = Ledger([*names, *plan.after], clock=workflow.now, changed=self._note)
        self._plan = plan
        self._percents: list[int] = []
        self._changes: list[str] = []
        self._saga = Saga(self._ledger)
        self._retry = False

    def _note(self, step: Any) -> None:
        self._changes.append(f"{step.name} {step.state.value}")
        self._percents.append(self._ledger.percent)

    @workflow.run
    async def run(self, plan: Plan) -> list[str]:
        results = []
        async with self._saga as saga:
            for name in plan.steps:
                if name in plan.skip:
                    saga.skip(name, undo=lambda name=name: self._remove(name))
                    continue
                results.append(await self._step(plan, name))
                if plan.nap:
                    await asyncio.sleep(plan.nap)
            if plan.parallel:
                results += await saga.branches(*(self._branch(plan, names) for names in plan.parallel))
            if plan.gather:
                results += await asyncio.gather(*(self._step(plan, name) for name in plan.gather))
            if plan.fault_between:
                raise faults.Denied("Not in this house.", reason="NOT_HERE")
            if plan.final:
                results.append(await self._step(plan, plan.final, final=True))
            for name in plan.after:
                results.append(await self._step(plan, name))
        return results

    async def _branch(self, plan: Plan, names: list[str]) -> str:
        return "+".join([await self._step(plan, name) for name in names])

    async def _step(self, plan: Plan, name: str, **more: Any) -> str:
        if name == plan.bug:
            raise TypeError("a mistake of the programmer")
        while True:
            try:
                return await self._saga.step(
                    name,
                    lambda: workflow.execute_activity_method(World.make, name, **QUICK.options()),
                    undo=None if name in plan.no_undo else lambda: self._remove(name),
                    gone=(lambda: self._gone(name)) if plan.verify else None,
                    where=f"the thing {name}",
                    **more,
                )
            except ActivityError as error:
                if name in plan.bear:
                    return "borne"
                if plan.wrap:
                    raise faults.Aborted("I say it in my words.", reason="MY_WORDS") from error
                if not plan.hold:
                    raise
                await workflow.wait_condition(lambda: self._retry)
                self._retry = False

    async def _remove(self, name: str) -> bool:
        if name == self._plan.undo_bug:
            raise TypeError("a mistake of the programmer")
        options = UNDO.options(heartbeat_timeout=timedelta(seconds=self._plan.heartbeat_timeout))
        return await workflow.execute_activity_method(World.remove, name, **options)

    async def _gone(self, name: str) -> bool:
        return await workflow.execute_activity_method(World.gone, name, **QUICK.options())

    @workflow.signal
    def retry(self) -> None:
        self._retry = True

    @workflow.query
    def ledger(self) -> list[dict[str, str]]:
        return as_data(self._ledger)

    @workflow.query
    def percents(self) -> list[int]:
        return self._percents

    @workflow.query
    def changes(self) -> list[str]:
        return self._changes

    @workflow.query
    def now(self) -> list[str]:
        return list(self._ledger.current)

    @workflow.query
    def causes(self) -> dict[str, list[str]]:
        return {
            step.name: [
                step.cause.reason if step.cause else "",
                step.undo_cause.reason if step.undo_cause else "",
                str(step.attempt),
            ]
            for step in self._ledger.steps
        }


@workflow.defn
class Shielded:
    """Finishes its work although it is cancelled, then closes cancelled."""

    @workflow.run
    async def run(self) -> None:
        await shielded(self._work())

    async def _work(self) -> None:
        await workflow.execute_activity_method(World.make, "slow", **QUICK.options())
        await workflow.execute_activity_method(World.make, "next", **QUICK.options())
