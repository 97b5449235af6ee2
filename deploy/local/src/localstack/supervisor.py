"""The process that owns a stack: it starts it, keeps the record of it, and stops it when it is told to or must."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import TextIO

from localstack.process import tail
from localstack.record import Entry, Identity, Record
from localstack.stack import ComponentFailed, Plan, Stack, State

ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class AlreadySupervised(Exception):  # noqa: N818 - says what is the case
    """Another supervisor has this state folder."""


@dataclass(slots=True)
class Supervisor:
    """One stack and its record."""

    plan: Plan
    state: Path
    record: Record
    stack: Stack
    output: TextIO
    started: Callable[[], None]
    """Told when everything has started."""

    @classmethod
    def of(
        cls, plan: Plan, state: Path, *, output: TextIO = sys.stdout, started: Callable[[], None] = lambda: None
    ) -> Supervisor:
        """A supervisor of the plan, which has not started anything."""
        entries = {one.name: Entry(dict(plan.sites[one.name].ports)) for one in plan.components}
        record = Record(Identity.of(os.getpid()), entries)
        supervisor = cls(plan, state, record, Stack(plan), output, started)
        supervisor.stack.report = supervisor.note
        return supervisor

    async def run(self) -> int:
        """Start the stack, stay until told to end, and stop it. Answers 0, or 1 if it could not be started."""
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in ENDINGS:
            loop.add_signal_handler(number, told.set)
        life = asyncio.create_task(self._live())
        ending = asyncio.create_task(told.wait())
        try:
            await asyncio.wait({life, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._end(life)
            ending.cancel()
        return 1 if self.record.phase == "failed" else 0

    def note(self, name: str, state: State, note: str) -> None:
        """Take down what happened to a component, and say it."""
        entry = self.record.entries[name]
        entry.moved(state, note)
        child = self.stack.children.get(name)
        if state is State.READY and child is not None:
            entry.process = Identity.of(child.process.pid)
        if state in {State.FAILED, State.DIED}:
            entry.last_lines = tail(self.plan.sites[name].log)
        took = f" in {entry.seconds:.1f} s" if state is State.READY else ""
        self._say(f"{name} {state.value}{took}{': ' if note else ''}{note}")
        for line in entry.last_lines if state in {State.FAILED, State.DIED} else ():
            self._say(f"    {line}")
        self.record.write(self.state)

    async def _live(self) -> None:
        """Start everything, then watch over it for ever."""
        self.record.write(self.state)
        try:
            await self.stack.start()
        except ComponentFailed as failure:
            self.record.problem = str(failure)
            return
        self.started()
        self.record.seconds = time() - self.record.began
        write_environment(self.state, self.plan.settings(self.stack.absent))
        self._enter("running")
        await self.stack.watch()
        await asyncio.Event().wait()  # everything died; it stays to tell so

    async def _end(self, life: asyncio.Task[None]) -> None:
        """Stop everything, whatever state it is in."""
        self._enter("stopping")
        life.cancel()
        (outcome,) = await asyncio.gather(life, return_exceptions=True)
        await self.stack.stop()
        environment_file(self.state).unlink(missing_ok=True)
        if isinstance(outcome, Exception):
            self.record.problem = f"the supervisor itself failed: {outcome!r}"
            self._say(self.record.problem)
        self._enter("failed" if self.record.problem else "stopped")

    def _enter(self, phase: str) -> None:
        self.record.phase = phase
        self.record.write(self.state)
        self._say(phase)

    def _say(self, text: str) -> None:
        print(text, file=self.output, flush=True)


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Be the only supervisor of the state folder inside the block. The kernel lets go of it if this process dies."""
    path = state / "run" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"a stack already runs from {state}"
            raise AlreadySupervised(msg) from None
        yield


def environment_file(state: Path) -> Path:
    """The file of everything a client of the stack needs to know."""
    return state / "env"


def write_environment(state: Path, settings: dict[str, str]) -> None:
    """Write it for a shell to read, and for its owner's eyes only: there are secrets in it."""
    path = environment_file(state)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(settings.items())))
