"""Finding what is wrong with a template, and where: the file and the line a person wrote.

MJML's compiler names no line and forgives much, and what it sees is no file but what Jinja made of several. So what
Jinja made is read as XML first; and to find a place in it, the files are rendered once more with a mark at the start of
each of their lines.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

import jinja2

from notifications_service.templates.model import Problem

_ELEMENTS: Final = frozenset(
    {
        "mjml", "mj-head", "mj-body", "mj-include", "mj-attributes", "mj-all", "mj-class", "mj-breakpoint", "mj-font",
        "mj-html-attributes", "mj-preview", "mj-style", "mj-title", "mj-accordion", "mj-accordion-element",
        "mj-accordion-text", "mj-accordion-title", "mj-button", "mj-carousel", "mj-carousel-image", "mj-column",
        "mj-divider", "mj-group", "mj-hero", "mj-image", "mj-navbar", "mj-navbar-link", "mj-raw", "mj-section",
        "mj-social", "mj-social-element", "mj-spacer", "mj-table", "mj-text", "mj-wrapper",
    }
)  # fmt: skip
_NAMED_ENTITY: Final = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)([A-Za-z][A-Za-z0-9]*);")
_MARK: Final = re.compile("\ue000([^\ue001]*)\ue001")
_TAG_OR_LINE: Final = re.compile(r"\{[{%#]|[}%#]\}|\n")


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong in a text, and at which character."""

    at: int
    text: str


def flaw_in(mjml: str) -> Flaw | None:
    """What keeps a text from being MJML, if anything does."""
    # Entities of HTML are no entities of XML; a text of the same length stands in for them.
    source = _NAMED_ENTITY.sub(lambda found: "_" * len(found[0]), mjml)
    parser = expat.ParserCreate()

    def known(name: str, _: object) -> None:
        if name.startswith("mj") and name not in _ELEMENTS:
            raise _Unknown(name)

    parser.StartElementHandler = known
    try:
        parser.Parse(source, True)  # noqa: FBT003 - the parser's own signature
    except expat.ExpatError as error:
        return Flaw(_offset(source, error.lineno, error.offset), expat.errors.messages[error.code])
    except _Unknown as unknown:
        place = _offset(source, parser.CurrentLineNumber, parser.CurrentColumnNumber)
        return Flaw(place, f"there is no element {unknown}")
    return None


class _Unknown(Exception):  # noqa: N818 - says what an element is
    """An element that MJML has not."""


def _offset(source: str, line: int, column: int) -> int:
    return sum(len(one) + 1 for one in source.split("\n")[: line - 1]) + column


def located(environment: jinja2.Environment, name: str, known: Mapping[str, Any]) -> Problem:
    """The place of the flaw in what a template renders to, as file and line."""
    marked = environment.overlay(loader=_Marking(environment.loader), cache_size=50)
    parts = marked.get_template(f"parts{environment.globals['kind']}").make_module({"words": known["words"]})
    clean, places, origins = "", [0], [(name, 1)]
    text = marked.get_template(name).render({**known, "parts": parts})
    end = 0
    for mark in _MARK.finditer(text):
        clean += text[end : mark.start()]
        end = mark.end()
        file, _, line = mark[1].rpartition(":")
        places.append(len(clean))
        origins.append((file, int(line)))
    clean += text[end:]
    flaw = flaw_in(clean) or Flaw(0, "MJML cannot make anything of it")
    return Problem(*origins[bisect_right(places, flaw.at) - 1], flaw.text)


def place_of(error: jinja2.TemplateError, name: str, roots: Sequence[Path]) -> Problem:
    """Where Jinja stumbled."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return Problem(error.name or name, error.lineno, error.message or "cannot be read")
    file, line = name, 1
    trace = error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        for root in roots:
            if path.is_relative_to(root):
                file, line = str(path.relative_to(root)), trace.tb_lineno
        trace = trace.tb_next
    return Problem(file, line, str(error.message or error))


class _Marking(jinja2.BaseLoader):
    """Gives out the templates of another loader with a mark at the start of each line outside of Jinja's tags."""

    def __init__(self, loader: jinja2.BaseLoader | None) -> None:
        self._loader = loader

    def get_source(
        self, environment: jinja2.Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        assert self._loader is not None  # noqa: S101 - an environment of ours has one
        source, path, fresh = self._loader.get_source(environment, template)
        return _marked(source, template), path, fresh


def _marked(source: str, name: str) -> str:
    line, inside = 1, False

    def mark(found: re.Match[str]) -> str:
        nonlocal line, inside
        if found[0] != "\n":
            inside = found[0][0] == "{"
            return found[0]
        line += 1
        return "\n" if inside else f"\n\ue000{name}:{line}\ue001"

    return _TAG_OR_LINE.sub(mark, source)
