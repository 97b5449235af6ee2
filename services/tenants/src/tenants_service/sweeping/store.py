"""The SQL of sweeping, and the number it leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from prometheus_client import Counter

from chassis import telemetry
from postgreskit import Transaction
from postgreskit import sweep as sweep_requests
from tenants_service.leads.store import sweep_keys
from tenants_service.limits.store import sweep as sweep_limits
from tenants_service.signing.store import sweep as sweep_signing_keys
from tenants_service.store import Records
from tenants_service.sweeping.model import Sweep, Sweeps
from tenants_service.sweeping.service import Tally

_MY_TURN = "SELECT pg_try_advisory_xact_lock(hashtextextended('tenants sweep', 0))"


def sweeps(records: Records, *, token_life: timedelta, clock: Callable[[], datetime]) -> Sweeps:
    """What the service forgets."""

    def alone(work: Callable[[Transaction, int], Awaitable[int]]) -> Sweep:
        async def sweep(limit: int) -> int | None:
            async with records.of_mesh() as tx:
                return await work(tx, limit) if await tx.fetchval(_MY_TURN) else None

        return sweep

    return {
        "requests": alone(lambda tx, limit: sweep_requests(tx, limit=limit)),
        "limits": alone(lambda tx, limit: sweep_limits(tx, clock(), limit)),
        "lead keys": alone(lambda tx, limit: sweep_keys(tx, clock(), limit)),
        "signing keys": alone(lambda tx, _: sweep_signing_keys(tx, clock(), token_life)),
    }


def tally() -> Tally:
    """The number of what was forgotten, among those of the process."""
    swept = Counter(
        "tenants_swept", "What was forgotten because nobody needs it.", ["what"], registry=telemetry.current().registry
    )
    return lambda what, count: swept.labels(what).inc(count)
