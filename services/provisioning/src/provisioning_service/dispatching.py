"""Starts what was accepted and not started: while Temporal was away, or because the process that accepted it died."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from faults import Fault
from provisioning_service.engine import Engine
from provisioning_service.model import PROVISION
from provisioning_service.records import Records
from provisioning_service.starting import Starting

_log: Final = logging.getLogger(__name__)


class Dispatcher:
    """A resource that looks into the outbox for as long as the process runs."""

    name = "dispatcher"

    def __init__(self, engine: Engine, records: Records, starting: Starting, interval: timedelta) -> None:
        """Look so often."""
        self._engine = engine
        self._records = records
        self._starting = starting
        self._interval = interval.total_seconds()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="dispatcher")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop. What is claimed is free again by itself."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def check(self) -> None:
        """Its dependencies are asked on their own."""

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Fault as fault:
                _log.info("nothing can be dispatched now", extra={"reason": fault.reason, **fault.facts})
            except Exception:  # noqa: BLE001 - whatever it is, the next look may do better
                _log.exception("dispatching failed")
            await asyncio.sleep(self._interval)

    async def look(self) -> None:
        """Start what waits. Where Temporal is away nothing is claimed: waiting for it must not use up attempts."""
        self._starting.check_switches(PROVISION)
        await self._engine.check()
        for entry in await self._records.claim():
            try:
                await self._starting.dispatch(entry)
            except Fault as fault:
                _log.warning("an operation could not be started", extra={"operation_id": entry.operation_id})
                await self._records.defer(entry, fault.message)
            else:
                _log.info("an operation that waited was started", extra={"operation_id": entry.operation_id})
