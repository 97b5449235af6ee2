"""The rounds of a sweeper."""

import asyncio
import logging
from collections import Counter
from datetime import timedelta

import pytest

from tenants_service.sweeping.model import BATCH, pause
from tenants_service.sweeping.service import Sweeper

OFTEN = timedelta(milliseconds=1)


class Dust:
    """So much to sweep away; somebody else is at it while `theirs`."""

    def __init__(self, amount=0, *, theirs=False, broken=False):
        self.amount, self.theirs, self.broken = amount, theirs, broken
        self.looked = asyncio.Event()
        self.rounds = []

    async def sweep(self, limit):
        self.looked.set()
        if self.broken:
            raise OSError
        if self.theirs:
            return None
        count = min(limit, self.amount)
        self.amount -= count
        self.rounds.append(count)
        return count

    async def again(self):
        """Until it was looked at once more."""
        self.looked.clear()
        await self.looked.wait()


@pytest.fixture
def sweeping():
    """A sweeper that makes rounds often, and what it has counted."""
    counted = Counter()

    def sweeping(**dusts):
        sweeps = {what: dust.sweep for what, dust in dusts.items()}
        return Sweeper(sweeps, OFTEN, tally=lambda: lambda what, count: counted.update({what: count})), counted

    return sweeping


async def test_everything_is_swept_batch_by_batch_and_counted(sweeping, caplog):
    much, little = Dust(2 * BATCH + 1), Dust(7)
    sweeper, counted = sweeping(much=much, little=little)
    with caplog.at_level(logging.INFO):
        async with sweeper:
            await little.again()
            await little.again()
    assert (much.amount, little.amount) == (0, 0)
    assert much.rounds[:3] == [BATCH, BATCH, 1]
    assert counted == {"much": 2 * BATCH + 1, "little": 7}
    assert [(record.what, record.count) for record in caplog.records] == [("much", 2 * BATCH + 1), ("little", 7)]


async def test_rounds_go_on(sweeping):
    dust = Dust()
    sweeper, counted = sweeping(dust=dust)
    async with sweeper:
        await dust.again()
        dust.amount = 3
        await dust.again()
        await dust.again()
    assert counted == {"dust": 3}


async def test_what_fails_stops_nothing_and_is_tried_again(sweeping, caplog):
    broken, dust = Dust(5, broken=True), Dust(5)
    sweeper, counted = sweeping(broken=broken, dust=dust)
    async with sweeper:
        await dust.again()
        broken.broken = False
        await dust.again()
        await dust.again()
    assert counted == {"broken": 5, "dust": 5}
    assert "cannot sweep broken: OSError()" in caplog.text


async def test_what_another_replica_is_at_is_left_to_it(sweeping):
    dust = Dust(5, theirs=True)
    sweeper, counted = sweeping(dust=dust)
    async with sweeper:
        await dust.again()
        await dust.again()
    assert (dust.amount, counted) == (5, {})


async def test_closing_ends_it_in_the_middle_of_a_round(sweeping):
    begun = asyncio.Event()

    class Endless(Dust):
        async def sweep(self, _):
            begun.set()
            await asyncio.Event().wait()

    sweeper, _ = sweeping(endless=Endless())
    others = asyncio.all_tasks()  # other tests may have sweepers of their own
    async with sweeper:
        await begun.wait()
        await sweeper.check()
    assert not [task for task in asyncio.all_tasks() - others if task.get_name() == sweeper.name]


def test_replicas_do_not_make_their_rounds_together():
    pauses = {pause(timedelta(seconds=60)) for _ in range(100)}
    assert len(pauses) > 90
    assert all(30 <= one <= 60 for one in pauses)
