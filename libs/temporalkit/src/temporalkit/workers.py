"""The workers of a process: one for each queue it serves, opened, checked and closed like any other resource."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError
from temporalio.worker import PollerBehaviorAutoscaling, Worker, WorkerTuner

import faults
from chassis.errors import DOMAIN
from faults import Fault
from temporalkit.activities import ActivityInterceptor
from temporalkit.client import TemporalClient
from temporalkit.deployments import deployment_config, promote
from temporalkit.failures import faults_raised
from temporalkit.sandbox import workflow_runner
from temporalkit.search_attributes import missing_search_attributes
from temporalkit.settings import WorkerSettings

_log: Final = logging.getLogger(__name__)
_MARGIN: Final = timedelta(seconds=5)  # what activities get to end once they are cancelled
_STICKY: Final = timedelta(seconds=3)  # how long the runs a dead worker kept in memory wait for it
_PAUSE: Final = 0.02
_REMEDY: Final = 1.0
_PATIENCE: Final = timedelta(seconds=2)  # so that where Temporal is there, the process is ready at its first check


@dataclass(frozen=True, slots=True)
class Queue:
    """What this process does of the work of one task queue."""

    name: str
    workflows: Sequence[type] = ()
    activities: Sequence[Callable[..., Any]] = ()

    @property
    def kinds(self) -> Sequence[TaskQueueType.ValueType]:
        """What it asks the queue for."""
        workflows = [TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW] if self.workflows else []
        return workflows + ([TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY] if self.activities else [])


@dataclass(frozen=True, slots=True)
class Work:
    """What a process does.

    Attributes:
        queues: the queues it serves.
        shared: modules that its workflows import besides their own, such as those of the activities.
        search_attributes: those that its workflows set. No work is begun before the namespace knows them.
    """

    queues: Sequence[Queue]
    shared: Sequence[str] = ()
    search_attributes: Sequence[SearchAttributeKey[Any]] = ()


class Workers:
    """A resource: one worker a queue. It is usable once Temporal sees this process at every queue."""

    name = "workers"

    def __init__(self, temporal: TemporalClient, work: Work, settings: WorkerSettings) -> None:
        """Keep what is needed. The client is opened before, and closed after, the workers."""
        self._temporal = temporal
        self._work = work
        self._settings = settings
        self._lacking: Sequence[str] = ()
        self._workers: list[Worker] = []
        self._running: asyncio.Task[None] | None = None

    @property
    def ended(self) -> asyncio.Task[None]:
        """Done when the workers ended by themselves, which they do only when something in them broke."""
        if self._running is None:
            raise RuntimeError("the workers are not open")
        return self._running

    async def __aenter__(self) -> Self:
        """Start. Where Temporal is away, that happens once it is there, and nobody waits for it here."""
        self._running = asyncio.create_task(self._run(), name="temporal-workers")
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE.total_seconds()):
                    await self._usable()
        except asyncio.CancelledError:  # told to stop this early, and maybe at work already
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ask for no more work, let activities end within the grace, then cancel them: another worker tries again."""
        await self._close()

    async def _close(self) -> None:
        running, grace = self.ended, self._settings.shutdown_grace
        _log.info("stopping", extra={"grace_seconds": grace.total_seconds()})
        stopping = [asyncio.create_task(worker.shutdown()) for worker in self._workers if worker.is_running]
        if stopping:
            await asyncio.wait([running], timeout=(grace + _MARGIN).total_seconds())
        for task in (running, *stopping):
            task.cancel()
        await asyncio.gather(running, *stopping, return_exceptions=True)  # what went wrong is in `ended`

    async def check(self) -> None:
        """Ask Temporal whether it sees this process at every queue.

        Raises:
            Fault: it does not.
        """
        if self._lacking:
            raise _unavailable("temporal", f"The namespace lacks search attributes: {', '.join(self._lacking)}.")
        if not self._workers or not all(worker.is_running for worker in self._workers):
            raise _unavailable("workers", "The workers have not started.")
        for worker, queue in zip(self._workers, self._work.queues, strict=True):
            for kind in queue.kinds:
                if not await _polls(worker.client, queue.name, kind):
                    raise _unavailable(queue.name, "A queue is not asked for work.")

    async def _usable(self) -> None:
        while not self.ended.done():
            try:
                await self.check()
            except Fault:
                await asyncio.sleep(_PAUSE)
            else:
                return

    async def _run(self) -> None:
        client = await self._temporal.connected()
        await self._search_attributes_known(client)
        self._workers = [self._worker(client, queue) for queue in self._work.queues]
        tasks = [asyncio.create_task(worker.run()) for worker in self._workers]
        if self._settings.promote:
            tasks.append(asyncio.create_task(promote(client, self._settings.deployment, self._settings.build_id)))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _search_attributes_known(self, client: Client) -> None:
        while True:
            try:
                lacking = await missing_search_attributes(client, self._work.search_attributes)
            except RPCError as error:
                _log.warning("Temporal cannot be reached", extra={"cause": error.message})
            else:
                if lacking and not self._lacking:
                    _log.error("the namespace lacks search attributes", extra={"search_attributes": lacking})
                self._lacking = lacking
                if not lacking:
                    return
            await asyncio.sleep(_REMEDY)

    def _worker(self, client: Client, queue: Queue) -> Worker:
        settings = self._settings
        return Worker(
            client,
            task_queue=queue.name,
            workflows=queue.workflows,
            activities=queue.activities,
            interceptors=[ActivityInterceptor(settings.heartbeat_interval)],
            workflow_runner=workflow_runner(*self._work.shared),
            tuner=WorkerTuner.create_fixed(
                workflow_slots=settings.max_workflows, activity_slots=settings.max_activities
            ),
            workflow_task_poller_behavior=PollerBehaviorAutoscaling(initial=2),
            activity_task_poller_behavior=PollerBehaviorAutoscaling(initial=2),
            graceful_shutdown_timeout=settings.shutdown_grace,
            sticky_queue_schedule_to_start_timeout=_STICKY,
            max_heartbeat_throttle_interval=settings.heartbeat_interval,
            deployment_config=deployment_config(settings.deployment, settings.build_id),
        )


async def _polls(client: Client, queue: str, kind: TaskQueueType.ValueType) -> bool:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
    )
    with faults_raised():
        answer = await client.workflow_service.describe_task_queue(request)
    return any(poller.identity == client.identity for poller in answer.pollers)


def _unavailable(dependency: str, message: str) -> faults.Fault:
    return faults.Unavailable(message, reason="DEPENDENCY_UNAVAILABLE", facts={"dependency": dependency}, domain=DOMAIN)
