"""How a run stands: its ledger and state, what it tells whoever asks, and what whoever searches finds."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from temporalio import workflow

import faults
from faults import Fault
from temporalkit import ledger as ledgers
from temporalkit import operations
from temporalkit.ledger import Ledger
from tenantmesh.provisioning.v1 import operation_state_pb2 as states
from tenantmesh.provisioning.v1.commands_pb2 import Cancellation
from tenantmesh.provisioning.v1.operation_state_pb2 import OperationState, Wait
from tenantmesh.provisioning.v1.outcome_pb2 import Outcome
from tenantmesh.provisioning.v1.progress_pb2 import Progress
from tenantmesh.provisioning.v1.root_cause_pb2 import RootCause
from tenantmesh.provisioning.v1.tenant_environment_pb2 import Resumption
from worker_service.operation.progress import cancelled_to, cause_to, outcome_to, steps_to, time_to
from worker_service.operation.run import Run
from worker_service.operation.steps import Step

_SETTLED = frozenset({ledgers.State.DONE, ledgers.State.SKIPPED})
_WORKING = frozenset({states.OPERATION_STATE_RUNNING, states.OPERATION_STATE_WAITING, states.OPERATION_STATE_HELD})


class Standing:
    """What is known of the way so far."""

    def __init__(self, steps: Sequence[Step], run: Run) -> None:
        """Stand before the first step."""
        self.steps = tuple(steps)
        self.run = run
        self.state = states.OPERATION_STATE_RUNNING
        self.wait: Wait | None = None
        self.cause: RootCause | None = None
        self.ledger = Ledger([step.name for step in steps], clock=workflow.now, changed=lambda _: self.touch())
        self._details: dict[str, str] = {}
        self._revision = 0
        self._update_time = workflow.info().start_time
        self._told = {operations.STATE: "running", operations.STEP: steps[0].name, operations.FAILED_STEP: ""}

    @property
    def is_over(self) -> bool:
        """Whether it goes forward no more."""
        return self.state not in _WORKING

    def has_begun(self, step: str) -> bool:
        """Whether a step's turn has come."""
        return self._line(step).state is not ledgers.State.PENDING

    def is_settled(self, name: str) -> bool:
        """Whether what waits for a step may begin."""
        line = self._line(name)
        optional = any(step.name == name and step.optional for step in self.steps)
        return line.state in _SETTLED or (optional and line.state is ledgers.State.FAILED)

    def explain(self, step: str, details: str) -> None:
        """Say of a step what a person should know."""
        self._details[step] = details
        self.touch()

    def progress(self) -> Progress:
        """How it stands now."""
        succeeded = self.state == states.OPERATION_STATE_SUCCEEDED
        return Progress(
            step=self._current(),
            progress=100 if succeeded else self.ledger.percent,
            details=self._sentence(),
            state=self.state,
            steps=steps_to(self.ledger, self.steps, self._details),
            wait=self.wait,
            failed_step=self.run.failed_step,
            root_cause=self.cause,
            revision=self._revision,
            update_time=time_to(self._update_time),
        )

    def outcome(self) -> Outcome:
        """What became of it."""
        return outcome_to(self.ledger, self.steps, self._details, self.run.failed_step, self.cause)

    def resumption(self, skipped: Collection[str]) -> Resumption:
        """What a new run can take over; what was left out on request is asked for anew."""
        settled = {line.name for line in self.ledger.steps if line.state in _SETTLED}
        done = [each.name for each in self.steps if {each.name, each.goes_with or each.name} <= settled]
        return Resumption(
            previous_run_id=workflow.info().run_id,
            done_steps=[name for name in done if name not in skipped],
            environment=self.run.made,
        )

    def enter(self, state: OperationState.ValueType, step: str = "") -> None:
        """Come to a state, and let whoever searches find it."""
        self.state = state
        self.touch()
        self.tell(step)

    def tell(self, step: str) -> None:
        """Let whoever searches find the run at a step. Only what is new is said: each time costs."""
        name = OperationState.Name(self.state).removeprefix("OPERATION_STATE_").lower()
        now = {operations.STATE: name, operations.STEP: step, operations.FAILED_STEP: self.run.failed_step}
        news = {key: value for key, value in now.items() if self._told[key] != value}
        self._told.update(news)
        if news:
            workflow.upsert_search_attributes(
                [key.value_set(value) if value else key.value_unset() for key, value in news.items()]
            )

    def waits(self, wait: Wait) -> None:
        """It waits for somebody."""
        self.wait = wait
        self.enter(states.OPERATION_STATE_WAITING, self._current())

    def name_cause(self, cancellation: Cancellation | None) -> None:
        """Say which step ended the run, and why: before undos overwrite it."""
        culprit, reason = self.ledger.ended_by, workflow.cancellation_reason()
        if reason is not None:
            stopped = [line.name for line in self.ledger.steps if line.state is ledgers.State.FAILED]
            self.run.cancelled = True
            self.end_with(next(iter(stopped), ""), cancelled_to(cancellation, reason))
        elif culprit is not None and culprit.cause is not None:
            self.end_with(culprit.name, cause_to(culprit.cause))

    def end_with(self, step: str, cause: RootCause) -> None:
        """It ends at a step."""
        self.run.failed_step, self.run.root_cause, self.cause = step, cause.message, cause

    def refused(self, message: str, reason: str) -> Fault:
        """The fault of something that cannot be asked of it as it stands."""
        facts = {
            "operation_id": self.run.operation_id,
            "state": OperationState.Name(self.state).removeprefix("OPERATION_STATE_"),
            "step": self._current(),
        }
        return faults.Conflict(message, reason=reason, facts=facts, domain=operations.DOMAIN)

    def touch(self) -> None:
        """Something changed."""
        self._revision += 1
        self._update_time = workflow.now()

    def _current(self) -> str:
        return next(iter(self.ledger.current), "")

    def _line(self, name: str) -> ledgers.Step:
        return next(line for line in self.ledger.steps if line.name == name)

    def _sentence(self) -> str:
        if self.wait is not None:
            return self.wait.details
        if self.cause is not None:
            return self.cause.message[:512]
        return ", ".join(self.ledger.current).replace("_", " ")
