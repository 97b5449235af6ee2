from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import INVALID_SPAN

from chassis.spans import Unrecorded, ids_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_what_the_caller_sent_is_the_span():
    span = Unrecorded(f"00-{TRACE}-{SPAN}-00")
    assert ids_of(span) == (TRACE, SPAN)
    context = span.get_span_context()
    assert (f"{context.trace_id:032x}", f"{context.span_id:016x}", context.is_remote) == (TRACE, SPAN, True)
    assert not context.trace_flags.sampled


def test_one_that_nobody_sent_has_ids_that_stay():
    span, other = Unrecorded(None), Unrecorded(None)
    assert ids_of(span) == ids_of(span) != ids_of(other)
    assert ids_of(span)[0] == f"{span.get_span_context().trace_id:032x}"
    assert not span.is_recording()


def test_a_recorded_span_has_its_own():
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        assert ids_of(span) == (
            f"{span.get_span_context().trace_id:032x}",
            f"{span.get_span_context().span_id:016x}",
        )


def test_no_span_has_none():
    assert ids_of(INVALID_SPAN) is None
