import pytest

from chassis.interceptors import ORDER, in_order


def test_the_order_is_this():
    assert [place.name for place in ORDER] == [
        "telemetry",
        "logging",
        "errors",
        "deadline",
        "shedding",
        "authentication",
        "authorization",
        "validation",
    ]


def test_every_layer_stands_within_those_it_needs_and_says_why():
    outside = set()
    for place in ORDER:
        assert set(place.within) <= outside, place.name
        assert all(place.within.values())
        outside.add(place.name)


def layer(_method, proceed):
    return proceed


def test_layers_are_put_in_their_places():
    layers = {place.name: (lambda _method, _proceed, name=place.name: name) for place in reversed(ORDER)}
    assert [each(None, None) for each in in_order(layers)] == [place.name for place in ORDER]


@pytest.mark.parametrize("change", [{"extra": layer}, {"validation": None}])
def test_no_layer_is_forgotten_and_none_is_unknown(change):
    layers = {place.name: layer for place in ORDER} | change
    with pytest.raises(ValueError, match=next(iter(change))):
        in_order({name: each for name, each in layers.items() if each})
