"""The client of a process, on a real server that comes and goes."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest

from chassis import telemetry
from chassis.tracing import TelemetrySettings
from faults import Fault, Kind
from settingskit import load
from temporalkit.client import TemporalClient
from temporalkit.failures import fault_of
from temporalkit.settings import TemporalSettings


def settings(address, **more):
    return load(TemporalSettings, {"TEMPORAL_ADDRESS": address, **more})


@pytest.fixture
def here(temporal):
    return settings(temporal.address, TEMPORAL_NAMESPACE=temporal.namespace)


@pytest.fixture
def nowhere():
    with socket.socket() as taken:  # bound and not listening: nobody answers there, and nobody else takes it
        taken.bind(("127.0.0.1", 0))
        yield settings(f"127.0.0.1:{taken.getsockname()[1]}")


async def test_it_is_usable_where_the_namespace_is(here):
    async with TemporalClient(here) as temporal:
        await temporal.check()
        assert temporal.client.namespace == here.namespace


async def test_it_starts_while_temporal_is_away_and_says_so(nowhere):
    async with TemporalClient(nowhere) as temporal:
        with pytest.raises(Fault) as caught:
            await temporal.check()
    assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")
    assert caught.value.facts == {"dependency": "temporal"}


async def test_a_missing_namespace_is_no_missing_run(temporal):
    async with TemporalClient(settings(temporal.address, TEMPORAL_NAMESPACE="nowhere")) as client:
        with pytest.raises(Fault) as caught:
            await client.check()
    assert caught.value.kind is Kind.UNAVAILABLE


async def test_a_missing_run_is_not_found(here):
    async with TemporalClient(here) as temporal:
        with pytest.raises(Exception, match="not found") as caught:
            await temporal.client.get_workflow_handle("no-such-run").describe()
    assert fault_of(caught.value).kind is Kind.NOT_FOUND


async def test_before_and_after_it_is_not_open(here):
    temporal = TemporalClient(here)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="not open"):
            _ = temporal.client
        async with temporal:
            await temporal.check()


async def test_it_outlives_a_restart_of_temporal(temporal, here):
    await temporal.stop()
    async with TemporalClient(here) as client:
        with pytest.raises(Fault):
            await client.check()
        connecting = asyncio.create_task(client.connected())
        await temporal.start()
        await client.check()
        assert (await connecting).namespace == here.namespace


async def test_waiting_for_temporal_is_logged_and_can_be_given_up(nowhere, caplog):
    async with TemporalClient(nowhere) as temporal:
        connecting = asyncio.create_task(temporal.connected())
        while "cannot be reached yet" not in caplog.text:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.05)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting


async def test_the_numbers_of_the_sdk_are_among_those_of_the_process(here):
    async with telemetry.observed(load(TelemetrySettings, {}), service="test") as instruments:
        async with TemporalClient(here) as temporal:
            await temporal.check()
            await temporal.check()
            text = instruments.text().decode()
        assert 'temporal_request_total{namespace="default",operation="DescribeNamespace"} 2.0' in text
        assert 'temporal_request_latency_seconds_bucket{le="+Inf",namespace="default",operation="Describ' in text
        assert 'temporal_request_latency_seconds_count{namespace="default",operation="DescribeNamespace"} 2' in text
        assert "temporal_" not in instruments.text().decode()  # once it is closed


async def test_the_log_of_the_engine_is_ours(nowhere, caplog, capfd):
    """Its own format on standard error would be no JSON."""
    caplog.set_level(logging.WARNING)
    async with TemporalClient(nowhere) as temporal:
        with pytest.raises(Fault):
            await temporal.check()
    captured = capfd.readouterr()
    assert "sdk" not in captured.err + captured.out
