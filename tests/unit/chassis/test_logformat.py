import json
import logging
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider

import faults
from chassis import context
from chassis.context import CallContext
from chassis.logformat import JsonFormatter, TextFormatter
from chassis.permissions import Permissions
from chassis.principal import Principal


def record(message="zone refreshed", *args, exc_info=None, stack=None, **extra):
    log = logging.getLogger("dns_service.zones")
    return log.makeRecord(log.name, logging.INFO, "f.py", 1, message, args, exc_info, extra=extra, sinfo=stack)


def as_json(*args, **kwargs):
    line = JsonFormatter("dns").format(record(*args, **kwargs))
    assert "\n" not in line
    return json.loads(line)


def as_text(*args, colour=False, **kwargs):
    return TextFormatter(colour=colour).format(record(*args, **kwargs))


def raised(error):
    try:
        raise error
    except type(error):
        return sys.exc_info()


def test_a_line_says_what_when_where():
    when = record()
    when.created, when.msecs = 1_763_737_200.25, 250.0
    assert list(json.loads(JsonFormatter("dns").format(when)).items()) == [
        ("time", "2025-11-21T15:00:00.250Z"),
        ("level", "INFO"),
        ("logger", "dns_service.zones"),
        ("message", "zone refreshed"),
        ("service", "dns"),
    ]


def test_the_second_goes_on():
    formatter, early, late = JsonFormatter("dns"), record(), record()
    early.created, late.created = 1.0, 2.0
    early.msecs = late.msecs = 0
    assert [json.loads(formatter.format(each))["time"][-5:] for each in (early, late, early)] == [
        "1.000Z"[-5:],
        "2.000Z"[-5:],
        "1.000Z"[-5:],
    ]


def test_the_call_in_hand_is_named():
    principal = Principal("spiffe://mesh/worker", Permissions(()))
    with context.using(CallContext(request_id="r", tenant_id="t", workflow_id="w", principal=principal)):
        line = as_json()
    assert {key: line[key] for key in ("request_id", "tenant_id", "workflow_id", "principal")} == {
        "request_id": "r",
        "tenant_id": "t",
        "workflow_id": "w",
        "principal": "spiffe://mesh/worker",
    }


def test_what_is_not_known_is_not_said():
    with context.using(CallContext()):
        assert as_json().keys() == {"time", "level", "logger", "message", "service"}


def test_the_span_in_hand_is_named():
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        line = as_json()
    assert line["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert line["span_id"] == f"{span.get_span_context().span_id:016x}"


def test_extra_fields_pass_through_with_their_types():
    line = as_json(zone="example.com", count=3, took=1.5, fine=True, nothing=None, list=["a"])
    assert (line["zone"], line["count"], line["took"], line["fine"], line["nothing"], line["list"]) == (
        "example.com", 3, 1.5, True, None, ["a"],
    )  # fmt: skip


def test_an_extra_field_does_not_pass_for_the_line_s_own():
    line = as_json(service="else", level="CRITICAL", time="never")
    assert (line["service"], line["level"]) == ("dns", "INFO")


def test_a_more_precise_tenant_wins_over_the_call_s():
    with context.using(CallContext(tenant_id="caller")):
        assert as_json(tenant_id="other")["tenant_id"] == "other"


@pytest.mark.parametrize("render", [as_json, as_text])
def test_secrets_are_hidden_everywhere(render):
    error = raised(ValueError("postgres://app:hunter2@db"))
    line = str(
        render(
            "password=%s",
            "hunter2",
            exc_info=error,
            stack="token=hunter2",
            api_key="hunter2",
            a={"dsn": "x://u:hunter2@h"},
        )
    )
    assert "hunter2" not in line
    assert line.count("***") >= 5


def test_an_exception_is_a_field():
    line = as_json(exc_info=raised(faults.NotFound("gone", reason="RECORD_NOT_FOUND")))
    assert {key: line["exception"][key] for key in ("type", "message", "reason")} == {
        "type": "NotFound",
        "message": "gone",
        "reason": "RECORD_NOT_FOUND",
    }
    assert "in raised" in line["exception"]["stack"]


def test_another_exception_has_no_reason():
    assert as_json(exc_info=raised(ValueError("x")))["exception"].keys() == {"type", "message", "stack"}


def test_exc_info_without_an_exception_is_nothing():
    assert "exception" not in as_json(exc_info=(None, None, None))


def test_the_stack_is_a_field():
    assert as_json(stack="Stack: here")["stack"] == "Stack: here"


class Awkward:
    def __str__(self):
        msg = "no"
        raise RuntimeError(msg)

    __repr__ = __str__


@pytest.mark.parametrize("render", [as_json, as_text])
def test_nothing_that_is_logged_makes_logging_raise(render):
    render("%s %s", "too few", exc_info=raised(ValueError(Awkward())))
    render("%s", Awkward(), odd=Awkward(), nan=float("nan"), half="\ud800", deep={"a": Awkward()}, b=b"\xff")
    render(Awkward())


def test_text_is_for_a_person():
    line = as_text("hello %s", "you", zone="z")
    assert line.split(" ", 1)[1] == "INFO     dns_service.zones  hello you  zone=z"
    assert as_text(colour=True).count("\x1b[32mINFO    \x1b[0m") == 1


def test_text_ends_in_the_traceback():
    assert as_text(exc_info=raised(ValueError("x")), stack="Stack").endswith("ValueError: x\nStack")


def test_a_caller_cannot_steer_the_terminal():
    assert "\x1b" not in as_text("name \x1b[2J", colour=False)
