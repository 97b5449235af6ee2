"""The record of a running stack: what its supervisor writes and every other command reads."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import time
from typing import Any

import psutil

from localstack.stack import State

CLOCK_TOLERANCE = 2.0


@dataclass(frozen=True, slots=True)
class Identity:
    """A process, known beyond doubt: a number is given again after its process is gone, a start time is not."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Identity:
        """The process that has the number now."""
        return cls(pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """The process itself, if it still runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < CLOCK_TOLERANCE
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None


@dataclass(slots=True)
class Entry:
    """How it stands with one component."""

    ports: dict[str, int]
    state: State = State.WAITING
    note: str = ""
    began: float = 0.0
    seconds: float = 0.0
    """How long it took to become ready."""
    process: Identity | None = None
    last_lines: list[str] = field(default_factory=list)

    def moved(self, state: State, note: str) -> None:
        """Take a change over. What went wrong stays to be seen after the end."""
        if state is State.STOPPED and self.state in {State.FAILED, State.DIED}:
            return
        if state is State.STARTING:
            self.began = time()
        elif self.state is State.STARTING:
            self.seconds = time() - self.began
        self.state, self.note = state, note


@dataclass(slots=True)
class Record:
    """How it stands with the stack."""

    supervisor: Identity
    entries: dict[str, Entry]
    phase: str = "starting"
    """starting, running, stopping, failed, stopped."""
    problem: str = ""
    began: float = field(default_factory=time)
    seconds: float = 0.0

    def alive(self) -> bool:
        """Whether the supervisor that wrote it still runs."""
        return self.supervisor.process() is not None

    def write(self, state: Path) -> None:
        """Write it, whole or not at all."""
        path = path_of(state)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self), default=lambda value: value.value, indent=2))
        os.replace(draft, path)  # noqa: PTH105 - pathlib's has another meaning on some systems


def path_of(state: Path) -> Path:
    """Where the record of a state folder is."""
    return state / "run" / "stack.json"


def read(state: Path) -> Record | None:
    """The record of a state folder, if it has one."""
    try:
        text = path_of(state).read_text()
    except FileNotFoundError:
        return None
    return _record(json.loads(text))


def _record(raw: Mapping[str, Any]) -> Record:
    entries = {name: _entry(entry) for name, entry in raw["entries"].items()}
    return Record(**{**raw, "supervisor": Identity(**raw["supervisor"]), "entries": entries})


def _entry(raw: Mapping[str, Any]) -> Entry:
    process = Identity(**raw["process"]) if raw["process"] else None
    return Entry(**{**raw, "state": State(raw["state"]), "process": process})
