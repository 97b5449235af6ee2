import asyncio
import time

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from chassis import tracing
from chassis.tracing import Sampler, TelemetrySettings, traced, tracer_provider
from settingskit import SettingsInvalid, load

HEALTH, METHOD = "/grpc.health.v1.Health/Check", "/tenantmesh.dns.v1.DnsService/GetRecord"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self):
        self.spans = []
        self.resources = []

    async def Export(self, request, _context):  # noqa: N802 - the contract's name
        for resource_spans in request.resource_spans:
            self.resources.append({each.key: each.value.string_value for each in resource_spans.resource.attributes})
            self.spans += [span.name for scope in resource_spans.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
async def collector():
    servicer, server = Collector(), grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(servicer, server)
    servicer.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield servicer
    await server.stop(None)


def test_settings_have_the_names_every_sdk_has():
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
        "OTEL_PYTHON_GRPC_EXCLUDED_SERVICES": "a.B,c.D",
    }
    assert load(TelemetrySettings, environ) == TelemetrySettings(
        endpoint="http://collector:4317", sampler=Sampler.PARENT_RATIO, ratio=0.1, excluded_services=("a.B", "c.D")
    )


@pytest.mark.parametrize(
    "environ", [{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}, {"OTEL_TRACES_SAMPLER_ARG": "2"}]
)
def test_settings_that_cannot_work_are_refused(environ):
    with pytest.raises(SettingsInvalid, match=next(iter(environ))):
        load(TelemetrySettings, environ)


async def test_spans_reach_the_collector_before_the_block_is_left(collector):
    async with tracer_provider(TelemetrySettings(endpoint=collector.endpoint), service="dns") as provider:
        for number in range(600):
            provider.get_tracer("t").start_span(f"span {number}").end()
    assert sorted(collector.spans) == sorted(f"span {number}" for number in range(600))
    assert {resource["service.name"] for resource in collector.resources} == {"dns"}


async def test_a_collector_that_is_away_delays_the_end_by_little(unused_tcp_port, monkeypatch):
    monkeypatch.setattr(tracing, "_PATIENCE", 0.2)
    started = time.monotonic()
    async with tracer_provider(
        TelemetrySettings(endpoint=f"http://127.0.0.1:{unused_tcp_port}"), service="dns"
    ) as provider:
        provider.get_tracer("t").start_span("lost").end()
    assert time.monotonic() - started < 5


async def test_a_cancel_ends_the_wait_for_the_collector(unused_tcp_port):
    leaving = asyncio.Event()

    async def run():
        settings = TelemetrySettings(endpoint=f"http://127.0.0.1:{unused_tcp_port}")
        async with tracer_provider(settings, service="dns") as provider:
            provider.get_tracer("t").start_span("lost").end()
            leaving.set()

    task = asyncio.create_task(run())
    await leaving.wait()
    await asyncio.sleep(0)
    task.cancel()
    started = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - started < 1


async def test_without_a_collector_a_span_has_ids_and_costs_no_record():
    async with tracer_provider(TelemetrySettings(), service="dns") as provider:
        span = provider.get_tracer("t").start_span("s")
        assert span.get_span_context().is_valid
        assert not span.is_recording()


async def test_without_a_collector_the_caller_s_decision_is_handed_on():
    caller = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    async with tracer_provider(TelemetrySettings(), service="dns") as provider:
        span = provider.get_tracer("t").start_span("s", set_span_in_context(NonRecordingSpan(caller)))
        assert span.get_span_context().trace_flags.sampled
        assert span.get_span_context().trace_id == 1


@pytest.mark.parametrize(
    ("sampler", "ratio", "root", "child"),
    [
        (Sampler.ALWAYS_ON, 0, True, True),
        (Sampler.ALWAYS_OFF, 1, False, False),
        (Sampler.RATIO, 0, False, False),
        (Sampler.RATIO, 1, True, True),
        (Sampler.PARENT_ALWAYS_ON, 0, True, True),
        (Sampler.PARENT_ALWAYS_OFF, 1, False, True),
        (Sampler.PARENT_RATIO, 0, False, True),
    ],
)
async def test_each_sampler_records_what_it_says(collector, sampler, ratio, root, child):
    caller = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    settings = TelemetrySettings(endpoint=collector.endpoint, sampler=sampler, ratio=ratio)
    async with tracer_provider(settings, service="dns") as provider:
        start = provider.get_tracer("t").start_span
        assert start("s").is_recording() is root
        assert start("s", set_span_in_context(NonRecordingSpan(caller))).is_recording() is child


def test_health_checks_and_excluded_services_get_no_span():
    is_traced = traced(TelemetrySettings(endpoint="http://x:1", excluded_services=("chatty.Service",)))
    assert [is_traced(path) for path in (METHOD, HEALTH, "/chatty.Service/Talk", "/chatty.ServiceTwo/Talk")] == [
        True,
        False,
        False,
        True,
    ]


def test_without_a_collector_nothing_needs_a_filter():
    assert traced(TelemetrySettings())(HEALTH)
