"""Where a page ended, as a page token holds it: the values of the order's columns, each with its type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

Scalar = str | int | float | bool | None

# The letter before a text says what it was. None, bool, int and float stand for themselves.
_WRITERS: Final[Mapping[type, tuple[str, Callable[[Any], str]]]] = {
    str: ("s", str),
    UUID: ("u", str),
    datetime: ("t", datetime.isoformat),
    date: ("d", date.isoformat),
    Decimal: ("n", str),
}
_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "s": str,
    "u": UUID,
    "t": datetime.fromisoformat,
    "d": date.fromisoformat,
    "n": Decimal,
}


def position_of(values: Iterable[object]) -> list[Scalar]:
    """Values as the driver reads them, as a token can hold them."""
    return [_write(value) for value in values]


def values_of(position: Iterable[Scalar]) -> tuple[Any, ...]:
    """The values again."""
    return tuple(_READERS[item[0]](item[1:]) if isinstance(item, str) else item for item in position)


def _write(value: object) -> Scalar:
    if value is None or isinstance(value, bool | int | float):
        return value
    for kind in type(value).__mro__:  # the driver's UUID is a subclass
        if kind in _WRITERS:
            letter, write = _WRITERS[kind]
            return letter + write(value)
    msg = f"lists cannot be ordered by a {type(value).__name__}"
    raise TypeError(msg)
