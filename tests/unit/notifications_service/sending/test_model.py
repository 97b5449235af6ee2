from datetime import timedelta

import pytest

from notifications_service.model import Failure, Verdict
from notifications_service.sending.model import Patience

PATIENCE = Patience(attempts=5, first_pause=timedelta(seconds=2), longest_pause=timedelta(seconds=60))
AWAY = Verdict.failed(Failure.PROVIDER_UNAVAILABLE, "away")
LOST = Verdict.failed(Failure.OUTCOME_UNKNOWN, "lost")


def pause(verdict, tries, *, repeatable=False):
    again = PATIENCE.again_in(verdict, tries, repeatable=repeatable)
    return again and again.total_seconds()


def test_the_pauses_grow_to_a_limit_and_end():
    assert [pause(AWAY, tries) for tries in range(1, 6)] == [2, 8, 32, 60, None]


def test_who_says_when_to_come_back_is_obeyed_within_reason():
    def after(seconds):
        verdict = Verdict.failed(Failure.PROVIDER_UNAVAILABLE, "away", timedelta(seconds=seconds))
        return pause(verdict, 1)

    assert [after(0), after(90), after(999999)] == [2, 90, 3600]


def test_an_unknown_outcome_is_tried_again_only_where_that_sends_nothing_twice():
    assert pause(LOST, 1) is None
    assert pause(LOST, 1, repeatable=True) == 2


@pytest.mark.parametrize("failure", set(Failure) - {Failure.PROVIDER_UNAVAILABLE, Failure.OUTCOME_UNKNOWN})
def test_what_was_refused_is_not_tried_again(failure):
    assert pause(Verdict.failed(failure, "no"), 1, repeatable=True) is None
