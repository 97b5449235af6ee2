"""The outermost layer: a span and a measurement for every call, saying what the caller was told.

Why not the interceptor of opentelemetry-instrumentation-grpc (0.66b2)? Its filters are used, see `chassis.tracing`. Its
server interceptor is not, because a call whose deadline passes or whose caller goes away ends there as status 0 and
UNSET, since it hears only of `abort` and `set_code`; a call that ends by `abort_with_status` does too; `abort` leaves
two exception events on the span; its attributes are those the conventions have since deprecated; and it composes every
method's handler anew on every call. Wrapping it does not help: what is wrong is decided inside. Each of these stands as
a test beside this layer's own, and will say when it is no longer so.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import grpc
from opentelemetry.context import Context, attach
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.semconv._incubating.attributes import rpc_attributes as rpc
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.trace import (
    INVALID_SPAN,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.interceptors.call import Call, Handler, Layer, Method
from chassis.spans import Unrecorded
from chassis.telemetry import Telemetry

_ROOT: Final = Context()
(_SPAN,) = set_span_in_context(INVALID_SPAN, _ROOT)  # the key under which a context holds its span
_PROPAGATOR: Final = TraceContextTextMapPropagator()
_UNSAMPLED: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f][02468ace]")
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
    unrecorded = _unrecorded(telemetry.tracer)

    def layer(method: Method, proceed: Handler) -> Handler:
        if method.builtin:
            return proceed
        calls = telemetry.server.of(method.path)
        traced = telemetry.traced(method.path)
        recorded = _recorded(telemetry.tracer, method, proceed)
        now = time.perf_counter

        async def handle(call: Call) -> Any:
            calls.active += 1
            try:
                if traced:
                    span = unrecorded(call.metadata)
                    if span is None:
                        return await recorded(call)
                    call.span = span
                    attach(Context({_SPAN: span}))  # for good: this task serves nothing else
                return await proceed(call)
            finally:
                calls.ended(call.code, now() - call.started)

        return handle

    return layer


def _recorded(tracer: Tracer, method: Method, proceed: Handler) -> Handler:
    name = method.path[1:]
    attributes = {rpc.RPC_SYSTEM_NAME: "grpc", rpc.RPC_METHOD: name}

    async def handle(call: Call) -> Any:
        parent = _PROPAGATOR.extract(call.metadata, _ROOT)
        span = call.span = tracer.start_span(name, parent, SpanKind.SERVER, attributes)
        attach(set_span_in_context(span, parent))  # for good: the task serves this call alone
        try:
            return await proceed(call)
        finally:
            if span.is_recording():
                _describe(span, call)
            span.end()

    return handle


def _unrecorded(tracer: Tracer) -> Callable[[Mapping[str, Any]], Unrecorded | None]:
    """How to make, from a call's metadata, the span of a call that the sampler would not record; None for any other.

    Most calls of a busy process are such calls. All that remains of their span is the ids, for logs and outgoing calls,
    and those are made when somebody asks: the SDK would take 25 us of every call to come to the same.
    """
    sampler = tracer.sampler.get_description() if isinstance(tracer, SdkTracer) else ""
    follows_callers = sampler.startswith("ParentBased{")
    begins_none = sampler.startswith("ParentBased{root:AlwaysOffSampler,")

    def span(metadata: Mapping[str, Any]) -> Unrecorded | None:
        header = metadata.get("traceparent")
        if header is None:
            return Unrecorded(None) if begins_none else None
        if follows_callers and "tracestate" not in metadata and _UNSAMPLED.fullmatch(header):
            return Unrecorded(header)
        return None

    return span


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
