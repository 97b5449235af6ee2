"""Walks through the steps of an operation, and undoes them where it must.

A workflow makes one of these with its table of steps, and awaits `execute`. Query, updates and signal that every
operation has are declared here; what only one kind has, the workflow declares itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any

from google.protobuf.message import Message
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError, is_cancelled_exception

from faults import Fault, Kind
from temporalkit import operations
from temporalkit.failures import fault_of
from temporalkit.propagation import at_step
from temporalkit.saga import Saga
from temporalkit.shielding import shielded, until_done
from tenantmesh.provisioning.v1 import operation_state_pb2 as states
from tenantmesh.provisioning.v1.commands_pb2 import Cancellation, Continuation
from tenantmesh.provisioning.v1.operation_state_pb2 import Wait
from tenantmesh.provisioning.v1.progress_pb2 import Progress
from tenantmesh.provisioning.v1.tenant_environment_pb2 import Resumption
from worker_service.activities.engine import cancel_run
from worker_service.operation.progress import cause_to
from worker_service.operation.run import Run
from worker_service.operation.standing import Standing
from worker_service.operation.steps import Call, Step

Gate = Callable[[], Awaitable[None]]
_CLOSED = (asyncio.CancelledError, FailureError, Fault)
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
        self.standing = Standing(steps, run)
        self._gates = gates or {}
        self._holds = hold
        self._done_before = frozenset(resumption.done_steps) if resumption else frozenset()
        self._held: set[str] = set()
        self._cancellation: Cancellation | None = None
        self._saga = Saga(self.standing.ledger)
        if resumption:
            run.made.CopyFrom(resumption.environment)
        workflow.set_query_handler(operations.PROGRESS, self.standing.progress)
        workflow.set_query_handler(operations.RESUMPTION, self.resumption)
        workflow.set_update_handler("cancel", self.cancel, validator=self._check_cancel)
        workflow.set_update_handler("retry", self.retry, validator=self._check_retry)
        workflow.set_signal_handler("provisioningCancelled", self._cancel_unasked)

    # What can be asked of it ---------------------------------------------------------------------------------------

    def resumption(self) -> Resumption:
        """What a new run can take over from this one."""
        return self.standing.resumption(self.skipped)

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
        return self.standing.progress()

    async def retry(self, _: Continuation) -> Progress:
        """Go on with the step at which it stands still."""
        self._held.clear()
        self.standing.touch()
        return self.standing.progress()

    def _check_cancel(self, _: Cancellation) -> None:
        if self._is_too_late():
            raise self.standing.refused("The operation is past its point of no return.", "CANCEL_TOO_LATE")

    def _check_retry(self, _: Continuation) -> None:
        if not self._held:
            raise self.standing.refused("The operation does not stand still.", "OPERATION_NOT_RETRYABLE")

    async def _cancel_unasked(self, cancellation: Cancellation) -> None:
        if not self._is_too_late():
            await self.cancel(cancellation)

    def _is_too_late(self) -> bool:
        begun = any(step.final and self.standing.has_begun(step.name) for step in self.steps)
        return self._saga.committed or begun

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
        except _CLOSED as error:
            await shielded(self._close(error, result, regret))
            raise
        self.standing.enter(states.OPERATION_STATE_SUCCEEDED)
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _walk(self) -> None:
        ahead = next((n for n, step in enumerate(self.steps, 1) if step.final or step.commits), len(self.steps))
        async with self._saga as saga:
            try:
                await saga.branches(*(self._take(step) for step in self.steps[:ahead]))
            except asyncio.CancelledError:
                if not saga.committed:  # a cancellation that came while the point of no return was passed is too late
                    raise
            await _undisturbed(self._forward(self.steps[ahead:]))

    async def _forward(self, steps: Sequence[Step]) -> None:
        for step in steps:
            await self._take(step)

    async def _take(self, step: Step) -> None:
        """Wait for its turn and run it, leave it out, or take it over from the run before."""
        await workflow.wait_condition(lambda: all(map(self.standing.is_settled, step.after)))
        if self._cancellation is not None and not self._saga.committed:
            await workflow.wait_condition(lambda: workflow.cancellation_reason() is not None)
        if reason := self.left_out(step):
            self._pass_over(step, reason)
        else:
            if len(step.after) > 1 or step.final:
                self.standing.tell(step.name)
            await self._until_done(step)
        if step.commits:
            self._saga.commit()

    def left_out(self, step: Step) -> str:
        """Why a step is left out; empty where it is not."""
        if step.name in self._done_before and not step.always:
            return "An earlier run did it."
        if step.optional and step.name in self.skipped:
            return "It was asked to be left out."
        return step.needless(self.run)

    def _pass_over(self, step: Step, reason: str) -> None:
        self.standing.explain(step.name, reason)
        undoes = step.name in self._done_before and step.undo
        self._saga.skip(step.name, **self._way_back(step) if undoes else {})

    async def _until_done(self, step: Step) -> None:
        """Run it; where it fails for good, go on without it, stand still, or let the run end."""
        while True:
            try:
                await self._saga.step(
                    step.name, lambda: self._do(step), final=step.final, **self._way_back(step) if step.undo else {}
                )
            except (FailureError, Fault) as error:
                forward = self._saga.committed
                if is_cancelled_exception(error) or (step.do is None and not forward):
                    raise
                if step.optional:
                    return
                if not (self._holds or forward):
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

    async def _stand_still(self, step: Step) -> None:
        self._held.add(step.name)
        self.run.failed_step = step.name
        self.standing.enter(states.OPERATION_STATE_HELD, step.name)
        await workflow.wait_condition(lambda: step.name not in self._held)
        self.run.failed_step = ""
        self.standing.enter(states.OPERATION_STATE_RUNNING, step.name)

    async def wait_for(self, condition: Callable[[], bool], wait: Wait, patience: timedelta | None) -> bool:
        """Wait until something is so; answer False where it did not come in time."""
        self.standing.waits(wait)
        try:
            await workflow.wait_condition(condition, timeout=patience)
        except TimeoutError:
            return False
        finally:
            self.standing.wait = None
        self.standing.enter(states.OPERATION_STATE_RUNNING)
        return True

    # What it calls -------------------------------------------------------------------------------------------------

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
        await workflow.wait_condition(lambda: name not in self.standing.ledger.current)
        if self.standing.has_begun(name) and not self.standing.is_over:
            with at_step(name):
                await self._do(step)

    # How it goes back ----------------------------------------------------------------------------------------------

    def _way_back(self, step: Step) -> dict[str, Any]:
        return {
            "undo": lambda: self._undo(step),
            "gone": lambda: self._is_gone(step),
            "where": step.location(self.run),
        }

    async def _undo(self, step: Step) -> bool:
        """Remove what a step made, and answer whether there was something."""
        if self.standing.state != states.OPERATION_STATE_UNDOING:
            self.standing.name_cause(self._cancellation)
            self.standing.enter(states.OPERATION_STATE_UNDOING, self.run.failed_step)
        self.run.left_behind = bool(self.standing.ledger.left_behind)
        existed = False
        for call in step.undo:
            try:
                existed = any(map(_existed, await self.call(call)))
            except FailureError as error:
                if _is_not_ours(error):
                    return False
                raise
        return existed

    async def _is_gone(self, step: Step) -> bool:
        """Read back whether something of this operation's is left."""
        if step.back is None:
            return True
        try:
            answers = await self.call(step.back)
        except FailureError as error:
            if _is_not_ours(error):
                return True
            raise
        return not any(map(self._is_ours, answers))

    def _is_ours(self, answer: Message) -> bool:
        """Whether what was read bears this operation's stamp."""
        stamps = (getattr(thing, "ownership", None) for _, thing in answer.ListFields())
        wanted = (self.run.tenant.tenant_id, self.run.operation_id)
        return any((stamp.tenant_id, stamp.operation_id) == wanted for stamp in stamps if stamp is not None)

    async def _close(
        self, error: BaseException, result: Callable[[], Message], regret: Callable[[], Awaitable[None]] | None
    ) -> None:
        """Say how it ended, where it is found without a worker."""
        standing = self.standing
        if standing.cause is None:
            standing.name_cause(self._cancellation)
        if standing.cause is None and (fault := fault_of(error)):
            standing.end_with("", cause_to(fault))
        if regret is not None:
            await regret()
        cancelled = states.OPERATION_STATE_CANCELLED
        standing.enter(cancelled if self.run.cancelled else states.OPERATION_STATE_FAILED, self.run.failed_step)
        workflow.upsert_memo({operations.RESULT: result()})
        await workflow.wait_condition(workflow.all_handlers_finished)


async def _undisturbed(work: Coroutine[Any, Any, None]) -> None:
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
