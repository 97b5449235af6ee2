"""Starting and stopping a stack from another process than its supervisor's."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from localstack import record as records
from localstack.components import COMPONENTS
from localstack.process import MARKER, members
from localstack.record import Record
from localstack.settings import StackSettings
from localstack.site import Site
from localstack.stack import State

LOOK_EVERY = 0.05
END_PATIENCE = 60.0
OWN = ("data", "logs", "secrets", "run", "env")


class NotStarted(Exception):  # noqa: N818 - says what is the case
    """The stack could not be started; the message says why."""


class NotStopped(Exception):  # noqa: N818 - says what is the case
    """Something of the stack is left; the message says what."""


@contextmanager
def turn(state: Path) -> Iterator[None]:
    """Start side by side, one after the other: the second finds what the first has started."""
    path = state / "run" / "turn"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def launch(state: Path, arguments: Sequence[str]) -> int:
    """Start a supervisor that outlives this process, and return its process id."""
    log = state / "logs" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "localstack", "run", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "LOCAL_STATE": str(state), MARKER: str(state)},
        )
    return process.pid


def follow(state: Path, pid: int) -> Iterator[Record]:
    """The record of the supervisor with that process id, again and again until the stack runs or has failed."""
    while True:
        record = records.read(state)
        mine = record if record and record.supervisor.pid == pid else None
        ended = not _runs(pid)
        if mine:
            # Read once more after the end: the last word may have come in between.
            mine = records.read(state) if ended else mine
            assert mine is not None  # noqa: S101 - a record does not go away by itself
            yield mine
            if mine.phase != "starting" and (ended or mine.phase == "running"):
                return
        if ended:
            log = state / "logs" / "supervisor.log"
            raise NotStarted("".join(["the supervisor ended at once:\n", log.read_text(errors="replace")[-2000:]]))
        time.sleep(LOOK_EVERY)


def end(state: Path, tell: Callable[[str], None] = lambda _: None) -> int:
    """Stop the stack of a state folder, prove that nothing of it is left, and answer how many processes there were."""
    before = {process.pid for process in _members(state)}
    record = records.read(state)
    supervisor = record.supervisor.process() if record else None
    if supervisor is not None:
        tell("stopping")
        supervisor.send_signal(signal.SIGTERM)
        _wait([supervisor], END_PATIENCE)
    for process in _members(state):
        tell(f"killing what is left: {process.pid}")
        _kill(process)
    left = [process.pid for process in _wait(_members(state), LOOK_EVERY * 100)]
    if left:
        msg = f"still running: {left}"
        raise NotStopped(msg)
    if record is not None:
        _settle(state, record)
    return len(before)


def purge(state: Path) -> None:
    """Remove everything a stack keeps in its state folder, but neither what was downloaded nor what is not its own."""
    for path in (state / name for name in OWN):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _settle(state: Path, record: Record) -> None:
    """Leave things as a clean end leaves them, also where the supervisor was killed."""
    for component in COMPONENTS:
        entry = record.entries.get(component.name)
        if entry is not None:
            component.tidy(Site(component.name, state, entry.ports, StackSettings(state=state)))
            entry.state = State.STOPPED if entry.state in {State.READY, State.STARTING} else entry.state
    (state / "env").unlink(missing_ok=True)
    record.phase = "stopped"
    record.write(state)


def _members(state: Path) -> list[psutil.Process]:
    """What belongs to the stack; never this process, nor one that it was started by."""
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [process for process in members(state) if process.pid not in mine]


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()  # psutil makes sure that the number still means the same process
    except psutil.NoSuchProcess:
        return


def _wait(processes: list[psutil.Process], patience: float) -> list[psutil.Process]:
    """Wait for their end, and return those that have not ended."""
    _, left = psutil.wait_procs(processes, timeout=patience)
    return [process for process in left if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
