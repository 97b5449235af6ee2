"""The ids of spans, also of those that nobody records: most calls of a busy process have no other."""

from __future__ import annotations

from random import getrandbits

from opentelemetry.trace import NonRecordingSpan, Span, SpanContext


class Unrecorded(NonRecordingSpan):
    """The span of a call that is not recorded: the caller's, as its `traceparent` says, or one nobody has seen."""

    def __init__(self, traceparent: str | None) -> None:
        self._traceparent = traceparent
        self._ids: SpanContext | None = None

    def get_span_context(self) -> SpanContext:
        """The ids, made when they are asked for."""
        if self._ids is None:
            header = self._traceparent
            if header is None:
                self._ids = SpanContext(getrandbits(128), getrandbits(64), is_remote=False)
            else:
                self._ids = SpanContext(int(header[3:35], 16), int(header[36:52], 16), is_remote=True)
        return self._ids

    @property
    def ids(self) -> tuple[str, str]:
        """The same as text: what the caller sent is that text already."""
        header = self._traceparent
        return _as_text(self.get_span_context()) if header is None else (header[3:35], header[36:52])


def ids_of(span: Span) -> tuple[str, str] | None:
    """The ids of the trace and of the span, as they are written everywhere; None where there is no span."""
    if isinstance(span, Unrecorded):
        return span.ids
    context = span.get_span_context()
    return _as_text(context) if context.is_valid else None


def _as_text(context: SpanContext) -> tuple[str, str]:
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"
