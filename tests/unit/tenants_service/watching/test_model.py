"""No order of taking positions, committing, rolling back and looking makes a reader skip an event."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from tenants_service.watching.model import Horizon, Look


class Table:
    """A table whose writers take positions in one order and commit in another."""

    def __init__(self):
        self.positions = itertools.count(1)
        self.names = map(str, itertools.count(1))
        self.open = {}
        self.rows = set()

    def begin(self):
        name = next(self.names)
        self.open[name] = []
        return name

    def insert(self, name):
        self.open[name].append(next(self.positions))

    def end(self, name, *, commit):
        taken = self.open.pop(name)
        if commit:
            self.rows.update(taken)

    def last(self):
        return max(self.rows, default=0)

    def read(self, after, upto):
        return sorted(row for row in self.rows if after < row <= upto)


def writer(table, *, commit):
    """A writer's program: what it does step by step, for ever."""
    while True:
        name = table.begin()
        yield
        for _ in range(2):
            table.insert(name)
            yield
        table.end(name, commit=commit)
        yield


def reader(table, seen):
    """A reader's program; a look is two steps."""
    horizon = Horizon()
    while True:
        last = table.last()
        yield
        horizon.learn(Look(last, frozenset(table.open)))
        yield
        after = seen[-1] if seen else 0
        seen += table.read(after, horizon.position)
        yield


@given(schedule=st.lists(st.integers(0, 4), min_size=20, max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_order_of_steps_makes_a_reader_skip_an_event(schedule):
    table, seen = Table(), []
    programs = [writer(table, commit=True) for _ in range(3)]
    programs += [writer(table, commit=False), reader(table, seen)]
    for turn in schedule:
        next(programs[turn])
        assert seen == table.read(0, seen[-1] if seen else 0)
    for name in list(table.open):
        table.end(name, commit=True)
    for _ in range(6):
        next(programs[-1])
    assert seen == sorted(table.rows)


def test_a_position_that_is_committed_late_is_waited_for():
    table, horizon = Table(), Horizon()
    slow, fast = table.begin(), table.begin()
    table.insert(slow)
    table.insert(fast)
    table.end(fast, commit=True)
    assert table.last() == 2  # reading on to here would skip 1
    assert not horizon.learn(Look(table.last(), frozenset(table.open)))
    assert horizon.waits
    table.end(slow, commit=True)
    assert horizon.learn(Look(table.last(), frozenset()))
    assert horizon.position == 2


def test_writers_that_came_later_do_not_hold_it_back():
    horizon = Horizon()
    horizon.learn(Look(7, frozenset({"one"})))
    assert horizon.learn(Look(9, frozenset({"two"})))
    assert horizon.position == 7
    assert horizon.learn(Look(9, frozenset()))
    assert horizon.position == 9


def test_it_never_goes_back():
    horizon = Horizon()
    horizon.learn(Look(9, frozenset()))
    assert not horizon.learn(Look(3, frozenset()))
    assert horizon.position == 9
    assert not horizon.waits
