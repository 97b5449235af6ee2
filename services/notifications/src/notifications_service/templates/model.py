"""A template: what it asks for, the languages it is written in, and what was made of it."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


class Category(enum.Enum):
    """Whether a person may decline a kind of message."""

    NECESSARY = "NECESSARY"
    OPTIONAL = "OPTIONAL"


class Form(enum.Enum):
    """What the value of a variable has to be."""

    TEXT = "text"
    URL = "url"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Variable:
    """Something a template asks for."""

    name: str
    description: str
    sample: str
    form: Form = Form.TEXT
    required: bool = True
    confidential: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a template cannot be used."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of message."""

    template_id: str
    description: str
    category: Category
    variables: tuple[Variable, ...]
    languages: tuple[str, ...]
    overridden: bool = False
    problem: Problem | None = None

    @property
    def samples(self) -> Mapping[str, str]:
        """A value for each variable, for previews."""
        return {one.name: one.sample for one in self.variables}

    def missing(self, given: Mapping[str, str]) -> list[str]:
        """The required variables that are not given, or are given nothing."""
        return [one.name for one in self.variables if one.required and not given.get(one.name)]

    def language_for(self, *wanted: str) -> str:
        """The first of the wanted languages that it has, shortened where needed (RFC 4647); else its first one."""
        for tag in wanted:
            for language in _shorter(tag):
                if language in self.languages:
                    return language
        return self.languages[0]


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a template says to one recipient."""

    subject: str
    html: str = field(repr=False)
    text: str = field(repr=False)
    language: str = ""

    @property
    def size(self) -> int:
        """Bytes of both parts."""
        return len(self.html.encode()) + len(self.text.encode())


def _shorter(tag: str) -> Iterator[str]:
    """The tag, and what is left of it when its last part is taken away, again and again."""
    parts = tag.split("-")
    for count in range(len(parts), 0, -1):
        yield "-".join(parts[:count])
