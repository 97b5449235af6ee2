"""The layer that writes one line for every call: who called, for whom, how it ended and how long it took."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import Any

import grpc

from chassis.callrecord import LOGGER, CallRecord, Ended
from chassis.interceptors.call import Call, Handler, Method
from chassis.logs import BufferedHandler

_OK = grpc.StatusCode.OK
_OURS = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS})
"""The codes that say a caller could not have done better."""

_TOGETHER = 128
_SECONDS = 0.1


class CallLog:
    """Writes the lines of several calls together.

    Between two calls gRPC's own code displaces from the processor's caches what writing a line needs: one of many costs
    a fraction of one alone. Until then each call leaves what its line will say, and nothing larger.
    """

    def __init__(self) -> None:
        self._ended: list[tuple[Any, ...]] = []  # of what `Ended` is made, which takes longer to make than a tuple
        self._timer: asyncio.TimerHandle | None = None

    def layer(self, method: Method, proceed: Handler) -> Handler:
        """Log how each call of a method ended. Probes and tools ask often, so that theirs are for debugging only."""
        usual = logging.DEBUG if method.builtin else logging.INFO

        async def handle(call: Call) -> Any:
            try:
                return await proceed(call)
            finally:
                code = call.code
                level = logging.ERROR if code is not _OK and code in _OURS else usual
                if LOGGER.isEnabledFor(level):
                    seconds = time.perf_counter() - call.started
                    self._note((call.facts, call.span, level, time.time(), seconds, code, call.fault))

        return handle

    def flush(self) -> None:
        """Write what is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._write()

    def _note(self, ended: tuple[Any, ...]) -> None:
        self._ended.append(ended)
        if len(self._ended) >= _TOGETHER:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SECONDS, self.flush)

    def _write(self) -> None:
        calls, self._ended = list(map(Ended._make, self._ended)), []
        for handler in _handlers():
            if isinstance(handler, BufferedHandler):
                handler.calls(calls)
            else:
                for record in map(CallRecord, calls):
                    if record.levelno >= handler.level:
                        handler.handle(record)


def _handlers() -> Iterator[logging.Handler]:
    """Those whom `logging` would hand a record."""
    logger: logging.Logger | None = LOGGER
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None
