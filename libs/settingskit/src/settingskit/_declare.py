"""Declaring settings: a frozen dataclass whose fields name their variable, and the list a person reads of them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from settingskit._values import Secret, show, without_none

_KEY = "settingskit"


@dataclass(frozen=True, slots=True)
class Declared:
    """What `setting` was told about one field."""

    name: str
    help: str
    minimum: Any
    maximum: Any


@dataclass(frozen=True, slots=True)
class Nested:
    """What `nested` was told about one group of settings."""

    kind: type
    defaults: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Described:
    """One setting as documentation shows it."""

    name: str
    help: str
    default: str
    required: bool
    secret: bool


def setting(
    name: str, *, help: str, default: Any = dataclasses.MISSING, minimum: Any = None, maximum: Any = None
) -> Any:
    """Declare that a field is read from the variable `name`; without a default it is required."""
    return dataclasses.field(
        default=default,
        kw_only=True,  # so that required and optional settings may stand in any order
        metadata={_KEY: Declared(name, help, minimum, maximum)},
    )


def nested(kind: type, **defaults: Any) -> Any:
    """Declare that a field is a settings dataclass of its own.

    `defaults` replace those its fields declare; for a field that is nested in turn, a mapping replaces those within.
    """
    return dataclasses.field(
        default_factory=lambda: _build(kind, defaults), kw_only=True, metadata={_KEY: Nested(kind, defaults)}
    )


def fields_of(kind: type) -> Iterator[tuple[dataclasses.Field[Any], Any, Declared | Nested]]:
    """Each declared field with its resolved type and its declaration."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        declaration = field.metadata.get(_KEY)
        if declaration is not None:
            yield field, hints[field.name], declaration


def defaults_within(field: dataclasses.Field[Any], nested: Nested, outer: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults that hold inside a nested field: its own, then those its parent was given for it."""
    return {**nested.defaults, **outer.get(field.name, {})}


def default_of(field: dataclasses.Field[Any], overrides: Mapping[str, Any]) -> Any:
    """The value a field takes when its variable is not set; MISSING when it is required."""
    return overrides.get(field.name, field.default)


def describe(kind: type, defaults: Mapping[str, Any] | None = None) -> tuple[Described, ...]:
    """Every setting below `kind`, in order of declaration, for `--help` and the example file."""
    return tuple(_describe(kind, defaults or {}))


def _describe(kind: type, defaults: Mapping[str, Any]) -> Iterator[Described]:
    for field, hint, declaration in fields_of(kind):
        if isinstance(declaration, Nested):
            yield from _describe(declaration.kind, defaults_within(field, declaration, defaults))
            continue
        default = default_of(field, defaults)
        required = default is dataclasses.MISSING
        yield Described(
            name=declaration.name,
            help=declaration.help,
            default="" if required or isinstance(default, Secret) else show(default),
            required=required,
            secret=without_none(hint) is Secret,
        )


def _build(kind: type, defaults: Mapping[str, Any]) -> Any:
    """An instance with these defaults and no environment."""
    values = dict(defaults)
    for field, _, declaration in fields_of(kind):
        if isinstance(declaration, Nested):
            values[field.name] = _build(declaration.kind, defaults_within(field, declaration, defaults))
    return kind(**values)
