"""Walks through the steps of an operation, undoes them where it must, and tells how it stands.

A workflow makes one of these with its table of steps, and awaits `execute`. Query, updates and signal that every
operation has are declared here; what only one kind has, the workflow declares itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from google.protobuf.message import Message
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError, is_cancelled_exception

import faults
from faults import Fault, Kind
from temporalkit import ledger as ledgers
from temporalkit import operations
from temporalkit.failures import fault_of
from temporalkit.ledger import Ledger
from temporalkit.propagation import act_for, at_step
from temporalkit.saga import Saga
from temporalkit.shielding import shielded, until_done
from tenantmesh.provisioning.v1 import operation_state_pb2 as states
from tenantmesh.provisioning.v1.commands_pb2 import Cancellation, Continuation
from tenantmesh.provisioning.v1.operation_state_pb2 import OperationState, Wait
from tenantmesh.provisioning.v1.outcome_pb2 import Outcome
from tenantmesh.provisioning.v1.progress_pb2 import Progress
from tenantmesh.provisioning.v1.root_cause_pb2 import RootCause
from tenantmesh.provisioning.v1.tenant_environment_pb2 import Resumption
from worker_service.activities.engine import cancel_run
from worker_service.operation.progress import cancelled_to, cause_to, outcome_to, steps_to, time_to
from worker_service.operation.run import Run
from worker_service.operation.steps import Call, Step

Gate = Callable[[], Awaitable[None]]
Closed = (asyncio.CancelledError, FailureError, Fault)

_SETTLED = frozenset({ledgers.State.DONE, ledgers.State.SKIPPED})
_WORKING = frozenset({states.OPERATION_STATE_RUNNING, states.OPERATION_STATE_WAITING, states.OPERATION_STATE_HELD})
# What an undo finds is not there, or is somebody else's: in neither case it is this operation's.
_NOT_OURS = frozenset({"OPERATION_MISMATCH", "TRANSITION_FORBIDDEN"})
_FOR_EVER = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10))


class Operation:
    """One run of one operation."""

    def __init__(
        self,
        steps: Sequence[Step],
        run: Run,
        *,
        gates: Mapping[str, Gate] | None = None,
        hold: bool = False,
        skipped: Sequence[str] = (),
        resumption: Resumption | None = None,
    ) -> None:
        """Take up the table.

        Args:
            steps: what is done, in the order a person should read it.
            run: what is known.
            gates: where it waits for somebody, by the names of the steps.
            hold: whether to stand still at a failure instead of undoing.
            skipped: optional steps that are left out.
            resumption: what an earlier run did already.
        """
        self.run = run
        self.steps = tuple(steps)
        self.skipped = set(skipped)
        self.holds = hold
        self._gates = gates or {}
        self._done_before = frozenset(resumption.done_steps) if resumption else frozenset()
        self._details: dict[str, str] = {}
        self._revision = 0
        self._update_time = workflow.info().start_time
        self._state = states.OPERATION_STATE_RUNNING
        self._told = {operations.STATE: "running", operations.STEP: steps[0].name, operations.FAILED_STEP: ""}
        self._wait: Wait | None = None
        self._held: set[str] = set()
        self._cancellation: Cancellation | None = None
        self._cause: RootCause | None = None
        self.ledger = Ledger([step.name for step in steps], clock=workflow.now, changed=self._changed)
        self._saga = Saga(self.ledger)
        if resumption:
            run.made.CopyFrom(resumption.environment)
        workflow.set_query_handler(operations.PROGRESS, self.progress)
        workflow.set_query_handler(operations.RESUMPTION, self.resumption)
        workflow.set_update_handler("cancel", self.cancel, validator=self._check_cancel)
        workflow.set_update_handler("retry", self.retry, validator=self._check_retry)
        workflow.set_signal_handler("provisioningCancelled", self._cancel_unasked)

    # How it stands -------------------------------------------------------------------------------------------------

    def progress(self) -> Progress:
        """How it stands now."""
        current = self.ledger.current
        succeeded = self._state == states.OPERATION_STATE_SUCCEEDED
        return Progress(
            step=current[0] if current else "",
            progress=100 if succeeded else self.ledger.percent,
            details=self._sentence(),
            state=self._state,
            steps=steps_to(self.ledger, self.steps, self._details),
            wait=self._wait,
            failed_step=self.run.failed_step,
            root_cause=self._cause,
            revision=self._revision,
            update_time=time_to(self._update_time),
        )

    def resumption(self) -> Resumption:
        """What a new run can take over from this one."""
        done = [line.name for line in self.ledger.steps if line.state in _SETTLED]
        return Resumption(
            previous_run_id=workflow.info().run_id,
            done_steps=[name for name in done if name not in self.skipped],
            environment=self.run.made,
        )

    @property
    def outcome(self) -> Outcome:
        """What became of it."""
        return outcome_to(self.ledger, self.steps, self._details, self.run.failed_step, self._cause)

    @property
    def committed(self) -> bool:
        """Whether it only goes forward."""
        return self._saga.committed

    @property
    def is_over(self) -> bool:
        """Whether it goes forward no more."""
        return self._state not in _WORKING

    def has_begun(self, step: str) -> bool:
        """Whether a step's turn has come."""
        return any(line.name == step and line.state is not ledgers.State.PENDING for line in self.ledger.steps)

    def explain(self, step: str, details: str) -> None:
        """Say of a step what a person should know."""
        self._details[step] = details
        self._touch()

    def know_tenant(self) -> None:
        """Act for the tenant whose record was read."""
        act_for(self.run.tenant.tenant_id)

    # What can be asked of it ---------------------------------------------------------------------------------------

    async def cancel(self, cancellation: Cancellation) -> Progress:
        """End it and undo what it made."""
        if self._cancellation is None:
            self._cancellation = cancellation
            await workflow.execute_activity(
                cancel_run,
                cancellation.origin.reason or "cancelled",
                start_to_close_timeout=timedelta(seconds=10),
                retry_policy=_FOR_EVER,
            )
        return self.progress()

    async def retry(self, _: Continuation) -> Progress:
        """Go on with the step at which it stands still."""
        self._held.clear()
        self._touch()
        return self.progress()

    def _check_cancel(self, _: Cancellation) -> None:
        if self._is_too_late():
            raise self._refused("The operation is past its point of no return.", "CANCEL_TOO_LATE")

    def _check_retry(self, _: Continuation) -> None:
        if not self._held:
            raise self._refused("The operation does not stand still.", "OPERATION_NOT_RETRYABLE")

    async def _cancel_unasked(self, cancellation: Cancellation) -> None:
        if not self._is_too_late():
            await self.cancel(cancellation)

    def _is_too_late(self) -> bool:
        final = [step.name for step in self.steps if step.final]
        return (
            self.committed
            or self._state not in _WORKING | {states.OPERATION_STATE_UNDOING}
            or any(self.has_begun(name) for name in final)
        )

    def _refused(self, message: str, reason: str) -> Fault:
        facts = {
            "operation_id": self.run.operation_id,
            "state": OperationState.Name(self._state).removeprefix("OPERATION_STATE_"),
            "step": next(iter(self.ledger.current), ""),
        }
        return faults.Conflict(message, reason=reason, facts=facts, domain=operations.DOMAIN)

    # How it goes ---------------------------------------------------------------------------------------------------

    async def execute(
        self, result: Callable[[], Message], *, regret: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Do every step, or undo what was done and raise why.

        Args:
            result: the message a run that does not succeed leaves behind.
            regret: what else is done once everything is undone, such as telling somebody.
        """
        try:
            await self._walk()
        except Closed as error:
            await shielded(self._close(error, result, regret))
            raise
        self._enter(states.OPERATION_STATE_SUCCEEDED)
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _walk(self) -> None:
        ahead = next((n for n, step in enumerate(self.steps, 1) if step.final or step.commits), len(self.steps))
        async with self._saga as saga:
            try:
                await saga.branches(*(self._take(step) for step in self.steps[:ahead]))
            except asyncio.CancelledError:
                if not saga.committed:  # a cancellation that came while the point of no return was passed is too late
                    raise
            await shielded_from_cancellation(self._forward(self.steps[ahead:]))

    async def _forward(self, steps: Sequence[Step]) -> None:
        for step in steps:
            await self._take(step)

    async def _take(self, step: Step) -> None:
        """Wait for its turn and run it, leave it out, or take it over from the run before."""
        await workflow.wait_condition(lambda: all(map(self._is_settled, step.after)))
        if self._cancellation is not None and not self.committed:
            await workflow.wait_condition(lambda: workflow.cancellation_reason() is not None)
        reason = self.left_out(step)
        if reason:
            self._skip(step, reason)
            return
        if len(step.after) > 1 or step.final:
            self._tell(step.name)
        await self._until_done(step)
        if step.commits:
            self._saga.commit()

    def _skip(self, step: Step, reason: str) -> None:
        self._details[step.name] = reason
        if step.name in self._done_before and step.undo:
            self._saga.skip(step.name, undo=self._undoing(step), gone=self._reading(step), where=self._where(step))
        else:
            self._saga.skip(step.name)
        if step.commits:
            self._saga.commit()

    async def _until_done(self, step: Step) -> None:
        """Run it; where it fails for good, go on without it, stand still, or let the run end."""
        while True:
            try:
                await self._saga.step(
                    step.name,
                    lambda: self._do(step),
                    undo=self._undoing(step) if step.undo else None,
                    gone=self._reading(step) if step.undo else None,
                    where=self._where(step),
                    final=step.final,
                )
            except (FailureError, Fault) as error:
                if is_cancelled_exception(error) or (step.do is None and not self.committed):
                    raise
                if step.optional:
                    return
                if not (self.holds or self.committed):
                    raise
                await self._stand_still(step)
            else:
                return

    async def _do(self, step: Step) -> None:
        if step.do is None:
            await self._gates[step.name]()
            return
        try:
            answers = await self.call(step.do)
        except FailureError as error:
            if not step.final or is_cancelled_exception(error):
                raise
            answers = await self._truth(step, error)
        for answer in answers:
            step.keep(self.run, answer)

    async def _truth(self, step: Step, error: FailureError) -> list[Any]:
        """Whether the point of no return was passed although the answer was lost: nothing is undone on a guess."""
        assert step.back is not None  # noqa: S101 - every final step has one
        while True:
            try:
                answers = await self.call(step.back)
            except FailureError:
                await self._stand_still(step)
                continue
            if all(map(step.stands, answers)):
                return answers
            raise error

    async def call(self, call: Call) -> list[Any]:
        """Ask a service, through its activity, and answer what it said to each request."""
        asked = call.requests(self.run)
        queue = operations.Queues.beside(workflow.info().task_queue).of(call.queue)
        options = call.preset.options(task_queue=queue)
        return [
            await workflow.execute_activity_method(call.activity, request, **options)
            for request in ([asked] if isinstance(asked, Message) else asked)
        ]

    async def call_softly(self, call: Call) -> None:
        """The same, where nothing depends on it: a failure is the activity's own to log."""
        try:
            await self.call(call)
        except FailureError as error:
            if is_cancelled_exception(error):
                raise

    async def repeat(self, name: str) -> None:
        """Do a step again that was done, since what it was told has changed."""
        step = next(step for step in self.steps if step.name == name)
        await workflow.wait_condition(lambda: name not in self.ledger.current)
        if self.has_begun(name) and not self.is_over:
            with at_step(name):
                await self._do(step)

    async def _stand_still(self, step: Step) -> None:
        self._held.add(step.name)
        self.run.failed_step = step.name
        self._enter(states.OPERATION_STATE_HELD, step.name)
        await workflow.wait_condition(lambda: step.name not in self._held)
        self.run.failed_step = ""
        self._enter(states.OPERATION_STATE_RUNNING, step.name)

    async def wait_for(self, condition: Callable[[], bool], wait: Wait, patience: timedelta | None) -> bool:
        """Wait until something is so; answer False where it did not come in time."""
        self._wait = wait
        self._enter(states.OPERATION_STATE_WAITING, next(iter(self.ledger.current), ""))
        try:
            await workflow.wait_condition(condition, timeout=patience)
        except TimeoutError:
            return False
        finally:
            self._wait = None
        self._enter(states.OPERATION_STATE_RUNNING)
        return True

    # How it goes back ----------------------------------------------------------------------------------------------

    def _undoing(self, step: Step) -> Callable[[], Awaitable[bool]]:
        async def undo() -> bool:
            self._begin_undoing()
            self.run.left_behind = bool(self.ledger.left_behind)
            answer: Any = None
            for call in step.undo:
                try:
                    answers = await self.call(call)
                except FailureError as error:
                    if _is_not_ours(error):
                        return False
                    raise
                answer = next(iter(answers), None)
            return _existed(answer)

        return undo

    def _reading(self, step: Step) -> Callable[[], Awaitable[bool]]:
        async def gone() -> bool:
            if step.back is None:
                return True
            try:
                answers = await self.call(step.back)
            except FailureError as error:
                if _is_not_ours(error):
                    return True
                raise
            return not any(map(self._is_ours, answers))

        return gone

    def _is_ours(self, answer: Message) -> bool:
        """Whether what was read bears this operation's stamp."""
        stamps = (getattr(thing, "ownership", None) for _, thing in answer.ListFields())
        wanted = (self.run.tenant.tenant_id, self.run.operation_id)
        return any((stamp.tenant_id, stamp.operation_id) == wanted for stamp in stamps if stamp is not None)

    def _begin_undoing(self) -> None:
        if self._state != states.OPERATION_STATE_UNDOING:
            self._name_cause()
            self._enter(states.OPERATION_STATE_UNDOING, self.run.failed_step)

    def _name_cause(self) -> None:
        """Say which step ended the run, and why: before undos overwrite it."""
        culprit, reason = self.ledger.ended_by, workflow.cancellation_reason()
        if reason is not None:
            stopped = [line.name for line in self.ledger.steps if line.state is ledgers.State.FAILED]
            self._end_with(next(iter(stopped), ""), cancelled_to(self._cancellation, reason))
            self.run.cancelled = True
        elif culprit is not None and culprit.cause is not None:
            self._end_with(culprit.name, cause_to(culprit.cause))

    def _end_with(self, step: str, cause: RootCause) -> None:
        self.run.failed_step, self.run.root_cause, self._cause = step, cause.message, cause

    async def _close(
        self, error: BaseException, result: Callable[[], Message], regret: Callable[[], Awaitable[None]] | None
    ) -> None:
        if self._cause is None:
            self._name_cause()
        if self._cause is None and (fault := fault_of(error)):
            self._end_with("", cause_to(fault))
        if regret is not None:
            await regret()
        cancelled = self.run.cancelled
        final = states.OPERATION_STATE_CANCELLED if cancelled else states.OPERATION_STATE_FAILED
        self._enter(final, self.run.failed_step)
        workflow.upsert_memo({operations.RESULT: result()})
        await workflow.wait_condition(workflow.all_handlers_finished)

    # What it says --------------------------------------------------------------------------------------------------

    def _is_settled(self, name: str) -> bool:
        line = next(line for line in self.ledger.steps if line.name == name)
        if line.state in _SETTLED:
            return True
        optional = any(step.name == name and step.optional for step in self.steps)
        return optional and line.state is ledgers.State.FAILED

    def left_out(self, step: Step) -> str:
        """Why a step is left out; empty where it is not."""
        if step.name in self._done_before and not step.always:
            return "An earlier run did it."
        if step.optional and step.name in self.skipped:
            return "It was asked to be left out."
        return step.needless(self.run)

    def _where(self, step: Step) -> str:
        return step.location(self.run)

    def _sentence(self) -> str:
        if self._wait is not None:
            return self._wait.details
        if self._cause is not None:
            return self._cause.message[:512]
        return ", ".join(self.ledger.current).replace("_", " ")

    def _enter(self, state: OperationState.ValueType, step: str = "") -> None:
        """Come to a state, and let whoever searches find it."""
        self._state = state
        self._touch()
        self._tell(step)

    def _tell(self, step: str) -> None:
        name = OperationState.Name(self._state).removeprefix("OPERATION_STATE_").lower()
        now = {operations.STATE: name, operations.STEP: step, operations.FAILED_STEP: self.run.failed_step}
        news = {key: value for key, value in now.items() if self._told[key] != value}
        self._told.update(news)
        if news:
            workflow.upsert_search_attributes(
                [key.value_set(value) if value else key.value_unset() for key, value in news.items()]
            )

    def _changed(self, _: ledgers.Step) -> None:
        self._touch()

    def _touch(self) -> None:
        self._revision += 1
        self._update_time = workflow.now()


async def shielded_from_cancellation(work: Any) -> None:
    """Finish the work; a cancellation that arrives meanwhile comes too late and is dropped."""
    task = asyncio.create_task(work)
    await until_done(task)
    task.result()


def _existed(answer: Any) -> bool:
    """Whether an undo found something to undo, by whichever field its answer says so."""
    fields = [name for name in ("existed", "changed", "removed_count") if hasattr(answer, name)]
    return bool(getattr(answer, fields[0])) if fields else True


def _is_not_ours(error: BaseException) -> bool:
    fault = fault_of(error)
    if fault is None:
        return False
    return fault.kind is Kind.NOT_FOUND or fault.reason in _NOT_OURS or fault.reason.endswith("_NOT_OWNED")
