"""What a log line looks like: one JSON object for machines, or coloured text for a person."""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import JSONEncoder, encode_basestring_ascii
from typing import Any, Final

from opentelemetry import trace

from chassis import context
from chassis.redaction import HIDDEN, clean, names_secret, redact
from faults import Fault

_BLANK: Final = vars(logging.makeLogRecord({}))
_STANDARD: Final = {*_BLANK, "message", "asctime", "taskName"}
_NOT_EXTRA: Final = frozenset(_STANDARD | {"time", "level", "logger", "service", "exception", "stack"})
_COLOURS: Final = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # what a caller sends must not steer a terminal
_quoted: Final = encode_basestring_ascii  # ASCII, so that neither terminal nor half a surrogate pair breaks a line
_encode: Final = JSONEncoder(separators=(",", ":")).encode


class CallRecord(logging.LogRecord):
    """The record of a call: the one line so frequent that making a plain record of it costs too much.

    Its message and its own fields are the chassis', so that nobody looks for secrets in them.
    """

    def __init__(self, name: str, level: int, message: str, created: float, own: Mapping[str, str | float]) -> None:
        known = self.__dict__
        known.update(_BLANK)
        known.update(own)
        self.name, self.msg = name, message
        self.levelno, self.levelname = level, logging.getLevelName(level)
        self.created, self.msecs = created, created % 1 * 1000
        self.own = dict(own)

    def say(self, more: Mapping[str, object]) -> None:
        """Add what others had a hand in: it is cleaned."""
        for key, value in more.items():
            self.__dict__[key] = self.own[key] = clean(value)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = _quoted(service)
        self._second = (0, "")

    def format(self, record: logging.LogRecord) -> str:
        """Everything known about the record, in a stable order: what it is, what it belongs to, its own fields."""
        # Written piece by piece: json.dumps of the whole line takes as long as everything else here together.
        message = record.msg if isinstance(record, CallRecord) else _message(record)
        line = (
            f'{{"time":"{self._time(record)}","level":"{record.levelname}","logger":{_quoted(record.name)},'
            f'"message":{_quoted(message)},"service":{self._service}'
        )
        for key, value in _fields(record).items():
            line += _named(key) + (_quoted(value) if type(value) is str else _json(value))
        return line + "}"

    def _time(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second[0]:
            self._second = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._second[1]}.{int(record.msecs):03}Z"


class TextFormatter(logging.Formatter):
    """One line for a person, followed by the traceback where there is one."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, message, then the fields."""
        fields = _fields(record)
        blocks = [fields.pop("exception", {}).get("stack"), fields.pop("stack", None)]
        level = f"{record.levelname:<8}"
        if self._colour:
            level = f"\x1b[{_COLOURS.get(record.levelname, '0')}m{level}\x1b[0m"
        clock = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
        extras = "".join(f"  {key}={value}" for key, value in fields.items())
        text = "\n".join([f"{record.name}  {_message(record)}{extras}", *filter(None, blocks)])
        return f"{clock} {level} {_CONTROL.sub(_escape, text)}"


def _escape(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02x}"


@lru_cache(maxsize=1024)
def _named(key: str) -> str:
    return f",{_quoted(key)}:"


def _json(value: Any) -> str:
    kind = type(value)  # with text, which stands above, these make up nearly every line; subclasses go the long way
    return repr(value) if kind is int or kind is float else _encode(value)


def _message(record: logging.LogRecord) -> str:
    try:
        return redact(record.getMessage())
    except Exception:  # noqa: BLE001 - arguments that do not fit their message are still worth reading
        return f"{clean(record.msg)} {clean(record.args)}"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = _surroundings()
    if isinstance(record, CallRecord):
        fields.update(record.own)
        return fields
    for key, value in record.__dict__.items():
        if key not in _NOT_EXTRA:
            fields[key] = HIDDEN if names_secret(key) else clean(value)
    if record.exc_info and record.exc_info[1] is not None:
        fields["exception"] = _exception(record.exc_info[1])
    if record.stack_info:
        fields["stack"] = redact(record.stack_info)
    return fields


def _surroundings() -> dict[str, Any]:
    """What the line belongs to: the call, if any, and the span, if any."""
    fields: dict[str, Any] = {}
    call = context.current()
    if call is not None:
        if call.request_id:
            fields["request_id"] = call.request_id
        if call.tenant_id:
            fields["tenant_id"] = call.tenant_id
        if call.workflow_id:
            fields["workflow_id"] = call.workflow_id
        if call.principal is not None:
            fields["principal"] = call.principal.name
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        fields["trace_id"] = f"{span.trace_id:032x}"
        fields["span_id"] = f"{span.span_id:016x}"
    return fields


def _exception(error: BaseException) -> dict[str, Any]:
    described = {"type": type(error).__qualname__, "message": clean(error)}
    if isinstance(error, Fault):
        described["reason"] = error.reason
    described["stack"] = redact("".join(traceback.format_exception(error)).rstrip())
    return described
