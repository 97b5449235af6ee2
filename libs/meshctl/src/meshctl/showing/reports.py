"""The three ways to follow an operation; which one is taken stands in `reporter`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TextIO

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from meshctl.showing import words
from tenantmesh.provisioning.v1 import operation_pb2, step_pb2

_Step = step_pb2.Step
_MARKS: Final = {
    _Step.STATE_PENDING: ("·", "dim"),
    _Step.STATE_RUNNING: ("▶", "cyan"),
    _Step.STATE_DONE: ("✓", "green"),
    _Step.STATE_SKIPPED: ("-", "dim"),
    _Step.STATE_FAILED: ("✗", "red"),
    _Step.STATE_UNDONE: ("↶", "yellow"),
    _Step.STATE_LEFT_BEHIND: ("!", "bold red"),
}


class Report(Protocol):
    """Shows an operation while it goes on."""

    def show(self, operation: operation_pb2.Operation) -> None:
        """It stands like this now."""


@contextmanager
def reporter(*, as_json: bool, out: TextIO | None = None) -> Iterator[Report]:
    """The report that fits where it is read: JSON where asked for, live on a terminal, else plain lines."""
    out = out or sys.stdout
    if as_json:
        yield Json(out)
    elif out.isatty():
        with Live(console=Console(file=out), refresh_per_second=8) as live:
            yield OnTerminal(live)
    else:
        yield Lines(out)


class Json:
    """One JSON object a line, for programs."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, operation: operation_pb2.Operation) -> None:
        """Write it as the contract has it."""
        print(in_one_line(operation), file=self._out, flush=True)


class Lines:
    """One line for each step that changes: what a log can keep."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._said: dict[str, tuple[int, int]] = {}
        self._state = ""

    def show(self, operation: operation_pb2.Operation) -> None:
        """Say what is new."""
        for step in operation.steps:
            now = (step.state, step.attempt)
            if self._said.get(step.name, (_Step.STATE_PENDING, 0)) != now:
                self._said[step.name] = now
                self._say(operation, step.name, words.state_of_step(step), words.taken_by(step), words.remark(step))
        if words.state_of(operation) != self._state:
            self._state = words.state_of(operation)
            waits = operation.wait.details if operation.HasField("wait") else ""
            self._say(operation, operation.operation_id, self._state, words.safe(waits or operation.details))

    def _say(self, operation: operation_pb2.Operation, *parts: str) -> None:
        print(f"{operation.percent:3d} %", *(part for part in parts if part), sep="  ", file=self._out, flush=True)


class OnTerminal:
    """A table of steps and a bar that grow while somebody looks at them."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, operation: operation_pb2.Operation) -> None:
        """Draw it anew."""
        self._live.update(picture(operation))


def picture(operation: operation_pb2.Operation) -> Group:
    """An operation as a person likes to see it."""
    head = Text(f"{operation.operation_id}  ")
    head.append(words.state_of(operation), style="bold")
    said = operation.wait.details if operation.HasField("wait") else operation.details
    bar = Table.grid(padding=(0, 1))
    bar.add_row(ProgressBar(total=100, completed=operation.percent, width=40), f"{operation.percent} %")
    return Group(head, steps_table(operation), bar, Text(words.safe(said), style="dim"))


def steps_table(operation: operation_pb2.Operation) -> Table:
    """The ledger."""
    table = Table.grid(padding=(0, 2))
    for step in operation.steps:
        mark, style = _MARKS.get(step.state, ("?", ""))
        table.add_row(
            Text(mark, style=style),
            Text(step.name + (" (optional)" if step.optional else "")),
            Text(words.state_of_step(step), style=style),
            Text(words.taken_by(step), style="dim"),
            Text(words.remark(step)),
        )
    return table


def in_one_line(message: Message) -> str:
    """A message as one line of JSON, with the names the contract's JSON has."""
    return json.dumps(MessageToDict(message), ensure_ascii=False)
