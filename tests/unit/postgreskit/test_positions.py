import uuid
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postgreskit.positions import position_of, values_of

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.uuids(),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.decimals(allow_nan=False),
)


@given(st.lists(VALUES))
def test_values_come_back_as_they_were(values):
    back = values_of(position_of(values))
    assert list(back) == values
    assert [type(value) for value in back] == [type(value) for value in values]


def test_a_moment_is_no_date():
    assert position_of([datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1)]) == [
        "t2026-01-01T00:00:00+00:00",
        "d2026-01-01",
    ]


def test_a_kind_of_uuid_is_a_uuid():
    class Special(uuid.UUID):
        pass

    assert values_of(position_of([Special(int=1)])) == (uuid.UUID(int=1),)


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="ordered by a bytes"):
        position_of([b""])
