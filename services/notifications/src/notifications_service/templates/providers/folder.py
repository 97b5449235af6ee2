"""The files of templates: ours, and an operator's over them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from notifications_service.templates.model import Category, Form, Problem, Template, Variable

DECLARATION: Final = "template.toml"
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_TAKEN: Final = frozenset({"brand", "words", "language", "parts", "layout", "html", "kind", "made_parts"})
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_TEMPLATE_ID: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_TOML_PLACE: Final = re.compile(r" \(at line (\d+), column \d+\)| \(at end of document\)")


class Broken(Exception):  # noqa: N818 - says what a template is
    """A template cannot be used."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class TemplateFolder:
    """Files by name; what the operator has goes before what we have."""

    def __init__(self, ours: Path, theirs: Path | None) -> None:
        self.roots: Sequence[Path] = [theirs, ours] if theirs else [ours]
        self._ours = ours

    def names(self) -> Sequence[str]:
        """The identifier of every template."""
        folders = {path.name for root in self.roots for path in root.iterdir() if path.is_dir()}
        return sorted(filter(_TEMPLATE_ID.fullmatch, folders))

    def overridden(self, template_id: str) -> bool:
        """Whether a file of the operator's is part of it."""
        return any((root / template_id).is_dir() for root in self.roots if root != self._ours)

    def languages(self, template_id: str) -> tuple[str, ...]:
        """What it is written in, English first."""
        found = {path.stem for root in self.roots for path in (root / template_id).glob("*.j2")}
        return tuple(sorted(filter(_LANGUAGE.fullmatch, found), key=lambda tag: (tag != "en", tag)))

    def find(self, name: str) -> Path | None:
        """The file of a name."""
        return next((root / name for root in self.roots if (root / name).is_file()), None)

    def toml(self, name: str) -> dict[str, Any]:
        """What a TOML file says."""
        path = self.find(name)
        if path is None:
            raise Broken(Problem(name, 1, "the file is missing"))
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            place = _TOML_PLACE.search(str(error))
            line = int(place[1] or 1) if place else 1
            raise Broken(Problem(name, line, _TOML_PLACE.sub("", str(error)))) from error
        except UnicodeDecodeError as error:
            raise Broken(Problem(name, 1, "is no UTF-8 text")) from error

    def declared(self, template_id: str) -> Template:
        """The template as its declaration says, not tried yet."""
        name = f"{template_id}/{DECLARATION}"
        said, languages = self.toml(name), self.languages(template_id)
        if not languages:
            raise Broken(Problem(f"{template_id}/en.j2", 1, "the file is missing"))
        try:
            return Template(
                template_id=template_id,
                description=str(said["description"]),
                category=Category[str(said["category"]).upper()],
                variables=tuple(_variable(key, one) for key, one in said.get("variables", {}).items()),
                languages=languages,
                overridden=self.overridden(template_id),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise Broken(Problem(name, 1, f"{error} is missing or not known")) from error

    def words(self) -> Mapping[str, Mapping[str, str]]:
        """What layouts say, by language."""
        return self.toml("words.toml")


def _variable(name: str, said: Mapping[str, Any]) -> Variable:
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise ValueError(name)
    return Variable(
        name=name,
        description=str(said["description"]),
        sample=str(said["sample"]),
        form=Form(said.get("form", "text")),
        required=bool(said.get("required", True)),
        confidential=bool(said.get("confidential", False)),
    )
