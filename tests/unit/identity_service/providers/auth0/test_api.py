import asyncio
from datetime import timedelta

import pytest

from faults import Exhausted, Internal, Unauthenticated, Unavailable
from identity_service.providers.auth0.api import fault_of, waited
from identity_service.providers.auth0.budget import Budget


@pytest.mark.parametrize(
    ("headers", "span"),
    [
        ({"Retry-After": "40", "x-ratelimit-reset": "1060"}, timedelta(seconds=40)),
        ({"X-RateLimit-Reset": "1060"}, timedelta(seconds=60)),
        ({"x-ratelimit-reset": "900"}, timedelta()),
        ({"x-ratelimit-reset": "soon"}, None),
        ({}, None),
    ],
)
def test_when_to_come_back_is_read(headers, span):
    assert waited(headers, lambda: 1000.0) == span


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Unavailable), (400, Internal), (401, Unauthenticated), (403, Unauthenticated), (429, Exhausted),
        (500, Unavailable), (503, Unavailable),
    ],
)  # fmt: skip
def test_a_status_has_its_kind(status, kind):
    assert isinstance(fault_of(status, {}), kind)


class Time:
    """Passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_requests_wait_their_turn_and_no_longer_than_they_may():
    time = Time()
    budget = Budget("auth0", rate=2, burst=2, patience=timedelta(seconds=1), clock=time, sleep=time.sleep)
    for _ in range(4):
        await budget.take()
    assert time.now == pytest.approx(1.0)
    budget.pause(timedelta(seconds=30))
    with pytest.raises(Exhausted) as caught:
        await budget.take()
    assert caught.value.retry_after == timedelta(seconds=30.5)
    await asyncio.sleep(0)
    time.now += 31
    await budget.take()
