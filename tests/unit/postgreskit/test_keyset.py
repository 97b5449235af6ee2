import pytest

from faults import Invalid
from postgreskit import Column, parse_order
from postgreskit.keyset import after, order_by

ID = Column("lead_id")
COLUMNS = {"create_time": Column("created_at"), "name": Column("name", nullable=True)}


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("", "created_at DESC, lead_id ASC"),
        ("name", "name ASC, lead_id ASC"),
        ("name asc", "name ASC, lead_id ASC"),
        ("create_time  desc , name", "created_at DESC, name ASC, lead_id ASC"),
        (",name,", "name ASC, lead_id ASC"),
    ],
)
def test_an_order_is_read(text, order):
    parsed = parse_order(text, COLUMNS, unique=ID, default="create_time desc")
    assert order_by(parsed) == order
    assert all(column.nullable == (column.name == "name") for column in parsed)


def test_the_unique_column_may_be_chosen():
    order = parse_order("id desc", {"id": ID}, unique=ID)
    assert order == (Column("lead_id", descending=True),)


@pytest.mark.parametrize(
    "text", ["nope", "name up", "name desc desc", "name; DROP TABLE leads", "name, name desc", "NAME"]
)
def test_what_is_no_order_is_refused(text):
    with pytest.raises(Invalid) as caught:
        parse_order(text, COLUMNS, unique=ID)
    assert caught.value.reason == "REQUEST_INVALID"
    [violation] = caught.value.violations
    assert violation.field == "order_by"
    assert "create_time, name" in violation.description


A, B = Column("a"), Column("b")
A_DOWN, B_DOWN = Column("a", descending=True), Column("b", descending=True)
NULL_A, NULL_A_DOWN = Column("a", nullable=True), Column("a", descending=True, nullable=True)


@pytest.mark.parametrize(
    ("order", "values", "condition", "arguments"),
    [
        ((A, B), (1, 2), "(a, b) > ($3, $4)", [1, 2]),
        ((A_DOWN, B_DOWN), (1, 2), "(a, b) < ($3, $4)", [1, 2]),
        ((A, B_DOWN), (1, 2), "a >= $3 AND (a > $3 OR (a = $3 AND b < $4))", [1, 2]),
        ((A_DOWN, B), (1, 2), "a <= $3 AND (a < $3 OR (a = $3 AND b > $4))", [1, 2]),
        ((NULL_A, B), (1, 2), "((a > $3 OR a IS NULL) OR (a = $3 AND b > $4))", [1, 2]),
        ((NULL_A, B), (None, 2), "(false OR (a IS NULL AND b > $3))", [2]),
        ((NULL_A_DOWN, B), (1, 2), "a <= $3 AND (a < $3 OR (a = $3 AND b > $4))", [1, 2]),
        ((NULL_A_DOWN, B), (None, 2), "(a IS NOT NULL OR (a IS NULL AND b > $3))", [2]),
    ],
)
def test_the_condition_of_what_comes_after(order, values, condition, arguments):
    assert after(order, values, 3) == (condition, arguments)
