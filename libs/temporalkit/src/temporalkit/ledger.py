"""The ledger of one run: its steps in order, what became of each, and how far the run is. Pure data, no Temporal."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from faults import Fault


class State(enum.Enum):
    """Where one step stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNDONE = "undone"
    LEFT_BEHIND = "left_behind"


class Outcome(enum.Enum):
    """What an undo found and did."""

    UNDONE = "undone"
    WAS_ABSENT = "was_absent"
    LEFT_BEHIND = "left_behind"


_SETTLED = frozenset({State.DONE, State.SKIPPED})


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the ledger."""

    name: str
    state: State = State.PENDING
    attempt: int = 0
    start_time: datetime | None = None
    end_time: datetime | None = None
    cause: Fault | None = None
    outcome: Outcome | None = None
    where: str = ""
    undo_cause: Fault | None = None


class Ledger:
    """The steps of a run. It starts with the whole plan, so that a percentage means something from the first moment."""

    def __init__(
        self, plan: Iterable[str], *, clock: Callable[[], datetime], changed: Callable[[Step], None] | None = None
    ) -> None:
        """Start with every step of the plan pending.

        Args:
            plan: the names of the steps, in the order a person should read them.
            clock: what the time is; in a workflow `workflow.now`.
            changed: told every new line; a workflow keeps its search attributes with it.
        """
        names = list(plan)
        self._steps = {name: Step(name) for name in names}
        if len(self._steps) != len(names):
            msg = "every step of a plan needs a name of its own"
            raise ValueError(msg)
        self._clock = clock
        self._changed = changed
        self._best = 0
        self._ended_by: str | None = None
        self._undoing = False

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step, in the order of the plan."""
        return tuple(self._steps.values())

    @property
    def current(self) -> tuple[str, ...]:
        """The steps at work now; several while branches run side by side."""
        return tuple(step.name for step in self.steps if step.state is State.RUNNING)

    @property
    def ended_by(self) -> Step | None:
        """The step whose failure ended the run, whatever became of it since."""
        return self._steps[self._ended_by] if self._ended_by else None

    @property
    def left_behind(self) -> tuple[Step, ...]:
        """What an undo could not remove: what a person has to look at."""
        return tuple(step for step in self.steps if step.state is State.LEFT_BEHIND)

    @property
    def percent(self) -> int:
        """How much of the plan is settled, 0 to 100. It falls only while steps are undone."""
        share = self._share()
        return share if self._undoing else max(share, self._best)

    def begin(self, name: str) -> None:
        """The step is at work, for the first time or again."""
        step = self._steps[name]
        self._write(
            replace(
                step,
                state=State.RUNNING,
                attempt=step.attempt + 1,
                start_time=step.start_time or self._clock(),
                end_time=None,
                cause=None,
            )
        )

    def done(self, name: str) -> None:
        """The step succeeded."""
        self._end(name, State.DONE)

    def skip(self, name: str) -> None:
        """The step is not needed in this run."""
        self._end(name, State.SKIPPED)

    def fail(self, name: str, cause: Fault | None) -> None:
        """The step failed; without a cause it was cancelled."""
        self._end(name, State.FAILED, cause=cause)

    def end(self, name: str) -> None:
        """The step's failure ends the run."""
        self._ended_by = name

    def undo(self, name: str, *, existed: bool) -> None:
        """The step was undone. The one that ended the run stays failed; its outcome says that nothing is left."""
        self._undoing = True
        state = State.FAILED if name == self._ended_by else State.UNDONE
        self._end(name, state, outcome=Outcome.UNDONE if existed else Outcome.WAS_ABSENT)

    def leave(self, name: str, *, where: str, cause: Fault | None) -> None:
        """The step's undo failed for good, or found the thing still there."""
        self._undoing = True
        self._end(name, State.LEFT_BEHIND, outcome=Outcome.LEFT_BEHIND, where=where, undo_cause=cause)

    def _end(self, name: str, state: State, **more: Any) -> None:
        self._write(replace(self._steps[name], state=state, end_time=self._clock(), **more))
        self._best = max(self._best, self._share())

    def _write(self, step: Step) -> None:
        self._steps[step.name] = step
        if self._changed is not None:
            self._changed(step)

    def _share(self) -> int:
        settled = sum(step.state in _SETTLED for step in self.steps)
        return 100 * settled // len(self._steps) if self._steps else 0


def as_data(ledger: Ledger) -> list[dict[str, str]]:
    """The ledger in plain words, for the failure that a run closes with."""
    return [_line(step) for step in ledger.steps]


def _line(step: Step) -> dict[str, str]:
    line = {"step": step.name, "state": step.state.value}
    if step.outcome is not None:
        line["outcome"] = step.outcome.value
    if step.where:
        line["where"] = step.where
    return line
