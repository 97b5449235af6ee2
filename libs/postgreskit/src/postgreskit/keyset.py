"""The SQL of keyset pages: what comes after a row, in an order of several columns, each in its own direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faults import Invalid, Violation
from postgreskit.errors import DOMAIN


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an order.

    The name is SQL of ours, never a caller's text. NULL counts as greater than everything, as in PostgreSQL: it comes
    last when ascending and first when descending, so an ordinary index serves the order.
    """

    name: str
    descending: bool = False
    nullable: bool = False


Order = tuple[Column, ...]
"""Columns of which the last ones tell every row from every other."""


def parse_order(text: str, columns: Mapping[str, Column], *, unique: Column, default: str = "") -> Order:
    """Read an `order_by` field such as `create_time desc, name`.

    Args:
        text: what the caller sent; empty means `default`.
        columns: what may be ordered by, under the names callers know.
        unique: the column appended to tell equal rows apart.
        default: the order of who does not say.

    Raises:
        Invalid: `REQUEST_INVALID`, with a violation of `order_by`.
    """
    chosen: list[Column] = []
    for part in filter(None, (part.strip() for part in (text or default).split(","))):
        name, _, direction = part.partition(" ")
        column = columns.get(name)
        if column is None or direction.strip() not in {"", "asc", "desc"} or column.name in {c.name for c in chosen}:
            raise _unordered(part, columns)
        chosen.append(Column(column.name, direction.strip() == "desc", column.nullable))
    if unique.name not in {column.name for column in chosen}:
        chosen.append(unique)
    return tuple(chosen)


def order_by(order: Order) -> str:
    """The expressions of ORDER BY."""
    return ", ".join(f"{column.name} {'DESC' if column.descending else 'ASC'}" for column in order)


def after(order: Order, values: Sequence[Any], first: int) -> tuple[str, list[Any]]:
    """The condition that a row comes after the one with these values, and its arguments, numbered from `first`.

    Where it can it is one comparison of rows, which an index answers in one descent; otherwise the textbook form, led
    by a bound on the first column that an index can use.
    """
    if not any(column.nullable for column in order) and len({column.descending for column in order}) == 1:
        names = ", ".join(column.name for column in order)
        numbers = ", ".join(f"${first + position}" for position in range(len(order)))
        return f"({names}) {'<' if order[0].descending else '>'} ({numbers})", list(values)
    arguments = [value for value in values if value is not None]
    numbers_left = iter(range(first, first + len(arguments)))
    marks = [None if value is None else f"${next(numbers_left)}" for value in values]
    steps = list(zip(order, marks, strict=True))
    condition = _beyond(*steps[-1])
    for column, mark in reversed(steps[:-1]):
        condition = f"({_beyond(column, mark)} OR ({_equal(column, mark)} AND {condition}))"
    return f"{_bound(*steps[0])}{condition}", arguments


def _beyond(column: Column, mark: str | None) -> str:
    """That the column comes strictly after the marked value, alone."""
    if mark is None:
        return f"{column.name} IS NOT NULL" if column.descending else "false"
    if column.descending:
        return f"{column.name} < {mark}"
    return f"({column.name} > {mark} OR {column.name} IS NULL)" if column.nullable else f"{column.name} > {mark}"


def _equal(column: Column, mark: str | None) -> str:
    return f"{column.name} IS NULL" if mark is None else f"{column.name} = {mark}"


def _bound(column: Column, mark: str | None) -> str:
    """What the condition implies of the first column, said plainly where an index can use it."""
    if mark is None or (column.nullable and not column.descending):
        return ""
    return f"{column.name} {'<=' if column.descending else '>='} {mark} AND "


def _unordered(part: str, columns: Mapping[str, Column]) -> Invalid:
    rule = f"{part!r} is not one of {', '.join(columns)}, each at most once, with or without asc or desc"
    return Invalid(
        "The order is not one this method knows.",
        reason="REQUEST_INVALID",
        violations=[Violation("order_by", rule)],
        domain=DOMAIN,
    )
