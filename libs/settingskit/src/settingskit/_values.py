"""How the text of an environment variable becomes a value, and how a value is shown to a person."""

from __future__ import annotations

import enum
import re
import types
import typing
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class Secret:
    """A value that hides itself wherever it is printed, logged, compared or pickled; `reveal` hands it out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself. Hand it straight to what needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(****)"

    def __str__(self) -> str:
        return "****"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> tuple[Any, ...]:
        msg = "a secret does not leave its process"
        raise TypeError(msg)


def parse(kind: Any, text: str) -> Any:
    """Turn `text` into a value of the annotated type `kind`; a ValueError says what would have been right."""
    kind = without_none(kind)
    if typing.get_origin(kind) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _enum(kind, text)
    parser = _PARSERS.get(kind)
    if parser is None:
        msg = f"settings cannot be of type {kind!r}"
        raise TypeError(msg)
    return parser(text)


def show(value: Any) -> str:
    """Write a value the way it would stand in the environment."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return _show_duration(value)
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, enum.Enum):
        return str(value.value)
    return str(value)


def without_none(kind: Any) -> Any:
    """The `X` of `X | None`."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        members = [member for member in typing.get_args(kind) if member is not types.NoneType]
        if len(members) == 1:
            return members[0]
    return kind


def _enum(kind: type[enum.Enum], text: str) -> enum.Enum:
    try:
        return kind(text)
    except ValueError:
        msg = f"must be one of {', '.join(str(member.value) for member in kind)}"
        raise ValueError(msg) from None


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        msg = "must be a whole number"
        raise ValueError(msg) from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        msg = "must be a number"
        raise ValueError(msg) from None


def _boolean(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        msg = "must be true or false"
        raise ValueError(msg)
    return word in _TRUE


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None:
        msg = "must be a duration such as 250ms, 30s, 5m, 2h or 1d"
        raise ValueError(msg)
    return timedelta(seconds=float(match[1]) * _UNITS[match[2] or "s"])


def _show_duration(value: timedelta) -> str:
    """Write it in the largest unit that divides it; nothing below a millisecond is configured."""
    milliseconds = round(value / timedelta(milliseconds=1))
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % size == 0 and milliseconds:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


_PARSERS: dict[Any, Callable[[str], Any]] = {
    str: str,
    int: _integer,
    float: _number,
    bool: _boolean,
    timedelta: _duration,
    Path: lambda text: Path(text).expanduser(),
    Secret: Secret,
}
