"""Reading settings: every variable is looked up once, and every problem is found before anything is said."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from settingskit._declare import Declared, Nested, default_of, defaults_within, fields_of
from settingskit._values import parse, show

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Problem:
    """One variable that is missing, cannot be read, or contradicts another."""

    name: str
    message: str

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


class SettingsInvalid(ValueError):  # noqa: N818 - reads as what happened
    """The environment does not make a configuration. It names every problem, not the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def load(kind: type[T], environ: Mapping[str, str], *, service: str = "") -> T:
    """Read a settings dataclass from the environment.

    Args:
        kind: a dataclass declared with `setting` and `nested`.
        environ: usually `os.environ`. An empty value counts as not set.
        service: lets `DNS_RPC_PORT` win over `RPC_PORT` for the service `dns`, so that several services can share one
            environment.

    Raises:
        SettingsInvalid: with every problem of every group.
    """
    reader = _Reader(environ, f"{service.upper().replace('-', '_')}_" if service else "")
    value = reader.read(kind, {})
    if reader.problems:
        raise SettingsInvalid(reader.problems)
    return value  # type: ignore[no-any-return]  # read answers an instance of `kind` when there is no problem


class _Reader:
    """One pass over the declarations that collects problems on its way."""

    def __init__(self, environ: Mapping[str, str], prefix: str) -> None:
        self._environ = environ
        self._prefix = prefix
        self.problems: list[Problem] = []

    def read(self, kind: type, defaults: Mapping[str, Any]) -> Any:
        """An instance of `kind`, or None when one of its settings has a problem."""
        before = len(self.problems)
        values = {}
        for field, hint, declaration in fields_of(kind):
            if isinstance(declaration, Nested):
                values[field.name] = self.read(declaration.kind, defaults_within(field, declaration, defaults))
            else:
                values[field.name] = self._value(declaration, hint, default_of(field, defaults))
        if len(self.problems) > before:
            return None
        try:
            return kind(**values)
        except SettingsInvalid as invalid:
            self.problems.extend(invalid.problems)
            return None

    def _value(self, declared: Declared, hint: Any, default: Any) -> Any:
        name, text = self._lookup(declared.name)
        if text is None:
            if default is dataclasses.MISSING:
                self.problems.append(Problem(name, f"is required: {declared.help}"))
            return default
        try:
            value = parse(hint, text)
        except ValueError as error:
            self.problems.append(Problem(name, str(error)))
            return None
        self._check_range(name, declared, value)
        return value

    def _lookup(self, name: str) -> tuple[str, str | None]:
        """The variable that counts, and its text; the service's own wins over the shared one."""
        own = self._prefix + name
        for candidate in (own, name):
            text = self._environ.get(candidate, "").strip()
            if text:
                return candidate, text
        return name, None

    def _check_range(self, name: str, declared: Declared, value: Any) -> None:
        if declared.minimum is not None and value < declared.minimum:
            self.problems.append(Problem(name, f"must be at least {show(declared.minimum)}"))
        if declared.maximum is not None and value > declared.maximum:
            self.problems.append(Problem(name, f"must be at most {show(declared.maximum)}"))
