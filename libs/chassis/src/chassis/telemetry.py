"""What a process tells about itself: spans to a collector, numbers to whoever asks `/metrics`.

    async with observed(settings, service="dns") as telemetry:
        ...  # servers and channels made in here find it with `current()`

`/metrics` answers `telemetry.text()`. A library that has numbers of its own adds them to `current().registry`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import prometheus_client
from opentelemetry import trace
from prometheus_client import CollectorRegistry

from chassis.metrics import CallMetrics, as_text, process_metrics, watched_loop
from chassis.tracing import TelemetrySettings, traced, tracer_provider

__all__ = ["Telemetry", "TelemetrySettings", "current", "observed"]

_SCOPE = "chassis"


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The instruments of a process."""

    tracer: trace.Tracer
    traced: Callable[[str], bool]
    """Whether the calls of a method, named as on the wire, get spans."""
    registry: CollectorRegistry
    server: CallMetrics
    client: CallMetrics

    def text(self) -> bytes:
        """All numbers, in the form whose type is `chassis.metrics.CONTENT_TYPE`."""
        return as_text(self.registry)


_current: ContextVar[Telemetry | None] = ContextVar("chassis_telemetry", default=None)


def current() -> Telemetry:
    """The instruments of the process; outside of `observed`, some that nobody looks at."""
    return _current.get() or _instruments(trace.get_tracer(_SCOPE), lambda _: True)


@asynccontextmanager
async def observed(settings: TelemetrySettings, *, service: str) -> AsyncIterator[Telemetry]:
    """Make the instruments of a process, and make them the current ones inside the block."""
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # spares a second series for each
    before = _current.get()
    async with tracer_provider(settings, service=service) as provider:
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):  # nobody has set one: other libraries'
            trace.set_tracer_provider(provider)  # spans join ours
        telemetry = _instruments(provider.get_tracer(_SCOPE), traced(settings))
        process_metrics(telemetry.registry, service=service)
        async with watched_loop(telemetry.registry):
            _current.set(telemetry)
            try:
                yield telemetry
            finally:
                _current.set(before)  # not a reset: a test's fixture may be left in another context than entered


def _instruments(tracer: trace.Tracer, traced: Callable[[str], bool]) -> Telemetry:
    registry = CollectorRegistry()
    return Telemetry(
        tracer=tracer,
        traced=traced,
        registry=registry,
        server=CallMetrics("server", registry),
        client=CallMetrics("client", registry, "server_address"),
    )
