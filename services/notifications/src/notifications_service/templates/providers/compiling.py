"""MJML compiled once for all messages that differ in values only.

Compiling takes longest of all that writing a message takes, and what it makes of the elements does not depend on the
text between them. So while Jinja writes, a mark stands for each value, and the values take their places afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from secrets import token_hex
from typing import Any, Final

from markupsafe import Markup, escape
from mjml import mjml2html

_KEPT: Final = 128
"""Texts whose HTML is kept: one for each template, language, look, and choice of what is said at all."""


class Value(str):
    """A variable's value, and its mark. Whatever is made of it, such as by a filter, is text like any other."""

    __slots__ = ("mark",)
    mark: Markup


def placed(value: Any) -> Any:
    """What Jinja writes for a value: its mark, where it has one."""
    return value.mark if type(value) is Value else value


class Compiler:
    """Makes HTML of MJML."""

    def __init__(self) -> None:
        # Letters and digits, which MJML leaves alone wherever they stand; nobody's text can hold them by intent.
        self._bracket = f"x{token_hex(12)}x"
        self._place = re.compile(f"{self._bracket}(.+?){self._bracket}")
        self._pieces = lru_cache(_KEPT)(self._split)

    def marked(self, variables: Mapping[str, str]) -> dict[str, Value]:
        """The values, each with its mark."""
        return {name: self._marked(name, value) for name, value in variables.items()}

    def html(self, mjml: str, variables: Mapping[str, str]) -> str:
        """The HTML of a text with marks, the values in their places."""
        pieces = list(self._pieces(mjml))
        pieces[1::2] = [escape(variables[name]) for name in pieces[1::2]]
        return "".join(pieces)

    def _split(self, mjml: str) -> Sequence[str]:
        """HTML and names of variables, in turns."""
        return self._place.split(mjml2html(mjml))

    def _marked(self, name: str, value: str) -> Value:
        made = Value(value)
        made.mark = Markup(f"{self._bracket}{name}{self._bracket}")  # noqa: S704 - letters and digits
        return made
