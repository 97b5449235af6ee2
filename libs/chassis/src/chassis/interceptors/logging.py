"""The layer that writes one line for every call. Who called and for whom is added to each line from the context."""

from __future__ import annotations

import logging
import time
from typing import Any

import grpc

from chassis.interceptors.call import Call, Handler, Method

_log = logging.getLogger(__name__)
_OURS = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS})
"""The codes that say a caller could not have done better."""


def log_call(method: Method, proceed: Handler) -> Handler:
    """Log how each call of the method ended. Probes and tools ask often, so that theirs are for debugging only."""
    usual = logging.DEBUG if method.builtin else logging.INFO

    async def handle(call: Call) -> Any:
        try:
            return await proceed(call)
        finally:
            level = logging.ERROR if call.code in _OURS else usual
            if _log.isEnabledFor(level):
                _log.log(level, "call finished", extra=_facts(call))

    return handle


def _facts(call: Call) -> dict[str, object]:
    facts: dict[str, object] = {
        "code": call.code.name,
        "duration_ms": round((time.perf_counter() - call.started) * 1000, 3),
    }
    if call.fault is not None:
        facts |= {"reason": call.fault.reason, "facts": call.fault.facts}
        if call.fault.__cause__ is not None:
            facts["cause"] = repr(call.fault.__cause__)
    return facts
