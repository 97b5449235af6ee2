"""The layer that lets no call run for ever."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

from chassis.interceptors.call import Call, Handler, Layer, Method, refusal
from faults import Timeout


def deadline(default: timedelta, stream_default: timedelta) -> Layer:
    """Give a deadline to calls that come without one. Where the caller gave one, gRPC itself cancels the handler."""

    def layer(method: Method, proceed: Handler) -> Handler:
        if method.builtin:  # a balancer watches a server's health for as long as both live
            return proceed
        limit = (stream_default if method.streaming else default).total_seconds()

        async def handle(call: Call) -> Any:
            given = call.context.time_remaining()
            call.facts.deadline = time.monotonic() + (limit if given is None else given)
            if given is None:
                return await _within(limit, call, proceed)
            if given <= 0:
                raise _exceeded(method)
            return await proceed(call)

        return handle

    return layer


async def _within(seconds: float, call: Call, proceed: Handler) -> Any:
    try:
        async with asyncio.timeout(seconds) as limit:
            return await proceed(call)
    except TimeoutError:
        if limit.expired():
            raise _exceeded(call.method) from None
        raise


def _exceeded(method: Method) -> Timeout:
    message = "The time for this call ran out. Its effect may have happened."
    return refusal(Timeout, "DEADLINE_EXCEEDED", message, method)
