import json
import logging

import grpc
import pytest
from opentelemetry.sdk.trace import TracerProvider

from chassis.callrecord import CallRecord, Ended
from chassis.context import CallContext
from chassis.logformat import JsonFormatter, TextFormatter
from chassis.permissions import Permissions
from chassis.principal import Principal
from chassis.spans import Unrecorded
from faults import Unavailable

METHOD = "/tenantmesh.dns.v1.DnsService/GetRecord"
SPAN = Unrecorded("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
WHO = Principal('the "worker"', Permissions(()))


def ended(call=None, span=None, code=grpc.StatusCode.OK, fault=None):
    call = call or CallContext(METHOD, "r")
    level = logging.INFO if code is grpc.StatusCode.OK else logging.ERROR
    return Ended(call, span, level, 1_763_737_200.25, 0.0015, code, fault)


def failed():
    fault = Unavailable("away", reason="DATABASE_AWAY", facts={"token": "abc"})
    fault.__cause__ = ConnectionError("postgres://app:hunter2@db refused")
    return fault


def test_the_line_of_a_call_is_like_any_other():
    line = JsonFormatter("dns").call(ended(CallContext(METHOD, "r", "t", "w", WHO), SPAN))
    assert list(json.loads(line).items()) == [
        ("time", "2025-11-21T15:00:00.250Z"),
        ("level", "INFO"),
        ("logger", "chassis.calls"),
        ("message", "call ended"),
        ("service", "dns"),
        ("request_id", "r"),
        ("tenant_id", "t"),
        ("workflow_id", "w"),
        ("principal", 'the "worker"'),
        ("trace_id", "0af7651916cd43dd8448eb211c80319c"),
        ("span_id", "b7ad6b7169203331"),
        ("method", METHOD),
        ("code", "OK"),
        ("duration_ms", 1.5),
    ]


def test_what_is_not_known_is_not_said():
    line = json.loads(JsonFormatter("dns").call(ended()))
    assert list(line)[5:] == ["request_id", "method", "code", "duration_ms"]


def test_what_others_had_a_hand_in_is_cleaned():
    line = json.loads(JsonFormatter("dns").call(ended(code=grpc.StatusCode.UNAVAILABLE, fault=failed())))
    assert (line["level"], line["code"], line["reason"]) == ("ERROR", "UNAVAILABLE", "DATABASE_AWAY")
    assert line["facts"] == {"token": "***"}
    assert "hunter2" not in line["cause"]
    assert "refused" in line["cause"]


@pytest.mark.parametrize("call", [None, CallContext(METHOD, "r", "t", "w", WHO)])
@pytest.mark.parametrize("span", [None, SPAN])
@pytest.mark.parametrize("fault", [None, failed()])
def test_its_record_says_the_same(call, span, fault):
    one = ended(call, span, grpc.StatusCode.UNAVAILABLE if fault else grpc.StatusCode.OK, fault)
    line = json.loads(JsonFormatter("dns").call(one))
    record = CallRecord(one)
    assert json.loads(JsonFormatter("dns").format(record)) == line
    assert {name: value for name, value in line.items() if name in record.fields} == record.fields
    assert {name: getattr(record, name) for name in record.fields} == record.fields


def test_a_record_serves_handlers_that_know_nothing_of_calls():
    record = CallRecord(ended())
    assert logging.Formatter("%(levelname)s %(name)s %(code)s %(message)s").format(record) == (
        "INFO chassis.calls OK call ended"
    )
    assert f"call ended  request_id=r  method={METHOD}  code=OK" in TextFormatter(colour=False).call(ended())


def test_a_span_that_is_recorded_is_named_too():
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        line = json.loads(JsonFormatter("dns").call(ended(span=span)))
    assert line["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert line["span_id"] == f"{span.get_span_context().span_id:016x}"
