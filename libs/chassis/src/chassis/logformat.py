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
from typing import Any, Final, Protocol

import grpc
from opentelemetry import trace

from chassis import context
from chassis.callrecord import LOGGER, MESSAGE, CallRecord, Ended, surroundings, why
from chassis.redaction import HIDDEN, clean, names_secret, redact
from chassis.spans import ids_of
from faults import Fault

_STANDARD: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
_NOT_EXTRA: Final = frozenset(_STANDARD | {"time", "level", "logger", "service", "exception", "stack"})
_COLOURS: Final = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # what a caller sends must not steer a terminal
_OK: Final = grpc.StatusCode.OK
_LEVELS: Final = {level: logging.getLevelName(level) for level in (logging.DEBUG, logging.INFO, logging.ERROR)}
_quoted: Final = encode_basestring_ascii  # ASCII, so that neither terminal nor half a surrogate pair breaks a line
_encode: Final = JSONEncoder(separators=(",", ":")).encode


class Lines(Protocol):
    """Makes lines of records."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""

    def call(self, ended: Ended) -> str:
        """The line of a call, the same as that of its record."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = _quoted(service)
        self._second = (0, "")

    def format(self, record: logging.LogRecord) -> str:
        """Everything known about the record, in a stable order: what it is, what it belongs to, its own fields."""
        if isinstance(record, CallRecord):
            return self.call(record.ended)
        start = self._start(record.created, record.levelname, record.name, _message(record))
        return f"{start}{_written(_fields(record))}}}"

    def call(self, ended: Ended) -> str:
        """The same of a call, in one piece: no line is as frequent.

        What it says is the chassis' own, so that nobody looks for secrets in it.
        """
        call, ids, code = ended.call, ended.span and ids_of(ended.span), ended.code
        start = self._start(ended.when, _LEVELS[ended.level], LOGGER.name, MESSAGE)
        tenant = f',"tenant_id":{_quoted(call.tenant_id)}' if call.tenant_id else ""
        workflow = f',"workflow_id":{_quoted(call.workflow_id)}' if call.workflow_id else ""
        principal = f',"principal":{_quoted(call.principal.name)}' if call.principal else ""
        trace_ids = f',"trace_id":"{ids[0]}","span_id":"{ids[1]}"' if ids else ""
        reason = _written(why(ended.fault)) if ended.fault else ""
        return (
            f'{start},"request_id":{_quoted(call.request_id)}{tenant}{workflow}{principal}{trace_ids},'
            f'"method":{_quoted(call.method)},"code":"{"OK" if code is _OK else code.name}",'
            f'"duration_ms":{round(ended.seconds * 1000, 3)}{reason}}}'
        )

    def _start(self, created: float, level: str, logger: str, message: str) -> str:
        second = int(created)
        if second != self._second[0]:
            self._second = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return (
            f'{{"time":"{self._second[1]}.{int((created - second) * 1000):03}Z","level":"{level}",'
            f'"logger":{_quoted(logger)},"message":{_quoted(message)},"service":{self._service}'
        )


class TextFormatter(logging.Formatter):
    """One line for a person, followed by the traceback where there is one."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, message, then the fields."""
        fields = dict(record.fields) if isinstance(record, CallRecord) else _fields(record)
        blocks = [fields.pop("exception", {}).get("stack"), fields.pop("stack", None)]
        level = f"{record.levelname:<8}"
        if self._colour:
            level = f"\x1b[{_COLOURS.get(record.levelname, '0')}m{level}\x1b[0m"
        clock = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
        extras = "".join(f"  {key}={value}" for key, value in fields.items())
        text = "\n".join([f"{record.name}  {_message(record)}{extras}", *filter(None, blocks)])
        return f"{clock} {level} {_CONTROL.sub(_escape, text)}"

    def call(self, ended: Ended) -> str:
        """The line of a call."""
        return self.format(CallRecord(ended))


def _escape(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02x}"


@lru_cache(maxsize=1024)
def _named(key: str) -> str:
    return f",{_quoted(key)}:"


def _written(fields: Mapping[str, Any]) -> str:
    # Piece by piece: json.dumps takes as long again.
    return "".join(
        [_named(key) + (_quoted(value) if type(value) is str else _json(value)) for key, value in fields.items()]
    )


def _json(value: Any) -> str:
    kind = type(value)  # with text, which stands above, these make up nearly every line; subclasses go the long way
    return repr(value) if kind is int or kind is float else _encode(value)


def _message(record: logging.LogRecord) -> str:
    try:
        return redact(record.getMessage())
    except Exception:  # noqa: BLE001 - arguments that do not fit their message are still worth reading
        return f"{clean(record.msg)} {clean(record.args)}"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = surroundings(context.current(), trace.get_current_span())
    for key, value in record.__dict__.items():
        if key not in _NOT_EXTRA:
            fields[key] = HIDDEN if names_secret(key) else clean(value)
    if record.exc_info and record.exc_info[1] is not None:
        fields["exception"] = _exception(record.exc_info[1])
    if record.stack_info:
        fields["stack"] = redact(record.stack_info)
    return fields


def _exception(error: BaseException) -> dict[str, Any]:
    described = {"type": type(error).__qualname__, "message": clean(error)}
    if isinstance(error, Fault):
        described["reason"] = error.reason
    described["stack"] = redact("".join(traceback.format_exception(error)).rstrip())
    return described
