import io
import json
import logging

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.fixtures.worlds import TENANT, refused, until

from chassis.interceptors import logging as layer
from chassis.logs import LogSettings, logging_to
from faults import NotFound

METHOD = "/tenantmesh.dns.v1.DnsService/GetRecord"


@pytest.fixture(autouse=True)
def everything(caplog):
    caplog.set_level(logging.DEBUG, "chassis.calls")


async def test_a_call_is_one_line(world, caplog):
    await world.get()
    record = await world.line(caplog, code="OK", method=METHOD)
    assert record.levelno == logging.INFO
    assert 0 < record.duration_ms < 5000
    assert not hasattr(record, "reason")


async def test_a_line_says_whose_call_it_was_although_that_is_gone(world, caplog):
    trace = "0af7651916cd43dd8448eb211c80319c"
    await world.get(metadata=[("x-request-id", "r-1"), ("traceparent", f"00-{trace}-b7ad6b7169203331-00")])
    record = await world.line(caplog, code="OK")
    assert (record.request_id, record.tenant_id, record.principal) == ("r-1", TENANT, "development")
    assert (record.trace_id, record.span_id) == (trace, "b7ad6b7169203331")
    assert record.created > 1_700_000_000


async def test_all_who_listen_hear_of_it(world):
    class Listener(logging.Handler):
        def __init__(self, level):
            super().__init__(level)
            self.heard = []

        def emit(self, record):
            self.heard.append(record.code)

    log = logging.getLogger("chassis.calls")
    listeners = Listener(logging.INFO), Listener(logging.WARNING)
    stream = io.StringIO()
    try:
        for listener in listeners:
            log.addHandler(listener)
        with logging_to(LogSettings(), service="dns", stream=stream):
            await world.get()
            await until(lambda: listeners[0].heard)
    finally:
        for listener in listeners:
            log.removeHandler(listener)
    assert [listener.heard for listener in listeners] == [["OK"], []]
    assert json.loads(stream.getvalue().splitlines()[-1])["code"] == "OK"


async def test_a_refusal_says_why(world, caplog):
    async def answer(_request):
        raise NotFound("no such record", reason="RECORD_NOT_FOUND", facts={"name": "a"})

    world.handlers.answer = answer
    await refused(world.get())
    record = await world.line(caplog, code="NOT_FOUND", reason="RECORD_NOT_FOUND")
    assert record.levelno == logging.INFO
    assert record.facts == {"name": "a"}


async def test_our_own_failure_is_an_error(world, caplog):
    async def answer(_request):
        raise ZeroDivisionError

    world.handlers.answer = answer
    await refused(world.get())
    assert (await world.line(caplog, code="INTERNAL")).levelno == logging.ERROR


async def test_probes_are_for_debugging(world, caplog):
    await health_pb2_grpc.HealthStub(world.channel).Check(health_pb2.HealthCheckRequest())
    record = await world.line(caplog, method="/grpc.health.v1.Health/Check")
    assert record.levelno == logging.DEBUG


async def test_lines_nobody_wants_cost_nothing(world, caplog):
    caplog.set_level(logging.WARNING, "chassis.calls")
    await world.get()
    caplog.set_level(logging.DEBUG, "chassis.calls")
    await world.get("second.example")
    await world.line(caplog, code="OK")
    assert len(lines(caplog)) == 1


async def test_many_calls_are_written_at_once(world, caplog, monkeypatch):
    monkeypatch.setattr(layer, "_TOGETHER", 5)
    monkeypatch.setattr(layer, "_SECONDS", 60)
    for _ in range(4):
        await world.get()
    assert not lines(caplog)
    await world.get()
    assert len(lines(caplog)) == 5


def lines(caplog):
    return [record for record in caplog.records if record.getMessage() == "call ended"]
