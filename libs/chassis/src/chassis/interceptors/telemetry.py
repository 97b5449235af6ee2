"""The outermost layer: a span and a measurement for every call, saying what the caller was told.

Why not the interceptor of opentelemetry-instrumentation-grpc (0.66b2)? Its filters are used, see `chassis.tracing`. Its
server interceptor is not, because a call whose deadline passes or whose caller goes away ends there as status 0 and
UNSET, since it hears only of `abort` and `set_code`; a call that ends by `abort_with_status` does too; `abort` leaves
two exception events on the span; its attributes are those the conventions have since deprecated; and it composes every
method's handler anew on every call. Wrapping it does not help: what is wrong is decided inside. Each of these stands as
a test beside this layer's own, and will say when it is no longer so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import grpc
from opentelemetry.context import Context, attach
from opentelemetry.semconv._incubating.attributes import rpc_attributes as rpc
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.interceptors.call import Call, Handler, Layer, Method
from chassis.telemetry import Telemetry

_ROOT: Final = Context()
_PROPAGATOR: Final = TraceContextTextMapPropagator()
_TRACEPARENT: Final = "traceparent"
_SERVER_ERRORS: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""The codes that are the server's failure; any other is the answer the caller asked for."""


def observe(telemetry: Telemetry) -> Layer:
    """Trace and measure. What belongs to how the process is run, such as health checks, is neither."""

    def layer(method: Method, proceed: Handler) -> Handler:
        if method.builtin:
            return proceed
        if telemetry.traced(method.path):
            proceed = _traced(telemetry, method, proceed)
        return _measured(telemetry, method, proceed)

    return layer


def _measured(telemetry: Telemetry, method: Method, proceed: Handler) -> Handler:
    calls = telemetry.server.of(method.path)
    now = time.perf_counter

    async def handle(call: Call) -> Any:
        calls.started()
        try:
            return await proceed(call)
        finally:
            calls.ended(call.code, now() - call.started)

    return handle


def _traced(telemetry: Telemetry, method: Method, proceed: Handler) -> Handler:
    name = method.path[1:]
    attributes = {rpc.RPC_SYSTEM_NAME: "grpc", rpc.RPC_METHOD: name}
    start = telemetry.tracer.start_span

    async def handle(call: Call) -> Any:
        parent = _caller(call.metadata)
        span = start(name, parent, SpanKind.SERVER, attributes)
        attach(set_span_in_context(span, parent))  # for good: the task serves this call alone
        try:
            return await proceed(call)
        finally:
            if span.is_recording():
                _describe(span, call)
            span.end()

    return handle


def _caller(metadata: Mapping[str, Any]) -> Context:
    return _PROPAGATOR.extract(metadata, _ROOT) if _TRACEPARENT in metadata else _ROOT


def _describe(span: Span, call: Call) -> None:
    facts, code = call.facts, call.code
    known = {
        "tenantmesh.request_id": facts.request_id,
        "tenantmesh.tenant_id": facts.tenant_id,
        "tenantmesh.workflow_id": facts.workflow_id,
        "tenantmesh.reason": call.fault.reason if call.fault else "",
    }
    span.set_attributes({key: value for key, value in known.items() if value})
    span.set_attribute(rpc.RPC_RESPONSE_STATUS_CODE, code.name)
    if code in _SERVER_ERRORS:
        span.set_attribute(ERROR_TYPE, code.name)
        span.set_status(Status(StatusCode.ERROR, call.fault.message if call.fault else None))
