"""How the calls of one method are prepared, watched and ended.

No `grpc.aio` interceptors are used. Those run each call inside a task of its own and answer an object that stands for
it; one that waits there for `call.code()` keeps a cancel from ever reaching the server, and never ends the span of a
cancelled call, which is what opentelemetry-instrumentation-grpc (0.66b2) does. Here the call itself is answered,
prepared before it starts and watched by a callback that runs when it is done, however it ends.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import grpc
from opentelemetry.context import get_current
from opentelemetry.semconv._incubating.attributes import rpc_attributes as rpc
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.context import REQUEST_ID, TENANT_ID, WORKFLOW_ID, CallContext
from chassis.telemetry import Telemetry

_T = TypeVar("_T")
_MARGIN: Final = 0.05  # seconds a process keeps for itself, to answer its own caller
_PROPAGATOR: Final = TraceContextTextMapPropagator()

Metadata: TypeAlias = list[tuple[str, str | bytes]]


class Watch:
    """Gives each call of one method its span, and counts it."""

    def __init__(self, path: str, target: str, telemetry: Telemetry) -> None:
        self._name = path[1:]
        self._attributes = {rpc.RPC_SYSTEM_NAME: "grpc", rpc.RPC_METHOD: self._name, SERVER_ADDRESS: target}
        self._calls = telemetry.client.of(path, target)
        self._tracer = telemetry.tracer if telemetry.traced(path) else None

    def span(self, metadata: Metadata) -> Span | None:
        """Begin a call's span, and tell the other side of it."""
        if self._tracer is None:
            return None
        here = get_current()
        span = self._tracer.start_span(self._name, here, SpanKind.CLIENT, self._attributes)
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, set_span_in_context(span, here))
        metadata.extend(carrier.items())
        return span

    def follow(self, call: Any, span: Span | None) -> None:
        """Count a call that has started, and note how it ends, whoever ends it."""
        self._calls.active += 1
        call.add_done_callback(partial(self._ended, span, time.perf_counter()))

    def _ended(self, span: Span | None, started: float, call: Any) -> None:
        code = _at_once(call.code(), grpc.StatusCode.UNKNOWN)
        self._calls.ended(code, time.perf_counter() - started)
        if span is not None:
            end(span, code)


def end(span: Span, code: grpc.StatusCode) -> None:
    """End a call's span. To whoever called, every code but OK is a failure."""
    if span.is_recording():
        span.set_attribute(rpc.RPC_RESPONSE_STATUS_CODE, code.name)
        if code is not grpc.StatusCode.OK:
            span.set_attribute(ERROR_TYPE, code.name)
            span.set_status(Status(StatusCode.ERROR))
    span.end()


def identity(given: Iterable[tuple[str, str | bytes]] | None, facts: CallContext | None, token: str) -> Metadata:
    """The metadata of a call: what it was given, and of the rest what the work in hand is known by."""
    metadata: Metadata = list(given or ())
    known = {
        REQUEST_ID: (facts.request_id if facts else "") or f"{random.getrandbits(128):032x}",
        TENANT_ID: facts.tenant_id if facts else "",
        WORKFLOW_ID: facts.workflow_id if facts else "",
        "authorization": f"Bearer {token}" if token else "",
    }
    taken = {key for key, _ in metadata}
    metadata.extend((key, value) for key, value in known.items() if value and key not in taken)
    return metadata


def patience(wanted: float, facts: CallContext | None) -> float:
    """Seconds a call may take: as wanted, but never past the moment when nobody waits for its answer any more.

    Raises:
        grpc.aio.AioRpcError: with DEADLINE_EXCEEDED, when that moment is over. gRPC itself would begin the call, and
            now and then such a call still has its effect.
    """
    left = facts.remaining() if facts else None
    seconds = wanted if left is None else min(wanted, left - _MARGIN)
    if seconds <= 0:
        raise grpc.aio.AioRpcError(
            grpc.StatusCode.DEADLINE_EXCEEDED,
            grpc.aio.Metadata(),
            grpc.aio.Metadata(),
            "No time is left for this call; it was not made.",
        )
    return seconds


class Stream:
    """A call whose responses are streamed, and that is cancelled when nobody holds it any more.

    gRPC itself lets a stream that was left by `break` run on until its deadline: its own references keep it alive. This
    object is what the caller holds, and nothing else holds it.
    """

    __slots__ = ("_call", "_loop", "_messages")

    def __init__(self, call: Any) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._messages: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __aiter__(self) -> Stream:
        return self

    def __anext__(self) -> Awaitable[Any]:
        if self._messages is None:
            self._messages = aiter(self._call)
        return anext(self._messages)

    def __del__(self) -> None:
        # The garbage collector may run in any thread, and after the loop was closed.
        if not self._call.done():
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._call.cancel)


def _at_once(coroutine: Any, otherwise: _T) -> _T:
    """The result of a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value  # type: ignore[no-any-return]  # whatever the coroutine answers
    coroutine.close()
    return otherwise
