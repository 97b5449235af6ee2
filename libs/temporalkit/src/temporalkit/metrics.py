"""The numbers of Temporal's SDK (tasks, latencies, slots, pollers, cache) among those that `/metrics` answers.

The SDK can serve them itself, on a second port of each process, or hand them over in a buffer. They are taken from the
buffer: one port, one scrape. (The SDK's own bridge to OpenTelemetry remembers label sets by the address of an object
that is freed in between, and would write one label set's numbers under another's name.)
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from math import inf
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from temporalio.runtime import (
    BUFFERED_METRIC_KIND_COUNTER,
    BUFFERED_METRIC_KIND_GAUGE,
    BUFFERED_METRIC_KIND_HISTOGRAM,
    BufferedMetric,
    BufferedMetricKind,
    LogForwardingConfig,
    LoggingConfig,
    MetricBuffer,
    MetricBufferDurationFormat,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

_UPDATES: Final = 200_000  # far more than a busy worker makes between two drains
_DRAIN_SECONDS: Final = 1.0
_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
_TYPES: Final = {
    BUFFERED_METRIC_KIND_COUNTER: "counter",
    BUFFERED_METRIC_KIND_GAUGE: "gauge",
    BUFFERED_METRIC_KIND_HISTOGRAM: "histogram",
}
_SUFFIXES: Final = {BUFFERED_METRIC_KIND_COUNTER: "_total", BUFFERED_METRIC_KIND_GAUGE: ""}

Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Series:
    """One line of a metric: a count, what it is now, or a distribution and its sum."""

    value: float = 0.0
    counts: list[int] = field(default_factory=lambda: [0] * (len(_BOUNDS) + 1))

    def apply(self, kind: BufferedMetricKind, value: float) -> None:
        if kind == BUFFERED_METRIC_KIND_GAUGE:
            self.value = value
            return
        self.value += value
        if kind == BUFFERED_METRIC_KIND_HISTOGRAM:
            self.counts[bisect_left(_BOUNDS, value)] += 1


@asynccontextmanager
async def observed_runtime(registry: CollectorRegistry) -> AsyncIterator[Runtime]:
    """The SDK's engine, its numbers in the registry and its log lines among ours. One a process: it has threads."""
    core = CoreMetrics()
    registry.register(core)
    draining = asyncio.create_task(core.drain_regularly())
    try:
        yield core.runtime
    finally:
        registry.unregister(core)
        draining.cancel()
        await asyncio.wait([draining])


class CoreMetrics:
    """A collector of what the SDK's engine counts."""

    def __init__(self) -> None:
        """Start the engine."""
        self._buffer = MetricBuffer(_UPDATES, MetricBufferDurationFormat.SECONDS)
        self.runtime = Runtime(
            telemetry=TelemetryConfig(
                logging=LoggingConfig(
                    TelemetryFilter(core_level="WARN", other_level="ERROR"),
                    LogForwardingConfig(logging.getLogger("temporalio.core"), append_target_to_name=False),
                ),
                metrics=self._buffer,
                attach_service_name=False,
            )
        )
        self._families: dict[str, tuple[BufferedMetric, dict[Labels, _Series]]] = {}

    def collect(self) -> Iterator[Metric]:
        """All numbers, for a scrape."""
        self.drain()
        for metric, series in self._families.values():
            yield _family(metric, series)

    async def drain_regularly(self) -> None:
        """Empty the buffer although nobody scrapes: what does not fit is lost."""
        while True:
            await asyncio.sleep(_DRAIN_SECONDS)
            self.drain()

    def drain(self) -> None:
        """Count what has happened since the last time."""
        for update in self._buffer.retrieve_updates():
            _, series = self._families.setdefault(update.metric.name, (update.metric, {}))
            labels = tuple(sorted((name, _text(value)) for name, value in update.attributes.items()))
            series.setdefault(labels, _Series()).apply(update.metric.kind, update.value)


def _family(metric: BufferedMetric, series: dict[Labels, _Series]) -> Metric:
    """One metric under the name Prometheus would expect: counters end in `_total`, durations in `_seconds`."""
    family = Metric(
        f"{metric.name}_seconds" if metric.unit == "s" else metric.name, metric.description or "", _TYPES[metric.kind]
    )
    for labels, one in series.items():
        if metric.kind == BUFFERED_METRIC_KIND_HISTOGRAM:
            _add_distribution(family, dict(labels), one)
        else:
            family.add_sample(family.name + _SUFFIXES[metric.kind], dict(labels), one.value)
    return family


def _add_distribution(family: Metric, labels: dict[str, str], series: _Series) -> None:
    for bound, count in zip((*_BOUNDS, inf), accumulate(series.counts), strict=True):
        family.add_sample(f"{family.name}_bucket", {**labels, "le": _bound(bound)}, count)
    family.add_sample(f"{family.name}_count", labels, sum(series.counts))
    family.add_sample(f"{family.name}_sum", labels, series.value)


def _bound(value: float) -> str:
    return "+Inf" if value == inf else str(value)


def _text(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
