from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults import Conflict, Denied
from temporalkit.ledger import Ledger, Outcome, State, as_data

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock():
    ticks = count()
    return lambda: BEGIN + timedelta(seconds=next(ticks))


@pytest.fixture
def ledger(clock):
    return Ledger(["a", "b", "c", "d"], clock=clock)


def step(ledger, name):
    return next(step for step in ledger.steps if step.name == name)


def test_a_plan_is_pending_from_the_start(ledger):
    assert [one.state for one in ledger.steps] == [State.PENDING] * 4
    assert (ledger.percent, ledger.current, ledger.ended_by, ledger.left_behind) == (0, (), None, ())


def test_names_are_unique_and_known(clock, ledger):
    with pytest.raises(ValueError, match="name of its own"):
        Ledger(["a", "a"], clock=clock)
    with pytest.raises(KeyError):
        ledger.begin("x")


def test_a_step_has_times_and_attempts(ledger):
    ledger.begin("a")
    assert ledger.current == ("a",)
    ledger.fail("a", Conflict("no", reason="NO_WAY"))
    assert (step(ledger, "a").attempt, step(ledger, "a").cause.reason) == (1, "NO_WAY")
    ledger.begin("a")
    again = step(ledger, "a")
    assert (again.attempt, again.cause, again.end_time) == (2, None, None)
    assert again.start_time == BEGIN
    ledger.done("a")
    assert step(ledger, "a").end_time == BEGIN + timedelta(seconds=2)
    assert ledger.percent == 25


def test_a_failure_that_is_borne_does_not_end_the_run(ledger):
    for name in "ab":
        ledger.begin(name)
        ledger.fail(name, Conflict("no", reason="NO_WAY"))
    assert ledger.ended_by is None
    ledger.end("b")
    assert ledger.ended_by.name == "b"


def test_undoing_names_what_was_found(ledger):
    for name in "abc":
        ledger.begin(name)
    ledger.done("a")
    ledger.done("b")
    ledger.fail("c", Conflict("no", reason="NO_WAY"))
    ledger.end("c")
    ledger.undo("c", existed=False)
    ledger.leave("b", where="the attic", cause=Denied("no", reason="HANDS_OFF"))
    ledger.undo("a", existed=True)
    assert [(one.state, one.outcome) for one in ledger.steps] == [
        (State.UNDONE, Outcome.UNDONE),
        (State.LEFT_BEHIND, Outcome.LEFT_BEHIND),
        (State.FAILED, Outcome.WAS_ABSENT),
        (State.PENDING, None),
    ]
    assert [(one.name, one.where, one.undo_cause.reason) for one in ledger.left_behind] == [
        ("b", "the attic", "HANDS_OFF")
    ]
    assert step(ledger, "c").cause.reason == "NO_WAY"
    assert ledger.ended_by.name == "c"
    assert ledger.percent == 0


def test_a_failed_step_that_is_left_behind_keeps_its_cause(ledger):
    ledger.begin("a")
    ledger.fail("a", Conflict("no", reason="NO_WAY"))
    ledger.leave("a", where="the attic", cause=None)
    assert (step(ledger, "a").state, step(ledger, "a").cause.reason) == (State.LEFT_BEHIND, "NO_WAY")


def test_changes_are_told(clock):
    told = []
    ledger = Ledger(["a", "b"], clock=clock, changed=lambda step: told.append((step.name, step.state.value)))
    ledger.skip("a")
    ledger.begin("b")
    ledger.done("b")
    assert told == [("a", "skipped"), ("b", "running"), ("b", "done")]
    assert ledger.percent == 100


def test_data_is_plain_words(ledger):
    ledger.begin("a")
    ledger.leave("a", where="the attic", cause=None)
    assert as_data(ledger)[:2] == [
        {"step": "a", "state": "left_behind", "outcome": "left_behind", "where": "the attic"},
        {"step": "b", "state": "pending"},
    ]


def test_an_empty_plan_is_no_problem(clock):
    assert Ledger([], clock=clock).percent == 0


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["begin", "done", "skip", "fail"])), max_size=40))
def test_the_percentage_never_falls_while_going_forward(moves):
    ledger, seen = Ledger("abcd", clock=lambda: BEGIN), [0]
    for name, move in moves:
        if move == "fail":
            ledger.fail(name, Conflict("no", reason="NO_WAY"))
        else:
            getattr(ledger, move)(name)
        seen.append(ledger.percent)
    assert seen == sorted(seen)
    assert seen[-1] <= 100


@given(st.permutations(["a", "b", "c", "d"]))
def test_the_percentage_falls_with_every_undo(order):
    ledger = Ledger("abcd", clock=lambda: BEGIN)
    for name in order:
        ledger.begin(name)
        ledger.done(name)
    seen = []
    for name in order:
        ledger.undo(name, existed=True)
        seen.append(ledger.percent)
    assert seen == [75, 50, 25, 0]
