import subprocess
import sys

import grpc

from chassis.telemetry import TelemetrySettings, current, observed


async def test_inside_the_block_the_instruments_are_current():
    async with observed(TelemetrySettings(), service="dns") as telemetry:
        assert current() is telemetry
        async with observed(TelemetrySettings(), service="storage") as inner:
            assert current() is inner
        assert current() is telemetry
    assert current() is not telemetry


async def test_the_text_has_every_number_once_and_no_creation_times():
    async with observed(TelemetrySettings(), service="dns") as telemetry:
        telemetry.server.of("/s.S/M").ended(grpc.StatusCode.OK, 0.1)
        telemetry.client.of("/s.S/M", "storage").ended(grpc.StatusCode.OK, 0.1)
        text = telemetry.text().decode()
    assert 'rpc_server_call_duration_seconds_count{rpc_method="s.S/M",rpc_response_status_code="OK"} 1.0' in text
    assert 'rpc_client_active_calls{rpc_method="s.S/M",server_address="storage"}' in text
    assert "event_loop_lag_seconds_count" in text
    assert "process_resident_memory_bytes" in text
    assert "_created" not in text


def test_outside_of_it_instruments_work_and_nobody_looks():
    telemetry = current()
    telemetry.client.of("/s.S/M", "dns").ended(grpc.StatusCode.OK, 0.1)
    telemetry.tracer.start_span("s").end()
    assert telemetry.traced("/s.S/M")


def test_other_libraries_spans_join_and_a_second_process_in_one_is_no_error():
    code = """
import asyncio, warnings
warnings.simplefilter("error")
from opentelemetry import trace
from chassis.telemetry import TelemetrySettings, observed

async def main():
    async with observed(TelemetrySettings(), service="dns") as telemetry:
        with telemetry.tracer.start_as_current_span("ours") as ours:
            with trace.get_tracer("theirs").start_as_current_span("theirs") as theirs:
                assert theirs.get_span_context().trace_id == ours.get_span_context().trace_id
                assert theirs.get_span_context().span_id != ours.get_span_context().span_id
    async with observed(TelemetrySettings(), service="dns"):
        pass

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_what_is_not_configured_is_not_imported():
    code = """
import asyncio, sys
from chassis.telemetry import TelemetrySettings, observed

async def main():
    async with observed(TelemetrySettings(), service="dns"):
        pass

asyncio.run(main())
unwanted = "opentelemetry.exporter", "opentelemetry.instrumentation"
assert not [name for name in sys.modules if name.startswith(unwanted)]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
