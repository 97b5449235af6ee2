from collections import Counter

import pytest

from faults import Exhausted, Invalid
from storage_service.servers.model import Load, Share, State, named, preferred

SHARES = (Share("a", 100), Share("b", 200), Share("c", 0))


def laid(number, shares=SHARES, *, pooled=False):
    counts = Counter()
    for _ in range(number):
        loads = {name: Load(0, count) if pooled else Load(count, 0) for name, count in counts.items()}
        counts[preferred(shares, loads, pooled=pooled)[0].name] += 1
    return counts


@pytest.mark.parametrize("pooled", [False, True])
def test_places_go_by_weight(pooled):
    assert laid(300, pooled=pooled) == {"a": 100, "b": 200}


def test_nobody_goes_over_the_limit_and_pooled_places_have_none():
    small = (Share("a", limit=3), Share("b", limit=2))
    assert laid(5, small) == {"a": 3, "b": 2}
    with pytest.raises(Exhausted) as full:
        laid(6, small)
    assert full.value.facts == {"limit": "5", "servers": "a,b"}
    assert sum(laid(20, small, pooled=True).values()) == 20


def test_a_server_is_known_by_name():
    assert named(SHARES, "c") is SHARES[2]
    with pytest.raises(Invalid):
        named(SHARES, "d")


def test_when_a_server_takes_what_is_new():
    assert State(Share("a"), available=True).accepting
    for state in (
        State(Share("a"), available=False),
        State(Share("a"), available=True, writable=False),
        State(Share("a", weight=0), available=True),
        State(Share("a", limit=2), available=True, schemas=2),
    ):
        assert not state.accepting
