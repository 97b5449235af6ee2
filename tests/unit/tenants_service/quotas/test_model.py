from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults import Exhausted
from tenants_service.quotas.model import EVER, MOST, Count, Quota, ResetPeriod, Verdict, counted, usage_of

TENANT = UUID(int=1)
NOW = datetime(2026, 2, 14, 15, 9, 26, tzinfo=UTC)
NEVER, DAILY, MONTHLY, YEARLY = ResetPeriod
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2900, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - UTC


def day(year, month=1, number=1):
    return datetime(year, month, number, tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "now", "begin", "following"),
    [
        (NEVER, NOW, EVER, None),
        (DAILY, NOW, day(2026, 2, 14), day(2026, 2, 15)),
        (DAILY, day(2026, 12, 31), day(2026, 12, 31), day(2027)),
        (MONTHLY, NOW, day(2026, 2), day(2026, 3)),
        (MONTHLY, day(2024, 2, 29), day(2024, 2), day(2024, 3)),
        (MONTHLY, day(2026, 1, 31), day(2026, 1), day(2026, 2)),
        (MONTHLY, day(2026, 12, 31), day(2026, 12), day(2027)),
        (YEARLY, NOW, day(2026), day(2027)),
        (YEARLY, day(2024, 12, 31), day(2024), day(2025)),
        (YEARLY, day(2023), day(2023), day(2024)),
    ],
)
def test_periods_begin_where_the_calendar_says(period, now, begin, following):
    assert (period.begin(now), period.next(now)) == (begin, following)


def test_the_calendar_is_that_of_utc():
    bern = timezone(timedelta(hours=2))
    assert DAILY.begin(datetime(2026, 7, 1, 1, tzinfo=bern)) == day(2026, 6, 30)


@given(MOMENTS, st.sampled_from([DAILY, MONTHLY, YEARLY]))
def test_a_moment_is_in_its_period_and_periods_follow_each_other(now, period):
    begin, following = period.begin(now), period.next(now)
    assert begin <= now < following
    assert period.begin(begin) == begin
    assert period.begin(following) == following
    assert period.begin(following - timedelta(microseconds=1)) == begin


@pytest.mark.parametrize(
    ("soft", "hard", "used", "verdict"),
    [
        (0, 0, MOST, Verdict.WITHIN),
        (5, 0, 5, Verdict.WITHIN),
        (5, 0, 6, Verdict.SOFT_EXCEEDED),
        (5, 9, 9, Verdict.SOFT_EXCEEDED),
        (5, 9, 10, Verdict.HARD_EXCEEDED),
        (9, 9, 9, Verdict.WITHIN),
        (9, 9, 10, Verdict.HARD_EXCEEDED),
        (0, 9, 9, Verdict.WITHIN),
        (0, 0, MOST + 1, Verdict.HARD_EXCEEDED),
    ],
)
def test_what_follows_from_use_and_limits(soft, hard, used, verdict):
    usage = usage_of(Quota("users", soft, hard), Count("users", used), NOW)
    assert (usage.verdict, usage.allowed) == (verdict, verdict is not Verdict.HARD_EXCEEDED)


@pytest.mark.parametrize(
    ("period", "since", "used"),
    [
        (NEVER, EVER, 7),
        (NEVER, day(2026), 7),
        (MONTHLY, day(2026, 2), 7),
        (MONTHLY, day(2026, 1), 0),
        (MONTHLY, EVER, 0),
        (DAILY, day(2026, 2), 0),
        (YEARLY, day(2026, 2), 7),
        (DAILY, day(2026, 2, 15), 7),  # of a replica whose clock is ahead
    ],
)
def test_what_is_from_before_the_period_is_forgotten(period, since, used):
    count = Count("users", 7, since, revision=3).within(period, NOW)
    assert (count.used, count.since, count.revision) == (used, max(since, period.begin(NOW)), 3)


def test_use_is_counted_and_given_back():
    quota = Quota("calls", 0, 10, DAILY)
    first = counted(TENANT, quota, Count("calls"), 10, NOW)
    assert first == Count("calls", 10, day(2026, 2, 14), 1)
    assert counted(TENANT, quota, first, -4, NOW) == Count("calls", 6, day(2026, 2, 14), 2)
    assert counted(TENANT, quota, first, -11, NOW).used == 0
    assert counted(TENANT, quota, first, 3, NOW + timedelta(days=1)) == Count("calls", 3, day(2026, 2, 15), 2)


def test_what_would_pass_the_hard_limit_is_refused():
    with pytest.raises(Exhausted) as refused:
        counted(TENANT, Quota("calls", 0, 10, DAILY), Count("calls", 9, day(2026, 2, 14)), 2, NOW)
    assert refused.value.reason == "QUOTA_EXCEEDED"
    assert refused.value.facts == {"tenant_id": str(TENANT), "name": "calls", "used": "9", "hard_limit": "10"}
    assert refused.value.retry_after == day(2026, 2, 15) - NOW


def test_waiting_does_not_help_where_nothing_is_forgotten():
    with pytest.raises(Exhausted) as refused:
        counted(TENANT, Quota("users", 0, 10), Count("users", 10), 1, NOW)
    assert refused.value.retry_after is None


def test_who_is_above_a_limit_that_was_lowered_gives_back_and_takes_nothing():
    lowered, above = Quota("users", 0, 5), Count("users", 9)
    assert counted(TENANT, lowered, above, -1, NOW).used == 8
    with pytest.raises(Exhausted):
        counted(TENANT, lowered, above, 1, NOW)


@given(st.lists(st.integers(-50, 50).filter(bool), max_size=50), st.integers(1, 100))
def test_use_stays_between_nothing_and_the_limit(amounts, hard):
    quota, count = Quota("users", 0, hard), Count("users")
    for amount in amounts:
        try:
            count = counted(TENANT, quota, count, amount, NOW)
        except Exhausted:
            assert count.used + amount > hard
        assert 0 <= count.used <= hard
