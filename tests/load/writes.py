"""How many writes a second one replica of a service takes, and two side by side, and who is at the limit then."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import psutil

WRITERS, ROUNDS, SECONDS = 32, 4, 3.0
Write = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Round:
    """What one round made of it."""

    writes: float
    """A second."""
    cores: dict[str, float]
    """How much of a core each kind of process had."""


async def compared(replicas: Sequence[tuple[int, Write]]) -> None:
    """Let one replica write, then all, taking turns; print what they managed, and who had which part of the machine.

    Args:
        replicas: the process and what to ask of it, for each.
    """
    services = {pid for pid, _ in replicas}
    rounds: dict[int, list[Round]] = {1: [], len(replicas): []}
    for _ in range(ROUNDS):
        for count, made in rounds.items():
            made.append(await _round([write for _, write in replicas[:count]], services))
    for count, made in rounds.items():
        cores = {kind: median(one.cores[kind] for one in made) for kind in made[0].cores}
        told = ", ".join(f"{kind} {part:.2f}" for kind, part in cores.items())
        print(
            f"{count} replica(s), {WRITERS} writers: {median(one.writes for one in made):5.0f} writes a second; "
            f"of {os.cpu_count()} cores had {told}: the limit is {max(cores, key=lambda kind: cores[kind])}"
        )
    print(f"two against one: {_speed(rounds[len(replicas)]) / _speed(rounds[1]):.2f}")


def _speed(rounds: Sequence[Round]) -> float:
    return median(one.writes for one in rounds)


async def _round(writes: Sequence[Write], services: set[int]) -> Round:
    before, begun = _spent(services), perf_counter()
    end, done = begun + SECONDS, 0

    async def writer(write: Write) -> None:
        nonlocal done
        while perf_counter() < end:
            await write()
            done += 1

    await asyncio.gather(*(writer(writes[number % len(writes)]) for number in range(WRITERS)))
    took, after = perf_counter() - begun, _spent(services)
    return Round(done / took, {kind: (after[kind] - before[kind]) / took for kind in after})


def _spent(services: set[int]) -> dict[str, float]:
    """Seconds of a core that each kind of process has had so far."""
    me = psutil.Process()
    spent = {"the caller": _seconds(me), "the service": 0.0, "PostgreSQL": 0.0}
    for child in me.children(recursive=True):
        kind = "the service" if child.pid in services else "PostgreSQL"
        spent[kind] += _seconds(child)
    return spent


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system
