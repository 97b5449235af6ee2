"""What a person sees."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from localstack.record import Entry, Record
from localstack.stack import State
from localstack.status import Line

MARKS = {State.READY: "✓", State.ABSENT: "-", State.FAILED: "✗", State.DIED: "✗"}
CLEAR_LINE, UP_ONE = "\x1b[2K", "\x1b[1A"
INDENT = "    "


@dataclass(slots=True)
class Progress:
    """A line for each component while the stack starts: moving on a terminal, else printed once it is settled."""

    output: TextIO
    _printed: set[str] = field(default_factory=set)
    _drawn: int = 0

    def show(self, record: Record) -> None:
        """Bring it up to date."""
        if self.output.isatty():
            self._redraw([progress_line(name, entry) for name, entry in record.entries.items()])
        else:
            self._append(record)

    def _redraw(self, lines: Sequence[str]) -> None:
        self.output.write(f"\r{UP_ONE * self._drawn}" + "".join(f"{CLEAR_LINE}{line}\n" for line in lines))
        self.output.flush()
        self._drawn = len(lines)

    def _append(self, record: Record) -> None:
        settled = [(name, entry) for name, entry in record.entries.items() if entry.state in MARKS]
        for name, entry in sorted(settled, key=lambda pair: pair[1].began + pair[1].seconds):
            if name not in self._printed:
                self._printed.add(name)
                print(progress_line(name, entry), file=self.output, flush=True)


def progress_line(name: str, entry: Entry) -> str:
    """One component while the stack starts."""
    took = time.time() - entry.began if entry.state is State.STARTING else entry.seconds
    duration = "" if entry.state in {State.WAITING, State.ABSENT} else f"{took:.1f} s"
    return f"{MARKS.get(entry.state, '·')} {name:<14}{entry.state.value:<10}{duration:>7}  {entry.note}".rstrip()


def failure(record: Record) -> str:
    """Why a stack did not start, with the last words of what failed."""
    lines = [f"not started: {record.problem}"]
    for entry in record.entries.values():
        if entry.state is State.FAILED:
            lines += [INDENT + line for line in entry.last_lines]
    return "\n".join(lines)


def table(lines: Iterable[Line]) -> str:
    """The stack as a table, and below it what is not as it should be."""
    shown = list(lines)
    rows = [("NAME", "STATE", "START", "MEMORY", "ADDRESSES")]
    rows += [(one.name, one.state, _seconds(one), _memory(one), _addresses(one)) for one in shown]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    text = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)), row[-1]]) for row in rows
    ]
    return "\n".join([line.rstrip() for line in text] + [line for one in shown for line in _remarks(one)])


def _seconds(line: Line) -> str:
    return f"{line.seconds:.1f} s" if line.state != State.ABSENT.value else ""


def _memory(line: Line) -> str:
    return f"{line.memory / 2**20:.0f} MB" if line.memory else ""


def _addresses(line: Line) -> str:
    return "  ".join(f"{name} {address}{'*' if name in line.moved else ''}" for name, address in line.addresses.items())


def _remarks(line: Line) -> list[str]:
    remarks = [f"* {line.name}: {name} is not on its usual port {number}" for name, number in line.moved.items()]
    if line.note:
        remarks.append(f"{line.name}: {line.note}")
    if line.state in {State.DIED.value, State.FAILED.value}:
        remarks += [INDENT + text for text in line.last_lines]
    return remarks
