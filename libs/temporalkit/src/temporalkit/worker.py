"""The worker process: how it starts and stops, and what it tells its operators.

await run_worker(
"worker",
queues=[Queue("provisioning", workflows=[ProvisionTenant]), Queue("identity", activities=[identity.ensure])],
resources=[identity_channel],
settings=settings.worker,
)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

from chassis import telemetry
from chassis.health import Health
from chassis.logs import logging_to
from chassis.metrics import CONTENT_TYPE
from chassis.ops import Page, ops_server
from chassis.process import signals
from chassis.resources import Resource, opened
from temporalkit.client import TemporalClient
from temporalkit.settings import WorkerSettings
from temporalkit.workers import Work, Workers

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Working:
    """A worker process at work."""

    ops_address: str
    health: Health
    ended: asyncio.Task[None]


@asynccontextmanager
async def working(
    work: Work, *, resources: Sequence[Resource] = (), settings: WorkerSettings
) -> AsyncIterator[Working]:
    """Work for as long as the block lasts; `/ready` says so once Temporal sees this process at every queue.

    Args:
        work: what this process does.
        resources: what its activities need. Opened before the workers start, closed after the last activity ended.
        settings: how.

    Raises:
        StartFailed: a resource does not open, or the ops port cannot be had. That Temporal is away is no reason.
    """
    temporal, instruments = TemporalClient(settings.temporal), telemetry.current()
    workers = Workers(temporal, work, settings)
    needed = [*resources, temporal, workers]
    health = Health(needed)
    async with (
        ops_server(settings.ops, health, lambda: Page(instruments.text(), CONTENT_TYPE)) as ops_address,
        opened(needed),
        health.watched(settings.ops.health_interval, instruments.registry),
    ):
        await health.open()
        try:
            _log.info("working", extra={"queues": [queue.name for queue in work.queues], "ops_address": ops_address})
            yield Working(ops_address, health, workers.ended)
        finally:
            await health.close()


async def run_worker(service: str, work: Work, *, resources: Sequence[Resource] = (), settings: WorkerSettings) -> None:
    """Work until SIGTERM or SIGINT, then drain; a second signal stops at once. See `working` for the arguments."""
    with signals() as stop, logging_to(settings.log, service=service), _no_echo():
        async with (
            telemetry.observed(settings.telemetry, service=service),
            working(work, resources=resources, settings=settings) as process,
        ):
            told = asyncio.create_task(stop.wait())
            await asyncio.wait([told, process.ended], return_when=asyncio.FIRST_COMPLETED)
            told.cancel()
            if process.ended.done():
                await process.ended


@contextmanager
def _no_echo() -> Iterator[None]:
    """Keep the SDK from logging every failed activity a second time; ours says more."""
    sdk = logging.getLogger("temporalio.activity")
    sdk.addFilter(_says_more)
    try:
        yield
    finally:
        sdk.removeFilter(_says_more)


def _says_more(record: logging.LogRecord) -> bool:
    return getattr(record, "__temporal_error_identifier", "") != "ActivityFailure"
