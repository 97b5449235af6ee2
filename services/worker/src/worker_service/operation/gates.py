"""Where a run waits for somebody."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

import faults
from faults import Fault
from temporalkit.operations import DOMAIN
from tenantmesh.provisioning.v1.commands_pb2 import APPROVAL_DECISION_APPROVED, Approval
from tenantmesh.provisioning.v1.operation_state_pb2 import Wait
from tenantmesh.provisioning.v1.progress_pb2 import Progress
from worker_service.operation.engine import Operation
from worker_service.operation.progress import time_to


class ApprovalGate:
    """Waits until somebody approves: the update `approve`."""

    STEP = "approval"

    def __init__(self, patience: timedelta) -> None:
        """Wait so long; for ever where that is nothing."""
        self._patience = patience or None
        self._decision: Approval | None = None
        self._operation: Operation | None = None

    def stand_in(self, operation: Operation) -> None:
        """Be one of an operation's gates."""
        self._operation = operation
        workflow.set_update_handler("approve", self._approve, validator=self._check)

    async def wait(self) -> None:
        """Return once it is approved."""
        assert self._operation is not None  # noqa: S101 - it stands in one before anything runs
        until = workflow.now() + self._patience if self._patience else None
        wait = Wait(event=Wait.EVENT_APPROVAL, until_time=time_to(until), details="It waits to be approved.")
        if not await self._operation.wait_for(lambda: self._decision is not None, wait, self._patience):
            raise _expired(self._patience or timedelta())
        if self._decision is not None and self._decision.decision != APPROVAL_DECISION_APPROVED:
            raise _rejected(self._decision)

    async def _approve(self, approval: Approval) -> Progress:
        self._decision = self._decision or approval
        assert self._operation is not None  # noqa: S101 - as above
        return self._operation.standing.progress()

    def _check(self, approval: Approval) -> None:
        operation = self._operation
        decided_same = self._decision is not None and self._decision.decision == approval.decision
        awaited = operation is not None and self.STEP in operation.standing.ledger.current and self._decision is None
        if not (awaited or decided_same):
            raise faults.Conflict(
                "The operation does not wait for an approval, or was decided otherwise.",
                reason="APPROVAL_NOT_AWAITED",
                facts={"operation_id": workflow.info().workflow_id},
                domain=DOMAIN,
            )


def _rejected(approval: Approval) -> Fault:
    facts = {"principal": approval.origin.principal, "reason": approval.origin.reason}
    return faults.Denied("The approval was refused.", reason="APPROVAL_REJECTED", facts=facts, domain=DOMAIN)


def _expired(patience: timedelta) -> Fault:
    facts = {"waited_seconds": str(int(patience.total_seconds()))}
    return faults.Conflict("Nobody approved in time.", reason="APPROVAL_EXPIRED", facts=facts, domain=DOMAIN)
