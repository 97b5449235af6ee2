from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults import Invalid
from tenants_service.filters import Field, equal, identifier, moment, one_of, where
from tenants_service.tenants.model import State

FIELDS = {
    "state": one_of("state", State),
    "key": equal("key"),
    "parent": identifier("parent_tenant_id"),
    "tag": Field("tags @> ARRAY[{value}]"),
    "create_time": moment("create_time"),
}


@pytest.mark.parametrize(
    ("text", "condition", "values"),
    [
        ("", "true", []),
        ("  ", "true", []),
        ('key = "acme"', "key = $1", ["acme"]),
        ('key="acme"', "key = $1", ["acme"]),
        ('state = "ACTIVE" AND tag = "a:b"', "state = $1 AND tags @> ARRAY[$2]", ["ACTIVE", "a:b"]),
        (r'key = "a\"b\\c"', "key = $1", [r"a\"b\c".replace(r"\"", '"')]),
        ('key = "x AND key = y"', "key = $1", ["x AND key = y"]),
        ('create_time >= "2026-01-31T02:00:00+02:00"', "create_time >= $1", [datetime(2026, 1, 31, tzinfo=UTC)]),
        ('create_time < "2026-01-31T00:00:00Z"', "create_time < $1", [datetime(2026, 1, 31, tzinfo=UTC)]),
        (f'parent = "{UUID(int=7)}"', "parent_tenant_id = $1", [UUID(int=7)]),
    ],
)
def test_a_filter_is_a_condition_and_its_arguments(text, condition, values):
    assert where(text, FIELDS) == (condition, values)


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("key", 3, "an operator"),
        ("key =", 5, "a value in double quotes"),
        ("key = 'acme'", 6, "a value in double quotes"),
        ('key = "acme', 6, "a value in double quotes"),
        ('key > "acme"', 4, "="),
        ('colour = "red"', 0, "one of state, key, parent, tag, create_time"),
        ('key = "a" OR key = "b"', 9, "AND"),
        ('key = "a" and key = "b"', 9, "AND"),
        ('key = "a" AND', 9, "AND"),
        ('key = "a" AND ', 13, "a field"),
        ('state = "BROKEN"', 9, f"one of {', '.join(State.__members__)}"),
        ('parent = "me"', 10, "a UUID"),
        ('create_time > "yesterday"', 15, "a time such as 2026-01-31T00:00:00Z"),
        ('create_time > "2026-01-31T00:00:00"', 15, "a time such as 2026-01-31T00:00:00Z"),
        ("; DROP TABLE tenants", 0, "a field"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_place(text, position, expected):
    with pytest.raises(Invalid) as refused:
        where(text, FIELDS)
    assert refused.value.reason == "FILTER_INVALID"
    assert refused.value.facts == {"position": str(position), "expected": expected}


@given(st.text())
def test_no_text_of_a_caller_is_in_the_sql(text):
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert where(f'key = "{quoted}" AND tag = "{quoted}"', FIELDS) == ("key = $1 AND tags @> ARRAY[$2]", [text, text])


@given(st.text())
def test_any_text_is_a_filter_or_is_refused(text):
    try:
        condition, values = where(text, FIELDS)
    except Invalid as refused:
        assert refused.reason == "FILTER_INVALID"
    else:
        assert condition.count("$") == len(values)
