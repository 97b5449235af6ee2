from datetime import timedelta

import pytest

from faults import Aborted, Unavailable
from postgreskit import retrying

MOMENT = timedelta(microseconds=1)


class Work:
    """Fails as often as it is told, then succeeds."""

    def __init__(self, failures, fault):
        self.failures = failures
        self.fault = fault
        self.calls = 0

    async def __call__(self):
        self.calls += 1
        if self.calls <= self.failures:
            raise self.fault
        return self.calls


RACE = Aborted("x", reason="CONCURRENT_CHANGE")


async def test_work_that_lost_a_race_is_done_again():
    assert await retrying(Work(4, RACE), first_pause=MOMENT) == 5


async def test_not_for_ever():
    work = Work(9, RACE)
    with pytest.raises(Aborted):
        await retrying(work, attempts=3, first_pause=MOMENT)
    assert work.calls == 3


@pytest.mark.parametrize("fault", [Aborted("x", reason="ETAG_STALE"), Unavailable("x", reason="CONCURRENT_CHANGE")])
async def test_nothing_else_is_tried_again(fault):
    work = Work(1, fault)
    with pytest.raises(type(fault)):
        await retrying(work, first_pause=MOMENT)
    assert work.calls == 1


async def test_pauses_grow_to_a_limit(monkeypatch):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    monkeypatch.setattr("postgreskit.retry.asyncio.sleep", sleep)
    monkeypatch.setattr("postgreskit.retry.random.uniform", lambda low, high: (low + high) / 2)
    await retrying(Work(4, RACE), first_pause=timedelta(seconds=0.3))
    assert pauses == [0.3, 0.6, 1, 1]
