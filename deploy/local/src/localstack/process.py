"""One child process: started so that it cannot outlive its supervisor, watched, and stopped for certain."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import BinaryIO

import psutil

from localstack import launcher
from localstack.component import Stop

MARKER = "TENANTMESH_STACK"
"""The environment variable by which every process of a stack, and of no other, is known: its state folder."""

TAIL_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Child:
    """A process of the stack that was started."""

    name: str
    process: asyncio.subprocess.Process
    log: Path
    since: float = field(default_factory=monotonic)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.returncode is None

    async def stop(self, how: Stop) -> None:
        """Ask it to end, wait, and kill what is left of its process group."""
        if self.running:
            with suppress(ProcessLookupError):
                self.process.send_signal(how.signal)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), how.grace.total_seconds())
        # Also after a clean end: a child of the child may be left, and the group is ours alone.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()


async def spawn(
    name: str, command: Sequence[str], *, state: Path, folder: Path, log: Path, env: Mapping[str, str]
) -> Child:
    """Start a process of the stack in its own process group, its output going to its log."""
    with _fresh(log) as output:
        process = await asyncio.create_subprocess_exec(
            *_bound(command),
            cwd=folder,
            env={**os.environ, **env, MARKER: str(state)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    return Child(name, process, log)


async def finish(command: Sequence[str], state: Path, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a short command of the stack to its end and return its exit code and its output."""
    process = await asyncio.create_subprocess_exec(
        *_bound(command),
        env={**os.environ, **(env or {}), MARKER: str(state)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate()
        return await process.wait(), output.decode(errors="replace")
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def tail(log: Path, lines: int = 20, *, end: int | None = None) -> list[str]:
    """The last lines of a log, or of its first `end` bytes."""
    try:
        with log.open("rb") as file:
            end = file.seek(0, os.SEEK_END) if end is None else end
            start = file.seek(max(0, end - TAIL_BYTES))
            text = file.read(end - start).decode(errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-lines:]


def _fresh(log: Path) -> BinaryIO:
    """The log opened empty; what it held before stands beside it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    return log.open("wb")


def members(state: Path) -> list[psutil.Process]:
    """Every process that belongs to the stack of this state folder, whoever started it."""
    return [process for process in psutil.process_iter() if _mark(process) == str(state)]


def _mark(process: psutil.Process) -> str | None:
    with suppress(psutil.Error):
        return process.environ().get(MARKER)
    return None


def _bound(command: Sequence[str]) -> list[str]:
    """The command, arranged so that the kernel kills it when this process dies, however it dies.

    Linux only: elsewhere `down` finds what is left by its mark. It is arranged by a launcher and not between fork and
    exec, where code of a process with threads must not run.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()), *command]
