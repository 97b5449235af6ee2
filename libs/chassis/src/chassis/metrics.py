"""The numbers a process gives its operators, in the Prometheus text form.

Written with prometheus_client: on this hardware one observation takes 0.8 us there and 7.4 us with OpenTelemetry's
metrics SDK, for every call and twice (duration, calls in flight). The names are those of OpenTelemetry's conventions
for RPC metrics, in the form its Prometheus exporter gives them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import grpc
from prometheus_client import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector, generate_latest

__all__ = ["CONTENT_TYPE", "CallMetrics", "MethodMetrics", "as_text", "process_metrics", "watched_loop"]

OTHER: Final = "_OTHER"
_METHODS: Final = 500  # more than a process serves or calls; whoever makes names up gets no series of their own
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_LAGS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_LAG_INTERVAL: Final = 1.0


class MethodMetrics:
    """The numbers of one method, looked up once so that counting a call costs little."""

    __slots__ = ("_active", "_children", "_durations", "_labels")

    def __init__(self, durations: Histogram, active: Gauge, labels: tuple[str, ...]) -> None:
        self._durations = durations
        self._labels = labels
        self._active = active.labels(*labels)
        self._children: dict[grpc.StatusCode, Histogram] = {}

    def started(self) -> None:
        """Count a call that is on its way."""
        self._active.inc()

    def ended(self, code: grpc.StatusCode, seconds: float) -> None:
        """Count a call that is over."""
        self._active.dec()
        child = self._children.get(code)
        if child is None:
            child = self._children[code] = self._durations.labels(*self._labels, code.name)
        child.observe(seconds)


class CallMetrics:
    """Rate, errors and duration of the calls on one side, by method. The number of methods is bounded."""

    def __init__(self, side: str, registry: CollectorRegistry, *labels: str) -> None:
        self._durations = Histogram(
            f"rpc_{side}_call_duration_seconds",
            f"How long calls took, from the {side}'s side.",
            ("rpc_method", *labels, "rpc_response_status_code"),
            registry=registry,
            buckets=_SECONDS,
        )
        self._active = Gauge(
            f"rpc_{side}_active_calls", "Calls on their way.", ("rpc_method", *labels), registry=registry
        )
        self._methods: dict[tuple[str, ...], MethodMetrics] = {}

    def of(self, path: str, *labels: str) -> MethodMetrics:
        """The numbers of a method, named as on the wire: `/tenantmesh.dns.v1.DnsService/GetRecord`."""
        key = (path[1:] if len(self._methods) < _METHODS else OTHER, *labels)
        if key not in self._methods:
            self._methods[key] = MethodMetrics(self._durations, self._active, key)
        return self._methods[key]


def process_metrics(registry: CollectorRegistry, *, service: str) -> None:
    """Add what the process uses (memory, processor time, open files), and which service it is."""
    ProcessCollector(registry=registry)
    Gauge("target_info", "Which service this is.", ("service_name",), registry=registry).labels(service).set(1)


@asynccontextmanager
async def watched_loop(registry: CollectorRegistry) -> AsyncIterator[None]:
    """Measure, inside the block, how late the event loop wakes those who wait: what blocks it, everybody waits for."""
    lag = Histogram("event_loop_lag_seconds", "How late the event loop was.", registry=registry, buckets=_LAGS)
    task = asyncio.create_task(_measure(lag), name="event-loop-lag")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _measure(lag: Histogram) -> None:
    time = asyncio.get_running_loop().time
    while True:
        due = time() + _LAG_INTERVAL
        await asyncio.sleep(_LAG_INTERVAL)
        lag.observe(max(time() - due, 0.0))


def as_text(registry: CollectorRegistry) -> bytes:
    """All numbers, as `/metrics` answers them with `CONTENT_TYPE`."""
    return generate_latest(registry)
