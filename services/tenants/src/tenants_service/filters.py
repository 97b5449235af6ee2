"""The filters of lists: `field op "value"`, joined by ` AND `, as SQL that carries no text of a caller."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from uuid import UUID

from faults import Fault, Invalid, Violation

_FIELD = re.compile(r"\s*([a-z_]+)\s*")
_OPERATOR = re.compile(r"(<=|>=|=|<|>)\s*")
_VALUE = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_AND = re.compile(r"\s+AND(?=\s)")
_ESCAPED = re.compile(r'\\(["\\])')


@dataclass(frozen=True, slots=True)
class Field:
    """One field callers may compare."""

    sql: str
    """Our own SQL, with `{op}` where the operator goes and `{value}` where the value does."""
    read: Callable[[str], object] = str
    """Makes the value of a caller's text; a ValueError says that it is none."""
    expected: str = "a value"
    ordered: bool = False
    """Whether it can be compared by size, not only be equal."""


def equal(column: str) -> Field:
    """A column of texts."""
    return Field(f"{column} = {{value}}")


def one_of(column: str, values: type[Enum]) -> Field:
    """A column that holds the names of some values."""
    names = [value.name for value in values]
    return Field(f"{column} = {{value}}", lambda text: values[text].name, f"one of {', '.join(names)}")


def identifier(column: str) -> Field:
    """A column of UUIDs."""
    return Field(f"{column} = {{value}}", UUID, "a UUID")


def moment(column: str) -> Field:
    """A column of times."""
    return Field(f"{column} {{op}} {{value}}", _moment, "a time such as 2026-01-31T00:00:00Z", ordered=True)


def where(text: str, fields: Mapping[str, Field]) -> tuple[str, list[object]]:
    """The condition a filter states, and its arguments, numbered from 1; an empty one is always true.

    Raises:
        Invalid: FILTER_INVALID, with the position of what is not understood and what would be.
    """
    conditions: list[str] = []
    values: list[object] = []
    position = 0
    while text.strip() and (not conditions or position < len(text)):
        condition, value, position = _comparison(text, position, fields, len(values) + 1)
        conditions.append(condition)
        values.append(value)
        if text[position:].strip():
            position = _match(_AND, text, position, "AND").end()
        else:
            break
    return " AND ".join(conditions) or "true", values


def _comparison(text: str, start: int, fields: Mapping[str, Field], number: int) -> tuple[str, object, int]:
    named = _match(_FIELD, text, start, "a field")
    field = fields.get(named[1])
    if field is None:
        raise _invalid(named.start(1), f"one of {', '.join(fields)}")
    operator = _match(_OPERATOR, text, named.end(), "an operator")
    if operator[1] != "=" and not field.ordered:
        raise _invalid(operator.start(1), "=")
    quoted = _match(_VALUE, text, operator.end(), "a value in double quotes")
    try:
        value = field.read(_ESCAPED.sub(r"\1", quoted[1]))
    except (ValueError, KeyError):
        raise _invalid(quoted.start(1), field.expected) from None
    return field.sql.format(op=operator[1], value=f"${number}"), value, quoted.end()


def _match(pattern: re.Pattern[str], text: str, position: int, expected: str) -> re.Match[str]:
    match = pattern.match(text, position)
    if match is None:
        raise _invalid(position, expected)
    return match


def _moment(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        msg = "a time has a zone"
        raise ValueError(msg)
    return time.astimezone(UTC)


def _invalid(position: int, expected: str) -> Fault:
    return Invalid(
        f"The filter is not understood at character {position + 1}: {expected} should come there.",
        reason="FILTER_INVALID",
        facts={"position": position, "expected": expected},
        violations=[Violation("filter", f"at character {position + 1}: {expected} should come there")],
    )
