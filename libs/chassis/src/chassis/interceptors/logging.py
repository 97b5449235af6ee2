"""The layer that writes one line for every call. Who called and for whom is added to each line from the context."""

from __future__ import annotations

import asyncio
import logging
import time
from contextvars import copy_context
from typing import Any

import grpc
from opentelemetry import context as tracing

from chassis import context
from chassis.context import CallContext
from chassis.interceptors.call import Call, Handler, Method

_log = logging.getLogger(__name__)
_OURS = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS})
"""The codes that say a caller could not have done better."""

_TOGETHER = 128
_SECONDS = 0.1


class CallLog:
    """Writes the lines of several calls together.

    Between two calls gRPC's own code displaces from the processor's caches what writing a line needs: one line alone
    takes 34 us, one of many takes 12. Until then each call leaves what its line will say, and nothing larger.
    """

    def __init__(self) -> None:
        self._ended: list[tuple[CallContext, tracing.Context, int, float, dict[str, object]]] = []
        self._timer: asyncio.TimerHandle | None = None

    def layer(self, method: Method, proceed: Handler) -> Handler:
        """Log how each call of a method ended. Probes and tools ask often, so that theirs are for debugging only."""
        usual = logging.DEBUG if method.builtin else logging.INFO

        async def handle(call: Call) -> Any:
            try:
                return await proceed(call)
            finally:
                level = logging.ERROR if call.code in _OURS else usual
                if _log.isEnabledFor(level):
                    self._note(level, call)

        return handle

    def flush(self) -> None:
        """Write what is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        copy_context().run(self._write)

    def _note(self, level: int, call: Call) -> None:
        self._ended.append((call.facts, tracing.get_current(), level, time.time(), _fields(call)))
        if len(self._ended) >= _TOGETHER:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SECONDS, self.flush)

    def _write(self) -> None:
        """Write each line as if its call were still the current one."""
        ended, self._ended = self._ended, []
        for facts, span, level, when, fields in ended:
            context.enter(facts)
            tracing.attach(span)
            record = _log.makeRecord(_log.name, level, "", 0, "call ended", (), None, extra=fields)
            record.created, record.msecs = when, when % 1 * 1000
            _log.handle(record)


def _fields(call: Call) -> dict[str, object]:
    fields: dict[str, object] = {
        "method": call.method.path,
        "code": call.code.name,
        "duration_ms": round((time.perf_counter() - call.started) * 1000, 3),
    }
    if call.fault is not None:
        fields |= {"reason": call.fault.reason, "facts": call.fault.facts}
        if call.fault.__cause__ is not None:
            fields["cause"] = repr(call.fault.__cause__)
    return fields
