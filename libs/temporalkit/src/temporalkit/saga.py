"""Steps that are undone, in reverse, when the run they belong to fails or is cancelled.

    async with Saga(Ledger(["bucket", "dns"], clock=workflow.now)) as saga:
        await saga.step("bucket", make_bucket, undo=delete_bucket, where="bucket tm-acme")
        await saga.step("dns", make_record, undo=delete_record, where="acme.example.com")
        await saga.step("activate", activate, final=True)

A plain list of undos. The rest is about when they run:

- An undo is registered before its step runs: a step can time out after it worked, so an undo must bear finding nothing.
- A failure and a cancellation undo; an error of the workflow's own code does not: it only fails the workflow task, and
  the run goes on once the code is mended.
- No undo starts before every step has ended. (`Preset.options` makes a cancelled activity be waited for.)
- Undos cannot be cancelled. One that fails for good does not stop the next: it is written down as left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception

from temporalkit.failures import fault_of, run_failure
from temporalkit.ledger import Ledger
from temporalkit.propagation import at_step
from temporalkit.shielding import until_done

T = TypeVar("T")


class Existed(Protocol):
    """The answer of every Delete of the mesh."""

    @property
    def existed(self) -> bool:
        """Whether there was something to delete."""


@dataclass(frozen=True, slots=True)
class _Undo:
    name: str
    call: Callable[[], Awaitable[Existed | bool]]
    gone: Callable[[], Awaitable[bool]] | None
    where: str


class Saga:
    """The undos of one run and the ledger they are written in. Use it as a context manager around the steps."""

    def __init__(self, ledger: Ledger) -> None:
        """Keep the run's ledger; its plan names every step."""
        self.ledger = ledger
        self._undos: dict[str, _Undo] = {}
        self._failures: dict[str, BaseException] = {}
        self._running = 0
        self._stopping = 0
        self._committed = False

    @property
    def committed(self) -> bool:
        """Whether the point of no return is past."""
        return self._committed

    def commit(self) -> None:
        """Pass the point of no return: from here on nothing is undone, and steps can no longer be cancelled."""
        self._committed = True

    async def step(
        self,
        name: str,
        do: Callable[[], Awaitable[T]],
        *,
        undo: Callable[[], Awaitable[Existed | bool]] | None = None,
        gone: Callable[[], Awaitable[bool]] | None = None,
        where: str = "",
        final: bool = False,
    ) -> T:
        """Run one step and answer its result. A step that failed may be run again under its name.

        Args:
            name: the step's name in the plan.
            do: makes the thing, or confirms that it is there.
            undo: removes it, and answers whether it existed. Registered before `do` runs.
            gone: reads back whether nothing is left; without it the undo's answer is believed.
            where: what to look for, should it be left behind.
            final: success of this step is the point of no return.
        """
        self._refuse_when_stopping()
        self._register(name, undo, gone, where)
        self.ledger.begin(name)
        self._running += 1
        try:
            with at_step(name):
                result = await self._run(do, final=final)
        except BaseException as error:
            if _ends_the_run(error):
                self._failures[name] = error
                self.ledger.fail(name, fault_of(error))
            raise
        finally:
            self._running -= 1
        self.ledger.done(name)
        self._refuse_when_stopping()
        return result

    def skip(
        self,
        name: str,
        *,
        undo: Callable[[], Awaitable[Existed | bool]] | None = None,
        gone: Callable[[], Awaitable[bool]] | None = None,
        where: str = "",
    ) -> None:
        """Pass over a step: it is not wanted, or an earlier run did it; then give the undo it would have had."""
        self._register(name, undo, gone, where)
        self.ledger.skip(name)

    async def branches(self, *branches: Coroutine[Any, Any, T]) -> list[T]:
        """Run branches side by side and answer their results in order.

        The first failure cancels the others and is raised once all have ended. (`asyncio.TaskGroup` would cancel them
        in an order that differs on replay.)
        """
        tasks = [asyncio.create_task(branch) for branch in branches]
        try:
            done, _ = await workflow.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        except asyncio.CancelledError:
            await self._stop(tasks)
            raise
        failed = next((task for task in done if task.cancelled() or task.exception()), None)
        if failed is not None:
            await self._stop(tasks)
            failed.result()
        return [task.result() for task in tasks]

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Undo when the run failed or was cancelled, and close it as what it was, with its root cause."""
        if error is None or not _ends_the_run(error):
            return
        cancelled = workflow.cancellation_reason() is not None and not self._committed
        self._name_culprit(error)
        if not self._committed:
            self._stopping += 1
            undoing = asyncio.create_task(self._undo_all())
            await until_done(undoing)
            undoing.result()
        if is_cancelled_exception(error):
            return
        if cancelled:  # the step failed because it was cancelled
            raise asyncio.CancelledError from error
        raise run_failure(error, self.ledger) from error

    def _name_culprit(self, error: BaseException) -> None:
        """Tell the ledger which step's failure this is: others may have failed before, and been borne."""
        cause: BaseException | None = error
        while cause is not None:
            for name, failure in self._failures.items():
                if failure is cause and not is_cancelled_exception(failure):
                    self.ledger.end(name)
                    return
            cause = cause.__cause__

    def _register(
        self,
        name: str,
        undo: Callable[[], Awaitable[Existed | bool]] | None,
        gone: Callable[[], Awaitable[bool]] | None,
        where: str,
    ) -> None:
        if undo is not None:
            self._undos[name] = _Undo(name, undo, gone, where)

    async def _run(self, do: Callable[[], Awaitable[T]], *, final: bool) -> T:
        if not (final or self._committed):
            return await do()
        task = asyncio.ensure_future(do())
        await until_done(task)  # a cancellation comes too late here, and is dropped
        result = task.result()
        if final:
            self.commit()
        return result

    def _refuse_when_stopping(self) -> None:
        """Do what a cancellation that came too late for a call could not: stop before the next step.

        An activity may succeed although it was asked to stop, and its caller then never learns of the cancellation.
        """
        if not self._committed and (self._stopping or workflow.cancellation_reason() is not None):
            raise asyncio.CancelledError

    async def _stop(self, tasks: list[asyncio.Task[T]]) -> None:
        self._stopping += 1
        for task in tasks:
            task.cancel()
        ended = asyncio.create_task(workflow.wait(tasks))
        await until_done(ended)
        self._stopping -= 1

    async def _undo_all(self) -> None:
        await workflow.wait_condition(lambda: self._running == 0)
        for undo in reversed(self._undos.values()):
            with at_step(undo.name):
                await self._undo(undo)

    async def _undo(self, undo: _Undo) -> None:
        try:
            answer = await undo.call()
            gone = undo.gone is None or await undo.gone()
        except Exception as error:
            if not workflow.is_failure_exception(error):
                raise
            self.ledger.leave(undo.name, where=undo.where, cause=fault_of(error))
            return
        if gone:
            self.ledger.undo(undo.name, existed=answer if isinstance(answer, bool) else answer.existed)
        else:
            self.ledger.leave(undo.name, where=undo.where, cause=None)


def _ends_the_run(error: BaseException) -> bool:
    if isinstance(error, GeneratorExit):  # the run leaves this worker, which is no event of the run
        return False
    return isinstance(error, asyncio.CancelledError) or workflow.is_failure_exception(error)
