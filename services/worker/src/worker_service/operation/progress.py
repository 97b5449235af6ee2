"""A ledger in the words of the contract."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from faults import Fault
from temporalkit.ledger import Ledger, Outcome, State
from temporalkit.ledger import Step as Line
from temporalkit.operations import DOMAIN
from tenantmesh.provisioning.v1.commands_pb2 import Cancellation
from tenantmesh.provisioning.v1.outcome_pb2 import Outcome as OutcomeMessage
from tenantmesh.provisioning.v1.root_cause_pb2 import RootCause
from tenantmesh.provisioning.v1.step_pb2 import Step as StepMessage
from worker_service.operation.steps import Step

_FACT = re.compile(r"[a-z][a-z0-9_]{0,63}")
_REASON = re.compile(r"[A-Z][A-Z0-9_]{1,62}")
_MOST_FACTS = 32


def steps_to(ledger: Ledger, steps: Sequence[Step], details: Mapping[str, str]) -> list[StepMessage]:
    """Every step and what became of it. What has no undo of its own shares the fate of what it is part of."""
    lines = {line.name: line for line in ledger.steps}
    return [_step(step, lines, details.get(step.name, "")) for step in steps]


def outcome_to(
    ledger: Ledger, steps: Sequence[Step], details: Mapping[str, str], failed_step: str, cause: RootCause | None
) -> OutcomeMessage:
    """What became of a whole run."""
    message = OutcomeMessage(
        success=cause is None,
        failed_step=failed_step,
        compensation_executed=compensated(ledger),
        steps=steps_to(ledger, steps, details),
    )
    if cause is not None:
        message.error = cause.message
        message.root_cause.CopyFrom(cause)
    return message


def compensated(ledger: Ledger) -> bool:
    """Whether at least one undo found something to undo."""
    return any(line.outcome is Outcome.UNDONE for line in ledger.steps)


def cause_to(fault: Fault) -> RootCause:
    """A fault as callers see it."""
    facts = {name: str(value)[:1024] for name, value in fault.facts.items() if _FACT.fullmatch(name)}
    return RootCause(
        kind=RootCause.Kind.Value(f"KIND_{fault.kind.name}"),
        reason=fault.reason if _REASON.fullmatch(fault.reason) else "UNEXPECTED",
        domain=fault.domain,
        message=fault.message[:1024],
        facts=dict(list(facts.items())[:_MOST_FACTS]),
    )


def cancelled_to(cancellation: Cancellation | None, reason: str) -> RootCause:
    """That somebody cancelled it, as the cause it ended for."""
    origin = cancellation.origin if cancellation else None
    return RootCause(
        kind=RootCause.KIND_CANCELLED,
        reason="CANCELLED",
        domain=DOMAIN,
        message="Somebody cancelled it.",
        facts={"principal": origin.principal if origin else "", "reason": (origin.reason if origin else reason)[:1024]},
    )


def time_to(moment: datetime | None) -> Timestamp | None:
    """A moment as a message."""
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def _step(step: Step, lines: Mapping[str, Line], details: str) -> StepMessage:
    line = lines[step.name]
    whole = lines[step.goes_with] if step.goes_with else line
    shared = line.state is State.DONE and whole.state in {State.UNDONE, State.LEFT_BEHIND}
    undo, state = (whole, whole.state) if shared else (line, line.state)
    known: dict[str, Any] = {
        "name": line.name,
        "state": StepMessage.State.Value(f"STATE_{state.name}"),
        "optional": step.optional,
        "attempt": line.attempt,
        "start_time": time_to(line.start_time),
        "end_time": time_to(line.end_time),
        "location": undo.where[:512],
        "details": details[:512],
    }
    if undo.outcome is not None:
        known["undo"] = StepMessage.Undo.Value(f"UNDO_{undo.outcome.name}")
    if line.cause is not None:
        known["cause"] = cause_to(line.cause)
    if undo.undo_cause is not None:
        known["undo_cause"] = cause_to(undo.undo_cause)
    return StepMessage(**known)
