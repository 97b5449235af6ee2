"""Looks after rollouts: calls the pipeline, asks it how it goes on, and says when time is up.

What is to be done stands in the database, so that another process goes on where one was killed. It then makes the same
call again, under the same key, and a pipeline that had it begins nothing new.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Self

from deployments_service.model import FailureReason, Report, failed
from deployments_service.webhook.model import AddressRefused, Job, Settled, Verdict, pause_before, verdict_on
from deployments_service.webhook.ports import Ledger, Pipeline
from faults import Fault, Internal

_log = logging.getLogger(__name__)
_LOOK_AGAIN = 1.0
"""Seconds between two looks at what is due when nobody wakes us."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a pipeline is asked, and by how many."""

    first: timedelta
    longest: timedelta
    lease: timedelta
    """After how long who looks after a rollout is taken for dead; longer than an answer may take."""
    at_once: int


class Courier:
    """Looks after the rollouts that are due. A resource: it works for as long as it is open."""

    def __init__(self, ledger: Ledger, pipeline: Pipeline, pace: Pace, *, reading: Callable[[bytes], Report]) -> None:
        """Describe it.

        Args:
            ledger: remembers the rollouts.
            pipeline: does them.
            pace: how often it is asked.
            reading: reads a report.
        """
        self._ledger = ledger
        self._pipeline = pipeline
        self._pace = pace
        self._reading = reading
        self._woken = asyncio.Event()
        self._busy: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._live(), name="courier")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave off at once: whoever takes over asks again."""
        tasks = [*self._busy, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def check(self) -> None:
        """Raise if nobody looks after rollouts any more."""
        if self._task is None or self._task.done():
            raise Internal("Nobody looks after rollouts.", reason="UNEXPECTED", domain="tenantmesh")

    def wake(self) -> None:
        """Something is due now."""
        self._woken.set()

    async def _live(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self._take_on()
            except Fault as fault:
                _log.warning("what is due cannot be read", extra={"reason": fault.reason})
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN):
                    await self._woken.wait()

    async def _take_on(self) -> None:
        """Take on as much as there is room for."""
        room = self._pace.at_once - len(self._busy)
        if not room:
            return
        for job in await self._ledger.claim(room, lease=self._pace.lease):
            task = asyncio.create_task(self._look_after(job))
            self._busy.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._busy.discard(task)
        self._woken.set()
        if not task.cancelled() and (error := task.exception()):
            # Its lease runs out, and somebody looks again.
            _log.error("a rollout could not be looked after", exc_info=error)

    async def _look_after(self, job: Job) -> None:
        verdict = await self._verdict(job)
        report = verdict.report
        called = job.called or verdict.taken
        ends = report is not None and report.state.settled
        asked = (report.status_url if report else "") or job.status_url
        waits = ends or (called and not asked)
        again_in = None if waits else self._pause(job, verdict)
        await self._ledger.settle(job, Settled(report, called, again_in))
        if again_in is not None:
            asyncio.get_running_loop().call_later(again_in.total_seconds(), self.wake)

    async def _verdict(self, job: Job) -> Verdict:
        if job.overdue:
            text = "The pipeline has not said that it was done in the time it was given."
            return Verdict(failed(FailureReason.NOT_READY_IN_TIME, text, retryable=True))
        try:
            asking = self._pipeline.ask(job.status_url) if job.called else self._pipeline.call(job.deployment)
            answer = await asking
        except AddressRefused as refused:
            return Verdict(failed(FailureReason.PIPELINE_FAILED, str(refused)))
        except Fault:
            return Verdict()
        return verdict_on(answer, call=not job.called, reading=self._reading)

    def _pause(self, job: Job, verdict: Verdict) -> timedelta:
        """Twice as long each time; not before the pipeline said."""
        own = pause_before(job.attempts, first=self._pace.first, longest=self._pace.longest)
        return max(own, verdict.retry_after or timedelta())
