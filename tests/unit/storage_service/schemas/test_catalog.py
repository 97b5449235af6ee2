import pytest

from storage_service.schemas.providers.catalog import in_order


@pytest.mark.parametrize(
    ("targets", "order"),
    [
        ({}, []),
        ({"a": ["b"], "b": []}, [("b",), ("a",)]),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, [("b", "c"), ("a",)]),
        ({"a": ["b", "d"], "b": ["c"], "c": ["a"], "d": []}, [("d",), ("a", "b", "c")]),
        # Two circles that share a table are one.
        ({"a": ["b"], "b": ["a", "c"], "c": ["b"]}, [("a", "b", "c")]),
        ({"a": ["b"], "b": ["a"], "c": ["d", "a"], "d": ["c"]}, [("a", "b"), ("c", "d")]),
    ],
)
def test_each_behind_those_it_points_to_and_circles_together(targets, order):
    assert in_order(targets) == order
