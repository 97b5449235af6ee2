"""A step of an operation, written down: what it calls, what that waits for, and what undoes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from google.protobuf.message import Message

from temporalkit.retries import Preset
from tenantmesh.provisioning.v1.provisioned_resource_pb2 import System
from worker_service.operation.run import Run

Requests: TypeAlias = Callable[[Run], Message | Sequence[Message]]


@dataclass(frozen=True, slots=True)
class Call:
    """An activity and what it is asked: once, or once for each request of several."""

    activity: Callable[..., Awaitable[Any]]
    requests: Requests
    preset: Preset
    queue: str


@dataclass(frozen=True, slots=True)
class Integration:
    """A service, as steps call it."""

    system: System.ValueType
    queue: str
    preset: Preset
    undo_preset: Preset

    def call(
        self, activity: Callable[..., Awaitable[Any]], requests: Requests, *, preset: Preset | None = None
    ) -> Call:
        """A call on the way forward, with the patience of this integration."""
        return Call(activity, requests, preset or self.preset, self.queue)

    def undo(self, activity: Callable[..., Awaitable[Any]], requests: Requests) -> Call:
        """A call on the way back: more patient, since giving up means that something is left behind."""
        return Call(activity, requests, self.undo_preset, self.queue)


def nothing(_: Run, __: Any) -> None:
    """Keep nothing of an answer."""


def never(_: Run) -> str:
    """Leave the step out for no reason."""
    return ""


def nowhere(_: Run) -> str:
    """Name nothing."""
    return ""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an operation's table.

    Attributes:
        name: what it is called in the ledger, for ever.
        do: what it calls; None where the operation waits for somebody at a gate of the step's name.
        after: the steps that must be settled before. Steps that do not name each other run side by side.
        keep: what the run remembers of the answer.
        undo: what removes it, call by call; none where nothing is made.
        back: what reads back, after the undo, whether it is gone; for a final step, whether it was done after all.
        stands: whether what a final step reads back says that it was done.
        goes_with: the step with whose undo this one goes, where it has none of its own.
        thing: which part of the mesh holds what it makes, and what that is.
        called: what it makes is called.
        needless: why this run does without it; empty where it does not.
        optional: whether the run goes on without it when it fails, and whether it may be left out.
        always: whether a retry does it again although it was done.
        final: whether its success is the point of no return: it cannot be cancelled.
        commits: whether the point of no return is behind it, though it can be cancelled.
    """

    name: str
    do: Call | None
    after: tuple[str, ...] = ()
    keep: Callable[[Run, Any], None] = nothing
    undo: tuple[Call, ...] = ()
    back: Call | None = None
    stands: Callable[[Any], bool] = bool
    goes_with: str = ""
    thing: tuple[System.ValueType, str] | None = None
    called: Callable[[Run], str] = nowhere
    needless: Callable[[Run], str] = never
    optional: bool = False
    always: bool = False
    final: bool = False
    commits: bool = False

    def location(self, run: Run) -> str:
        """Where a person finds what it made."""
        if self.thing is None:
            return self.name
        system, kind = self.thing
        return f"{System.Name(system).removeprefix('SYSTEM_').lower()}: {kind} {self.called(run)}"
