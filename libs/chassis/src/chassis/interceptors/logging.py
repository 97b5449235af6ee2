"""The layer that writes one line for every call. Who called and for whom is added to each line from the context."""

from __future__ import annotations

import asyncio
import logging
import time
from contextvars import copy_context
from typing import Any, TypeAlias

import grpc
from opentelemetry import context as tracing

from chassis import context
from chassis.context import CallContext
from chassis.interceptors.call import Call, Handler, Method
from chassis.logformat import CallRecord
from faults import Fault

_log = logging.getLogger(__name__)
_OK = grpc.StatusCode.OK
_OURS = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS})
"""The codes that say a caller could not have done better."""

_TOGETHER = 128
_SECONDS = 0.1

Ended: TypeAlias = tuple[CallContext, tracing.Context, int, float, float, grpc.StatusCode, Fault | None]
"""What a call leaves behind for its line: facts, span, level, when it ended, how long it took, how, and why."""


class CallLog:
    """Writes the lines of several calls together.

    Between two calls gRPC's own code displaces from the processor's caches what writing a line needs: one line alone
    takes 40 us, one of many 9. Until then each call leaves what its line will say, and nothing larger.
    """

    def __init__(self) -> None:
        self._ended: list[Ended] = []
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
                if _log.isEnabledFor(level):
                    seconds = time.perf_counter() - call.started
                    self._note((call.facts, tracing.get_current(), level, time.time(), seconds, code, call.fault))

        return handle

    def flush(self) -> None:
        """Write what is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        copy_context().run(self._write)

    def _note(self, ended: Ended) -> None:
        self._ended.append(ended)
        if len(self._ended) >= _TOGETHER:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SECONDS, self.flush)

    def _write(self) -> None:
        """Write each line as if its call were still the current one."""
        calls, self._ended = self._ended, []
        for facts, span, level, when, seconds, code, fault in calls:
            context.enter(facts)
            tracing.attach(span)
            own: dict[str, str | float] = {
                "method": facts.method,
                "code": code.name,
                "duration_ms": round(seconds * 1000, 3),
            }
            record = CallRecord(_log.name, level, "call ended", when, own)
            if fault is not None:
                record.say(_why(fault))
            _log.handle(record)


def _why(fault: Fault) -> dict[str, object]:
    why: dict[str, object] = {"reason": fault.reason, "facts": fault.facts}
    return why if fault.__cause__ is None else {**why, "cause": repr(fault.__cause__)}
