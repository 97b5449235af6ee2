import asyncio

import pytest

from chassis.resources import StartFailed, opened


class Thing:
    def __init__(self, name, events, *, fails="", closes=True):
        self.name, self._events, self._fails, self._closes = name, events, fails, closes

    async def __aenter__(self):
        if self._fails:
            raise ConnectionRefusedError(self._fails)
        self._events.append(f"open {self.name}")
        return self

    async def __aexit__(self, *_):
        self._events.append(f"close {self.name}")
        if not self._closes:
            raise RuntimeError(self.name)

    async def check(self):
        pass


async def test_they_open_in_order_and_close_in_reverse():
    events = []
    async with opened([Thing("a", events), Thing("b", events)]):
        events.append("serve")
    assert events == ["open a", "open b", "serve", "close b", "close a"]


async def test_one_that_does_not_open_closes_those_before_it_and_is_named():
    events = []
    with pytest.raises(StartFailed, match="b does not open: refused by 5432"):
        async with opened([Thing("a", events), Thing("b", events, fails="refused by 5432"), Thing("c", events)]):
            pytest.fail("opened")
    assert events == ["open a", "close a"]


async def test_an_error_without_words_is_named_by_its_kind():
    class Silent(Thing):
        async def __aenter__(self):
            raise TimeoutError

    with pytest.raises(StartFailed, match="a does not open: TimeoutError"):
        async with opened([Silent("a", [])]):
            pytest.fail("opened")


async def test_one_that_does_not_close_leaves_the_others_closed():
    events = []
    with pytest.raises(RuntimeError, match="b"):
        async with opened([Thing("a", events), Thing("b", events, closes=False)]):
            pass
    assert events[-1] == "close a"


async def test_a_start_that_is_cancelled_closes_what_is_open():
    events = []

    class Slow(Thing):
        async def __aenter__(self):
            await asyncio.sleep(60)

    async def start():
        async with opened([Thing("a", events), Slow("b", events)]):
            pytest.fail("opened")

    task = asyncio.create_task(start())
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == ["open a", "close a"]
