"""Stacks in this process's memory: for mock mode, for tests and for a first look. Nothing stands behind them.

Nothing runs here either: how far a run has come follows from the time, from when it began and from what was decided.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self
from uuid import uuid4

from faults import Aborted, Conflict, Fault
from infrastructure_service.model import (
    Capability,
    Failure,
    FailureReason,
    Kind,
    Owner,
    Plan,
    Run,
    RunState,
    Spec,
    Stack,
    StackState,
    Tier,
)
from settingskit import Problem, SettingsInvalid, setting

_TIERS = tuple(tier.value for tier in Tier)


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """Settings of the memory provider."""

    templates: tuple[str, ...] = setting(
        "INFRASTRUCTURE_MEMORY_TEMPLATES",
        default=_TIERS,
        help="Templates the memory provider knows; a tier's own is called like the tier.",
    )
    failing: tuple[str, ...] = setting(
        "INFRASTRUCTURE_MEMORY_FAILING", default=(), help="Templates whose runs fail, to see what happens then."
    )
    shared: tuple[str, ...] = setting(
        "INFRASTRUCTURE_MEMORY_SHARED", default=("bridge", "pooled"), help="Tiers whose shared stack stands."
    )
    pace: timedelta = setting(
        "INFRASTRUCTURE_MEMORY_PACE",
        default=timedelta(),
        minimum=timedelta(),
        help="How long a run plans, and then applies.",
    )

    def __post_init__(self) -> None:
        """Refuse tiers that are none."""
        if not set(self.shared) <= set(_TIERS):
            raise SettingsInvalid([Problem("INFRASTRUCTURE_MEMORY_SHARED", f"must name some of {', '.join(_TIERS)}")])


@dataclass(frozen=True, slots=True)
class _Course:
    """What a run's course follows from."""

    run: Run
    hold: bool
    approve_time: datetime | None = None
    cancel_time: datetime | None = None


class MemoryProvider:
    """A provider whose stacks last as long as the process."""

    name = "memory"
    makes = True
    capabilities: frozenset[Capability] = frozenset(Capability)
    Settings = MemorySettings

    def __init__(
        self,
        settings: MemorySettings,
        stacks: Iterable[Stack] = (),
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._stacks = {stack.spec.name: stack for stack in stacks}
        self._courses: dict[str, _Course] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stacks.clear()
        self._courses.clear()

    async def check(self) -> None:
        """Memory is always there."""

    async def template(self, name: str, tier: Tier) -> str:
        """The template of that name, the tier's where there is no name."""
        wanted = name or tier.value
        if wanted not in self._settings.templates:
            raise Conflict(
                f"There is no template {wanted}.",
                reason="TEMPLATE_UNKNOWN",
                facts={"template": wanted, "provider": self.name},
            )
        return wanted

    async def shared(self, tier: Tier) -> Stack | None:
        """The stack that a tier's tenants share; it has always stood."""
        if tier.value not in self._settings.shared:
            return None
        spec = Spec(f"shared-{tier.value}", tier, tier.value)
        return Stack(spec, None, StackState.READY, self.name, shared=True, resource_count=1)

    async def stack(self, name: str) -> Stack | None:
        """What stands under the name, as far as its latest run has come."""
        stack = self._stacks.get(name)
        course = self._courses.get(stack.latest_run_id) if stack else None
        if stack is None or course is None:
            return stack
        run = self._as_of_now(course)
        if run.kind is Kind.DESTROY and run.state.succeeded:
            return None
        ready = run.state.succeeded
        return replace(
            stack,
            state=_state_after(run),
            update_time=run.end_time or run.create_time,
            outputs={"stack": name} if ready else {},
            resource_count=1 if ready else 0,
        )

    async def begin(self, kind: Kind, spec: Spec, owner: Owner, *, hold: bool, seen: Stack | None) -> Run:
        """Begin a run if what was seen still stands."""
        latest = self._courses.get(seen.latest_run_id) if seen else None
        if await self.stack(spec.name) != seen or (latest and not self._as_of_now(latest).state.final):
            raise Aborted("The stack has changed.", reason="STACK_CHANGED", facts={"name": spec.name})
        now = self._clock()
        run = Run(f"run-{uuid4()}", kind, RunState.PLANNING, spec, owner, self.name, now, _plan(kind, spec, seen))
        first = seen or Stack(spec, owner, StackState.UPDATING, self.name, create_time=now)
        self._stacks[spec.name] = replace(first, spec=spec, latest_run_id=run.run_id)
        self._courses[run.run_id] = _Course(run, hold=hold)
        return self._as_of_now(self._courses[run.run_id])

    async def run(self, run_id: str) -> Run | None:
        """How far a run has come."""
        course = self._courses.get(run_id)
        return self._as_of_now(course) if course else None

    async def approve(self, run: Run, reason: str) -> Run:
        """Let a planned run go on."""
        now = self._undecided(run.run_id)
        if now.state.final:
            raise _refused(now, "RUN_CLOSED", "has ended")
        if now.state is not RunState.PLANNED:
            raise _refused(now, "RUN_NOT_AWAITING_APPROVAL", "waits for no approval")
        return self._decided(replace(now, approved=True, decision_reason=reason), approve_time=self._clock())

    async def cancel(self, run: Run, reason: str) -> Run:
        """Stop a run, at once."""
        now = self._undecided(run.run_id)
        if now.state.final:
            raise _refused(now, "RUN_CLOSED", "has ended")
        return self._decided(replace(now, decision_reason=reason), cancel_time=self._clock())

    async def stacks(self) -> AsyncIterator[Stack]:
        """Everything that bears the mesh's stamp."""
        for name in list(self._stacks):
            stack = await self.stack(name)
            if stack is not None and stack.owner is not None:
                yield stack

    def _undecided(self, run_id: str) -> Run:
        return self._as_of_now(self._courses[run_id])

    def _decided(self, run: Run, **decision: datetime) -> Run:
        course = replace(self._courses[run.run_id], run=run, **decision)  # type: ignore[arg-type] # times only
        self._courses[run.run_id] = course
        return self._as_of_now(course)

    def _as_of_now(self, course: _Course) -> Run:
        """How far the run has come by now."""
        run, pace, now = course.run, self._settings.pace, self._clock()
        if course.cancel_time:
            return replace(run, state=RunState.CANCELLED, end_time=course.cancel_time)
        planned = run.create_time + pace
        if now < planned:
            return replace(run, state=RunState.PLANNING)
        if course.hold and not course.approve_time:
            return replace(run, state=RunState.PLANNED)
        begun = course.approve_time or planned
        if now < begun + pace:
            return replace(run, state=RunState.APPLYING, start_time=begun)
        return self._ended(replace(run, start_time=begun, end_time=begun + pace))

    def _ended(self, run: Run) -> Run:
        if run.kind is Kind.APPLY and run.spec.template in self._settings.failing:
            failure = Failure(FailureReason.PROVIDER_FAILED, "The template is one of those that fail.", retryable=True)
            return replace(run, state=RunState.ERRORED, failure=failure)
        return replace(run, state=RunState.APPLIED)


def _plan(kind: Kind, spec: Spec, seen: Stack | None) -> Plan:
    """A stack in memory is one resource."""
    if kind is Kind.DESTROY:
        return Plan(destroy=1, destroyed=(spec.name,))
    return Plan(change=1) if seen else Plan(add=1)


def _state_after(run: Run) -> StackState:
    if not run.state.final:
        return StackState.DELETING if run.kind is Kind.DESTROY else StackState.UPDATING
    return StackState.READY if run.state.succeeded else StackState.INCOMPLETE


def _refused(run: Run, reason: str, what: str) -> Fault:
    return Conflict(f"The run {what}.", reason=reason, facts={"run_id": run.run_id, "state": run.state.name})
