import asyncio

import pytest

from dns_service.providers import refusals
from dns_service.providers.batches import Batches, Refused
from faults import Unavailable


class Vendor:
    """Takes batches, and refuses those with something bad in them."""

    def __init__(self):
        self.batches = []
        self.bad = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.error = None
        self.started = asyncio.Event()

    async def send(self, batch):
        self.batches.append(list(batch))
        self.started.set()
        await self.gate.wait()
        if self.error:
            raise self.error
        if self.bad & set(batch):
            raise Refused("bad")
        return len(self.batches)


@pytest.fixture
async def vendor():
    return Vendor()


@pytest.fixture
async def batches(vendor):
    made = Batches(vendor.send, most=10, weigh=lambda _: 1)
    yield made
    await made.close()


async def test_a_lone_change_goes_at_once(vendor, batches):
    assert await batches.submit("a") == 1
    assert vendor.batches == [["a"]]


async def test_changes_that_come_together_go_together(vendor, batches):
    await asyncio.gather(*(batches.submit(index) for index in range(10)))
    assert vendor.batches == [list(range(10))]


async def test_what_comes_while_one_is_under_way_makes_the_next(vendor, batches):
    vendor.gate.clear()
    first = asyncio.create_task(batches.submit("first"))
    await vendor.started.wait()
    rest = [asyncio.create_task(batches.submit(index)) for index in range(5)]
    await asyncio.sleep(0)
    vendor.gate.set()
    assert await first == 1
    assert await asyncio.gather(*rest) == [2] * 5
    assert vendor.batches == [["first"], [0, 1, 2, 3, 4]]


async def test_no_batch_weighs_more_than_it_may(vendor):
    batches = Batches(vendor.send, most=10, weigh=lambda change: change)
    await asyncio.gather(*(batches.submit(weight) for weight in (4, 6, 1, 10, 25, 3)))
    assert vendor.batches == [[4, 6], [1], [10], [25], [3]]
    await batches.close()


async def test_only_the_change_at_fault_is_refused(vendor, batches):
    vendor.bad = {3}
    answers = await asyncio.gather(*(batches.submit(index) for index in range(8)), return_exceptions=True)
    assert [isinstance(answer, Refused) for answer in answers] == [index == 3 for index in range(8)]
    # Halves, and halves of the half that was refused again.
    assert vendor.batches == [[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3], [0, 1], [2, 3], [2], [3], [4, 5, 6, 7]]


async def test_a_failure_reaches_everybody_as_an_error_of_their_own(vendor, batches):
    vendor.error = refusals.unavailable("a-vendor")
    answers = await asyncio.gather(*(batches.submit(index) for index in range(3)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unavailable}
    assert len({id(answer) for answer in answers}) == 3
    assert {answer.reason for answer in answers} == {"PROVIDER_UNAVAILABLE"}
    vendor.error = None
    assert await batches.submit("later") == 2


async def test_an_error_that_nobody_foresaw_reaches_the_caller(vendor, batches):
    vendor.error = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        await batches.submit("a")


async def test_a_caller_that_gave_up_is_left_out(vendor, batches):
    vendor.gate.clear()
    first = asyncio.create_task(batches.submit("first"))
    await vendor.started.wait()
    given_up, kept = asyncio.create_task(batches.submit("given up")), asyncio.create_task(batches.submit("kept"))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    vendor.gate.set()
    await asyncio.gather(first, kept)
    assert vendor.batches == [["first"], ["kept"]]


async def test_a_caller_that_gives_up_under_way_hinders_nobody(vendor, batches):
    vendor.gate.clear()
    tasks = [asyncio.create_task(batches.submit(index)) for index in range(3)]
    await vendor.started.wait()
    tasks[0].cancel()
    vendor.error = refusals.unavailable("a-vendor")
    vendor.gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [asyncio.CancelledError, Unavailable, Unavailable]


async def test_closing_ends_what_is_under_way_and_what_waits(vendor):
    batches = Batches(vendor.send, most=1, weigh=lambda _: 1)
    vendor.gate.clear()
    tasks = [asyncio.create_task(batches.submit(index)) for index in range(3)]
    await vendor.started.wait()
    await batches.close()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(answer) for answer in answers} == {asyncio.CancelledError}
    assert vendor.batches == [[0]]


async def test_closing_what_was_never_used_is_nothing(vendor):
    await Batches(vendor.send, most=1, weigh=lambda _: 1).close()
