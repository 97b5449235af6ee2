"""Histories written by hand, replayed by the real SDK: no server, and no chance."""

import pytest
from temporalio.workflow import NondeterminismError
from tests.integration.temporalkit.saga_workflows import Making, Plan

from faults import Conflict, Denied
from temporalkit.testing.histories import HandWritten
from temporalkit.testing.replay import replay

TAKEN = Conflict("It is taken.", reason="TAKEN")


def history(**plan):
    return HandWritten("Making", Plan(**plan))


async def test_a_run_that_succeeds():
    await replay(history(steps=["a", "b"]).ran("make", "a!").ran("make", "b!").closed_as_completed(["a!"]), Making)


async def test_a_run_that_fails_and_undoes():
    failing = history(steps=["a", "b"]).ran("make", "a!").failed("make", TAKEN)
    await replay(failing.ran("remove", result=False).ran("remove", result=True).closed_as_failed(), Making)


async def test_a_run_as_far_as_it_went():
    await replay(history(steps=["a", "b"]).ran("make", "a!").open(), Making)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda written: written.ran("make", "c!").closed_as_failed(),  # goes on instead of undoing
        lambda written: written.ran("remove", result=True).closed_as_failed(),  # undoes only half
        lambda written: (
            written.ran("remove", result=True).ran("remove", result=True).closed_as_completed()
        ),  # hides the failure
        lambda written: written.slept().closed_as_failed(),
    ],
)
async def test_another_course_is_found_out(wrong):
    written = history(steps=["a", "b"]).ran("make", "a!").failed("make", TAKEN)
    with pytest.raises(NondeterminismError):
        await replay(wrong(written), Making)


async def test_an_undo_that_fails_does_not_stop_the_next():
    failing = history(steps=["a", "b"]).ran("make", "a!").failed("make", TAKEN)
    undone = failing.failed("remove", Denied("Hands off.", reason="HANDS_OFF")).ran("remove", result=True)
    await replay(undone.closed_as_failed(), Making)


async def test_timers():
    sleeping = history(steps=["a", "b"], nap=3600).ran("make", "a!").slept().ran("make", "b!").slept()
    await replay(sleeping.closed_as_completed(), Making)


async def test_a_cancellation():
    written = history(steps=["a", "b"], nap=3600).ran("make", "a!")
    timer = written.timer()
    written.cancel_requested("no longer wanted").timer_cancelled(timer)
    await replay(written.ran("remove", result=True).closed_as_cancelled(), Making)


async def test_side_by_side():
    written = history(steps=[], parallel=[["b"], ["d"]])
    first, second = written.scheduled("make"), written.scheduled("make")
    written.failed_at(second, TAKEN).cancelled(first)
    await replay(written.ran("remove", result=False).ran("remove", result=False).closed_as_failed(), Making)


async def test_signals():
    held = history(steps=["a"], hold=True).failed("make", TAKEN).signalled("retry")
    await replay(held.ran("make", "a!").closed_as_completed(), Making)
