from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tenants_service.signing.model import Schedule, Term, key_id_of, next_term

NOW = datetime(2026, 1, 31, tzinfo=UTC)
SCHEDULE = Schedule(timedelta(days=30), timedelta(minutes=15))


def test_the_first_key_signs_at_once():
    assert next_term([], NOW, SCHEDULE) == Term(1, NOW, NOW + timedelta(days=30))


def test_the_next_key_is_made_ahead_and_takes_over_without_a_gap():
    first = Term(1, NOW, NOW + timedelta(days=30))
    assert next_term([first], NOW + timedelta(days=28), SCHEDULE) is None
    assert next_term([first], NOW + timedelta(days=29), SCHEDULE) == Term(
        2, first.retire_time, NOW + timedelta(days=60)
    )


def test_who_slept_makes_one_key_that_signs_now():
    late = NOW + timedelta(days=100)
    assert next_term([Term(1, NOW, NOW + timedelta(days=30))], late, SCHEDULE) == Term(
        2, late, late + timedelta(days=30)
    )


def test_a_key_is_published_until_its_last_token_has_expired():
    term = Term(1, NOW, NOW + timedelta(days=30))
    assert term.published(NOW - timedelta(days=1), SCHEDULE)
    assert term.published(term.retire_time + timedelta(minutes=14), SCHEDULE)
    assert not term.published(term.retire_time + timedelta(minutes=15), SCHEDULE)


@given(st.lists(st.integers(0, 50 * 24), min_size=1, max_size=40), st.integers(1, 60), st.integers(1, 3600))
def test_there_is_always_one_key_whose_turn_it_is(hours, life, token_life):
    schedule = Schedule(timedelta(days=life), timedelta(seconds=token_life))
    terms: list[Term] = []
    now = NOW
    for pause in hours:
        now += timedelta(hours=pause)
        if term := next_term(terms, now, schedule):
            terms.append(term)
        assert [one for one in terms if one.sign_time <= now < one.retire_time]
        assert next_term(terms, now, schedule) is None
        for one, other in pairwise(terms):
            assert one.retire_time <= other.sign_time


def test_a_key_is_called_by_its_thumbprint():
    # The example of RFC 8037, appendix A.3.
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert key_id_of(public) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
