import asyncio
import gc

from dns_service.providers.turns import Turns


async def test_writers_of_one_name_take_turns_and_of_others_do_not_wait():
    turns = Turns()
    inside = []
    most = {"a": 0, "b": 0}

    async def write(name):
        async with turns.of(name):
            inside.append(name)
            most[name] = max(most[name], inside.count(name))
            together.add(frozenset(inside))
            await asyncio.sleep(0)
            inside.remove(name)

    together = set()
    await asyncio.gather(*(write(name) for name in "aabbab"))
    assert most == {"a": 1, "b": 1}
    assert frozenset({"a", "b"}) in together


async def test_a_name_that_nobody_writes_is_forgotten():
    turns = Turns()
    async with turns.of("a"):
        assert turns.of("a").locked()
    gc.collect()
    assert len(turns._locks) == 0
