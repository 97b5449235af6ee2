"""Changing a run while it runs: contacts, host names, and which optional steps it does."""

from __future__ import annotations

from collections.abc import Iterator

import faults
from temporalkit.operations import DOMAIN
from tenantmesh.provisioning.v1.commands_pb2 import Amendment
from tenantmesh.provisioning.v1.progress_pb2 import Progress
from worker_service.operation.engine import Operation

_OF_CONTACTS = "admin_user"
_OF_DOMAINS = "deployment"
_TOLD_DOMAINS = ("client", "bucket")


async def amend(operation: Operation, amendment: Amendment) -> Progress:
    """Take the change. What was told the host names before is told the new ones."""
    operation.skipped.update(amendment.skip_steps)
    if amendment.contacts:
        operation.run.contacts = list(amendment.contacts)
    if amendment.domains:
        del operation.run.made.hostnames[:]
        operation.run.made.hostnames.extend(amendment.domains)
        for step in _TOLD_DOMAINS:
            await operation.repeat(step)
    return operation.standing.progress()


def check_amendment(operation: Operation, amendment: Amendment) -> None:
    """Refuse a change that comes too late, or that makes no sense.

    Raises:
        Fault: which, and why.
    """
    optional = {step.name: step.optional for step in operation.steps}
    for name in amendment.skip_steps:
        if name not in optional:
            raise faults.Invalid("There is no such step.", reason="STEP_UNKNOWN", facts={"step": name}, domain=DOMAIN)
        if not optional[name]:
            raise faults.Invalid(
                "The step cannot be left out.", reason="STEP_NOT_OPTIONAL", facts={"step": name}, domain=DOMAIN
            )
    for field, step in _uses(amendment):
        if operation.standing.has_begun(step) or operation.standing.is_over:
            facts = {"operation_id": operation.run.operation_id, "field": field, "step": step}
            raise faults.Conflict("What uses it has run already.", reason="AMEND_TOO_LATE", facts=facts, domain=DOMAIN)


def _uses(amendment: Amendment) -> Iterator[tuple[str, str]]:
    if amendment.contacts:
        yield "contacts", _OF_CONTACTS
    if amendment.domains:
        yield "domains", _OF_DOMAINS
    for name in amendment.skip_steps:
        yield "skip_steps", name
