"""One method of a stub: how its calls are prepared, watched and ended.

No `grpc.aio` interceptors are used. Each of those runs a call inside a task of its own and answers an object that stands
for the call; an interceptor that waits for `call.code()` there keeps a cancel from ever reaching the server, which is
what opentelemetry-instrumentation-grpc (0.66b2) does. Here the call itself is answered, prepared before it starts and
watched by a callback when it is done, however it ends.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final, TypeVar

import grpc
from opentelemetry.semconv._incubating.attributes import rpc_attributes as rpc
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis import context
from chassis.context import REQUEST_ID, TENANT_ID, WORKFLOW_ID, CallContext
from chassis.telemetry import Telemetry

_MARGIN: Final = 0.05  # seconds this process keeps for itself to answer its own caller
_PROPAGATOR: Final = TraceContextTextMapPropagator()
_C = TypeVar("_C", bound=grpc.aio.Call)


class Outgoing:
    """Prepares and watches the calls of one method of one target."""

    def __init__(self, path: str, target: str, telemetry: Telemetry, timeout: float) -> None:
        self._timeout = timeout
        self._name = path[1:]
        self._attributes = {rpc.RPC_SYSTEM_NAME: "grpc", rpc.RPC_METHOD: self._name, SERVER_ADDRESS: target}
        self._calls = telemetry.client.of(path, target)
        self._tracer = telemetry.tracer if telemetry.traced(path) else None
