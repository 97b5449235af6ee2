"""What a call leaves behind for its line in the log, and the line as a record for whoever wants one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import grpc
from opentelemetry.trace import Span

from chassis.context import CallContext
from chassis.redaction import clean
from chassis.spans import ids_of
from faults import Fault

LOGGER: Final = logging.getLogger("chassis.calls")
MESSAGE: Final = "call ended"
_BLANK: Final = vars(logging.makeLogRecord({}))


class Ended(NamedTuple):
    """How a call ended."""

    call: CallContext
    span: Span | None
    level: int
    when: float
    seconds: float
    code: grpc.StatusCode
    fault: Fault | None = None


class CallRecord(logging.LogRecord):
    """The record of a call, with what it belongs to among its fields: by now its context is gone."""

    def __init__(self, ended: Ended) -> None:
        self.ended = ended
        self.fields = {
            **surroundings(ended.call, ended.span),
            "method": ended.call.method,
            "code": ended.code.name,
            "duration_ms": round(ended.seconds * 1000, 3),
            **why(ended.fault),
        }
        self.__dict__ |= {**_BLANK, **self.fields, "name": LOGGER.name, "msg": MESSAGE}
        self.levelno, self.levelname = ended.level, logging.getLevelName(ended.level)
        self.created, self.msecs = ended.when, ended.when % 1 * 1000


def surroundings(call: CallContext | None, span: Span | None) -> dict[str, Any]:
    """What a line belongs to: the call, if any, and the span, if any."""
    fields: dict[str, Any] = {}
    if call is not None:
        named = {"request_id": call.request_id, "tenant_id": call.tenant_id, "workflow_id": call.workflow_id}
        fields.update((name, value) for name, value in named.items() if value)
        if call.principal is not None:
            fields["principal"] = call.principal.name
    ids = None if span is None else ids_of(span)
    if ids is not None:
        fields["trace_id"], fields["span_id"] = ids
    return fields


def why(fault: Fault | None) -> Mapping[str, Any]:
    """Why a call failed. Others had a hand in that: it is cleaned."""
    if fault is None:
        return {}
    why: dict[str, Any] = {"reason": fault.reason, "facts": clean(fault.facts)}
    return why if fault.__cause__ is None else {**why, "cause": clean(repr(fault.__cause__))}
