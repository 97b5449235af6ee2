"""How a running stack is, looked at now: not what was once recorded, but what answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from localstack.component import Component
from localstack.components import COMPONENTS
from localstack.record import Entry, Record
from localstack.settings import StackSettings
from localstack.site import HOST, Site
from localstack.stack import State

PATIENCE = 10.0
SILENT = "silent"
"""It runs, and its ready check fails."""
FINE = {State.READY.value, State.ABSENT.value}


@dataclass(frozen=True, slots=True)
class Line:
    """How it stands with one component."""

    name: str
    summary: str
    state: str
    addresses: Mapping[str, str]
    moved: Mapping[str, int]
    """The usual numbers of the ports that were taken when it started."""
    seconds: float
    memory: int
    """Resident bytes of its processes, shared pages counted once where the system tells."""
    pid: int | None
    note: str
    last_lines: list[str]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


async def look(record: Record, settings: StackSettings, *, ask: bool = True) -> list[Line]:
    """Look at every component of the record, side by side, and ask each whether it serves."""
    known = {one.name: one for one in COMPONENTS}
    return await asyncio.gather(
        *(_look(known[name], entry, settings, ask=ask) for name, entry in record.entries.items() if name in known)
    )


async def _look(component: Component, entry: Entry, settings: StackSettings, *, ask: bool) -> Line:
    process = entry.process.process() if entry.process else None
    state, note = entry.state.value, entry.note
    if entry.state is State.READY and process is None:
        state, note = State.DIED.value, "its process is gone"
    elif entry.state is State.READY and ask:
        state, note = await _ask(component, entry, settings)
    present = entry.state is not State.ABSENT
    shown = {name: port for name, port in entry.ports.items() if present and component.ports.get(name)}
    return Line(
        name=component.name,
        summary=component.summary,
        state=state,
        addresses={name: f"{HOST}:{port}" for name, port in shown.items()},
        moved={name: component.ports[name] for name, port in shown.items() if component.ports[name] != port},
        seconds=round(entry.seconds, 2),
        memory=_memory(process) if process else 0,
        pid=process.pid if process else None,
        note=note or entry.note,
        last_lines=entry.last_lines,
    )


async def _ask(component: Component, entry: Entry, settings: StackSettings) -> tuple[str, str]:
    site = Site(component.name, settings.state.resolve(), entry.ports, settings)
    try:
        async with asyncio.timeout(PATIENCE):
            await component.ready(site)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the user wants to know
        return SILENT, f"{type(error).__name__}: {error}"
    return State.READY.value, ""


def _memory(process: psutil.Process) -> int:
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except (psutil.Error, AttributeError):
            total += _resident(one)
    return total


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
