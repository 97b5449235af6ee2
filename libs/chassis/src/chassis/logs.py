"""Log lines on standard output: one JSON object each, or coloured text for a person at a terminal.

Code logs with the standard library: `logging.getLogger(__name__).info("zone refreshed", extra={"zone": zone})`. Extra
fields become fields of the line. The request, tenant, workflow and trace in hand are added by themselves, secrets are
hidden, and nothing that is logged can make logging raise.
"""

from __future__ import annotations

import enum
import logging
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Final, TextIO

from chassis.callrecord import Ended
from chassis.logformat import JsonFormatter, Lines, TextFormatter
from settingskit import setting

_NOISY: Final = ("asyncio", "grpc", "hpack", "urllib3")  # what they say below a warning is of use only to their makers
_UNWRITTEN_LINES: Final = 20_000
_GATHERING: Final = 0.02
# What logging collects for every record and no line of ours shows: a third of its cost (Python's own logging cookbook).
_NEEDLESS: Final = {"logThreads": False, "logProcesses": False, "logMultiprocessing": False, "_srcfile": None}


class LogLevel(enum.Enum):
    """How important a line must be to be written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(enum.Enum):
    """What a line looks like."""

    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is logged, and how."""

    level: LogLevel = setting("LOG_LEVEL", default=LogLevel.INFO, help="Least important level that is logged.")
    format: LogFormat = setting("LOG_FORMAT", default=LogFormat.JSON, help="json for machines, text for a terminal.")


@contextmanager
def logging_to(settings: LogSettings, *, service: str, stream: TextIO | None = None) -> Iterator[None]:
    """Send what this process logs, and its warnings, to a stream (standard output) until the block ends."""
    out = stream or sys.stdout
    handler = BufferedHandler(
        out, JsonFormatter(service) if settings.format is LogFormat.JSON else TextFormatter(colour=out.isatty())
    )
    level = getattr(logging, settings.level.name)
    root = logging.getLogger()
    with ExitStack() as undo:
        undo.callback(handler.close)
        for name in _NOISY:
            noisy = logging.getLogger(name)
            undo.callback(noisy.setLevel, noisy.level)
            noisy.setLevel(max(level, logging.WARNING))
        for name, value in _NEEDLESS.items():
            undo.callback(setattr, logging, name, getattr(logging, name))
            setattr(logging, name, value)
        undo.callback(root.setLevel, root.level)
        root.setLevel(level)
        undo.callback(setattr, root, "handlers", root.handlers)
        root.handlers = [handler]
        undo.callback(logging.captureWarnings, capture=False)
        logging.captureWarnings(capture=True)
        yield


class BufferedHandler(logging.Handler):
    """Formats where the line is logged, where the call and the span are known, and writes in a thread of its own.

    A reader that stalls must not stall the event loop, and one write for many lines costs less than one for each.
    When the reader stays away the oldest lines are dropped, and the next that gets through says how many.
    """

    def __init__(self, stream: TextIO, lines: Lines) -> None:
        super().__init__()
        self._stream = stream
        self._formatted = lines
        self._lines: deque[str] = deque(maxlen=_UNWRITTEN_LINES)
        self._dropped = 0
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the line."""
        self._queue([self._formatted.format(record)])

    def calls(self, ended: Iterable[Ended]) -> None:
        """Queue the lines of calls: the same as handling a record of each, for a fraction of the cost."""
        call = self._formatted.call
        self._queue([call(one) for one in ended])

    def _queue(self, lines: list[str]) -> None:
        self._dropped += max(len(self._lines) + len(lines) - _UNWRITTEN_LINES, 0)
        self._lines.extend(lines)
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Write what is left; a reader that has stalled is given a few seconds."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout=3)
        super().close()

    def _run(self) -> None:
        while not self._closing.is_set() or self._lines:
            self._wake.wait()
            self._closing.wait(_GATHERING)  # a thread that wakes for each line costs more than the line
            self._wake.clear()
            self._write()

    def _write(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if self._dropped:
            lines.append(self._formatted.format(_dropped(self._dropped)))
            self._dropped = 0
        # A reader that is gone, or a stream that is closed, leaves nobody to tell.
        with suppress(OSError, ValueError):
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()


def _dropped(count: int) -> logging.LogRecord:
    return logging.makeLogRecord(
        {"name": __name__, "levelname": "WARNING", "msg": "log lines dropped: nobody read them", "dropped": count}
    )
