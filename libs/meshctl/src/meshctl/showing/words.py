"""The words in which facts are told to a person."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from rich.cells import cell_len, set_cell_size

from faults import Fault
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.provisioning.v1 import operation_pb2, operation_state_pb2, root_cause_pb2, step_pb2
from tenantmesh.tenants.v1 import tenant_pb2

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def safe(text: str) -> str:
    """The text without what a terminal would obey: whoever names a tenant does not move our cursor."""
    return "".join("·" if unicodedata.category(each) in _HIDDEN else each for each in text)


def state_of(operation: operation_pb2.Operation) -> str:
    """Such as `running`."""
    return _lower(operation_state_pb2.OperationState.Name(operation.state), "OPERATION_STATE_")


def kind_of(operation: operation_pb2.Operation) -> str:
    """Such as `provision_tenant`."""
    return _lower(operation_pb2.OperationKind.Name(operation.kind), "OPERATION_KIND_")


def state_of_step(step: step_pb2.Step) -> str:
    """Such as `left_behind`."""
    return _lower(step_pb2.Step.State.Name(step.state), "STATE_")


def tier_name(tier: tier_pb2.Tier.ValueType) -> str:
    """Such as `pooled`."""
    return _lower(tier_pb2.Tier.Name(tier), "TIER_")


def tenant_state(state: tenant_pb2.TenantState.ValueType) -> str:
    """Such as `ACTIVE`, as the documents write it."""
    return tenant_pb2.TenantState.Name(state).removeprefix("TENANT_STATE_")


def duration(taken: timedelta) -> str:
    """Such as `0.4 s`, `3 min 12 s`."""
    seconds = taken.total_seconds()
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s"


def taken_by(step: step_pb2.Step) -> str:
    """How long a step took; empty while it is at work."""
    if not (step.HasField("start_time") and step.HasField("end_time")):
        return ""
    return duration(step.end_time.ToDatetime() - step.start_time.ToDatetime())


def cause(why: root_cause_pb2.RootCause) -> str:
    """Such as `no answer came (DNS_TIMEOUT of dns.tenantmesh; name=a.example)`."""
    if not why.message and not why.reason:
        return ""
    facts = "".join(f"; {key}={value}" for key, value in sorted(why.facts.items()))
    return safe(f"{why.message} ({why.reason} of {why.domain or 'tenantmesh'}{facts})")


def remark(step: step_pb2.Step) -> str:
    """What else is to be said of a step, in one line."""
    parts = [
        f"attempt {step.attempt}" if step.attempt > 1 else "",
        cause(step.cause),
        f"left behind: {safe(step.location)}" if step.location else "",
        cause(step.undo_cause),
        safe(step.details),
    ]
    return " · ".join(part for part in parts if part)


def refusal(fault: Fault) -> list[str]:
    """What somebody who was refused needs to know, line by line."""
    lines = [safe(f"{fault.message} ({fault.reason})")]
    lines += [safe(f"  {key}: {value}") for key, value in sorted(fault.facts.items())]
    lines += [safe(f"  {each.field}: {each.description}") for each in fault.violations]
    if fault.retry_after is not None:
        lines.append(f"  try again in {duration(fault.retry_after)}")
    return lines


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows with their cells below each other; nothing is cut, so that an id can be taken from a line."""
    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _lower(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()
