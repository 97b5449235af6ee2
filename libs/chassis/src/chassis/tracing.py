"""Where spans go and which are recorded, under the names every OpenTelemetry SDK reads from the environment."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import grpc
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace import sampling as otel
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from settingskit import Problem, SettingsInvalid, setting

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

_PATIENCE: Final = 3.0  # seconds a collector gets to take the last spans


class Sampler(enum.Enum):
    """Which spans are recorded."""

    ALWAYS_ON = "always_on"
    ALWAYS_OFF = "always_off"
    RATIO = "traceidratio"
    PARENT_ALWAYS_ON = "parentbased_always_on"
    PARENT_ALWAYS_OFF = "parentbased_always_off"
    PARENT_RATIO = "parentbased_traceidratio"


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """Where spans go, and which are recorded. Numbers need no settings: they wait to be asked for."""

    endpoint: str = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        default="",
        help="Collector that takes spans by OTLP over gRPC, as http://host:4317 or https://host:4317; empty: none.",
    )
    sampler: Sampler = setting(
        "OTEL_TRACES_SAMPLER",
        default=Sampler.PARENT_ALWAYS_ON,
        help="Which spans are recorded where there is a collector.",
    )
    ratio: float = setting(
        "OTEL_TRACES_SAMPLER_ARG",
        default=1.0,
        minimum=0.0,
        maximum=1.0,
        help="The share of traces a ...traceidratio sampler records.",
    )
    excluded_services: tuple[str, ...] = setting(
        "OTEL_PYTHON_GRPC_EXCLUDED_SERVICES", default=(), help="gRPC services whose calls get no span."
    )

    def __post_init__(self) -> None:
        if self.endpoint and not self.endpoint.startswith(("http://", "https://")):
            raise SettingsInvalid([Problem("OTEL_EXPORTER_OTLP_ENDPOINT", "must begin with http:// or https://")])


@asynccontextmanager
async def tracer_provider(settings: TelemetrySettings, *, service: str) -> AsyncIterator[TracerProvider]:
    """A provider of tracers whose spans reach the collector, if there is one, before the block is left."""
    resource = Resource.create({"service.name": service})
    if not settings.endpoint:
        # Every call still has ids, for the logs, and hands on what its caller decided about recording.
        yield TracerProvider(otel.ParentBased(otel.ALWAYS_OFF), resource, shutdown_on_exit=False)
        return
    # 80 ms and 5 MB that only those pay who export.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    provider = TracerProvider(_sampler(settings), resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(settings.endpoint)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield provider
    finally:
        await _shut_down(provider, exporter)


async def _shut_down(provider: TracerProvider, exporter: OTLPSpanExporter) -> None:
    """Send the last spans; the SDK itself would wait half a minute for a collector that is away."""
    enough = asyncio.get_running_loop().call_later(_PATIENCE, exporter.shutdown)
    try:
        await asyncio.to_thread(provider.shutdown)
    except asyncio.CancelledError:
        exporter.shutdown()  # ends the thread's attempts, which nobody waits for any more
        raise
    finally:
        enough.cancel()


def _sampler(settings: TelemetrySettings) -> otel.Sampler:
    root: otel.Sampler = otel.TraceIdRatioBased(settings.ratio)
    if "always_on" in settings.sampler.value:
        root = otel.ALWAYS_ON
    elif "always_off" in settings.sampler.value:
        root = otel.ALWAYS_OFF
    return otel.ParentBased(root) if settings.sampler.value.startswith("parentbased") else root


def traced(settings: TelemetrySettings) -> Callable[[str], bool]:
    """Tells of a method, named as on the wire, whether its calls get spans: health checks do not, nor what is excluded.

    The filters are those of opentelemetry-instrumentation-grpc, the part of it that is right; see
    `chassis.interceptors.telemetry` for the rest. Without a collector no span is recorded, and nothing needs a filter.
    """
    if not settings.endpoint:
        return lambda _: True
    from opentelemetry.instrumentation.grpc import filters

    unwanted: filters.Condition[grpc.aio.ClientCallDetails] = filters.health_check()
    for name in settings.excluded_services:
        unwanted = filters.any_of(unwanted, filters.service_name(name))
    return lambda path: not unwanted(grpc.aio.ClientCallDetails(path, None, None, None, None))
