import asyncio
from datetime import timedelta

import pytest

from dns_service.providers.budget import Budget
from faults import Exhausted


class Time:
    def __init__(self):
        self.now = 100.0
        self.slept = []

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(round(seconds, 3))


def budget(time, rate=2.0, burst=3, patience=10.0):
    return Budget(
        "a-vendor", rate=rate, burst=burst, patience=timedelta(seconds=patience), clock=time.clock, sleep=time.sleep
    )


async def test_what_the_bucket_holds_goes_at_once_and_the_rest_in_turn():
    time = Time()
    one = budget(time)
    for _ in range(6):
        await one.take()
    assert time.slept == [0.5, 1.0, 1.5]


async def test_the_bucket_refills_up_to_its_size():
    time = Time()
    one = budget(time)
    for _ in range(3):
        await one.take()
    time.now += 0.5
    await one.take()
    assert time.slept == []
    time.now += 1000
    for _ in range(4):
        await one.take()
    assert time.slept == [0.5]


async def test_many_tokens_at_once_wait_for_all_of_them():
    time = Time()
    one = budget(time)
    await one.take(2)
    await one.take(2)
    assert time.slept == [0.5]


async def test_a_request_that_would_wait_too_long_is_told_when_to_come_back_and_takes_nothing():
    time = Time()
    one = budget(time, rate=1.0, burst=1, patience=2.0)
    for _ in range(3):
        await one.take()
    with pytest.raises(Exhausted) as caught:
        await one.take()
    assert caught.value.reason == "PROVIDER_RATE_LIMITED"
    assert caught.value.facts == {"provider": "a-vendor"}
    assert caught.value.retry_after == timedelta(seconds=3)
    time.now += 1
    await one.take()
    assert time.slept == [1.0, 2.0, 2.0]


async def test_a_pause_holds_everybody_back_even_with_a_full_bucket():
    time = Time()
    one = budget(time)
    one.pause(timedelta(seconds=4))
    await one.take()
    await one.take()
    assert time.slept == [4.5, 5.0]
    one.pause(timedelta(seconds=60))
    with pytest.raises(Exhausted) as caught:
        await one.take()
    assert caught.value.retry_after >= timedelta(seconds=60)


async def test_a_shorter_pause_does_not_end_a_longer_one():
    time = Time()
    one = budget(time)
    one.pause(timedelta(seconds=5))
    one.pause(timedelta(seconds=1))
    await one.take()
    assert time.slept == [5.5]


async def test_after_a_pause_the_rate_holds_again():
    time = Time()
    one = budget(time)
    one.pause(timedelta(seconds=4))
    time.now += 6
    for _ in range(5):
        await one.take()
    assert time.slept == [0.5, 1.0]


async def test_real_time_is_kept():
    one = Budget("a-vendor", rate=200.0, burst=10, patience=timedelta(seconds=5))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await asyncio.gather(*(one.take() for _ in range(50)))
    assert 0.19 <= loop.time() - begun < 2
