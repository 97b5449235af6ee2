import asyncio
import time

import grpc
import pytest
from prometheus_client import CollectorRegistry

from chassis import metrics
from chassis.metrics import CallMetrics, as_text, process_metrics, watched_loop

PATH = "/tenantmesh.dns.v1.DnsService/GetRecord"
METHOD = "tenantmesh.dns.v1.DnsService/GetRecord"


@pytest.fixture
def registry():
    return CollectorRegistry()


def test_a_call_is_counted_timed_and_seen_on_its_way(registry):
    calls = CallMetrics("server", registry).of(PATH)
    calls.active += 1
    assert registry.get_sample_value("rpc_server_active_calls", {"rpc_method": METHOD}) == 1
    calls.ended(grpc.StatusCode.NOT_FOUND, 0.3)
    labels = {"rpc_method": METHOD, "rpc_response_status_code": "NOT_FOUND"}
    assert registry.get_sample_value("rpc_server_active_calls", {"rpc_method": METHOD}) == 0
    assert registry.get_sample_value("rpc_server_call_duration_seconds_sum", labels) == 0.3
    assert registry.get_sample_value("rpc_server_call_duration_seconds_bucket", {**labels, "le": "0.25"}) == 0
    assert registry.get_sample_value("rpc_server_call_duration_seconds_bucket", {**labels, "le": "0.5"}) == 1


def test_a_method_asked_for_twice_has_one_set_of_numbers(registry):
    side = CallMetrics("client", registry, "server_address")
    assert side.of(PATH, "dns") is side.of(PATH, "dns")
    assert side.of(PATH, "dns") is not side.of(PATH, "else")


def test_invented_methods_share_one_label(registry):
    side = CallMetrics("client", registry, "server_address")
    for number in range(520):
        side.of(f"/some.Service/{number}", "dns").ended(grpc.StatusCode.UNIMPLEMENTED, 0)
    methods = {sample.labels["rpc_method"] for metric in registry.collect() for sample in metric.samples}
    assert len(methods) == 501
    assert metrics.OTHER in methods


def test_the_process_says_what_it_uses_and_what_it_is(registry):
    process_metrics(registry, service="dns")
    text = as_text(registry).decode()
    for name in ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"):
        assert f"\n{name} " in text
    assert 'target_info{service_name="dns"} 1.0' in text


async def test_a_blocked_loop_shows(registry, monkeypatch):
    monkeypatch.setattr(metrics, "_LAG_INTERVAL", 0.01)
    async with watched_loop(registry):
        await asyncio.sleep(0.02)
        time.sleep(0.2)  # noqa: ASYNC251 - this is the crime
        await asyncio.sleep(0.02)
    assert registry.get_sample_value("event_loop_lag_seconds_sum") > 0.1


async def test_the_watch_ends_with_the_block(registry):
    async with watched_loop(registry):
        assert "event-loop-lag" in {task.get_name() for task in asyncio.all_tasks()}
    assert "event-loop-lag" not in {task.get_name() for task in asyncio.all_tasks()}
