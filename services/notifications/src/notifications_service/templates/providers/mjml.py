"""Templates of MJML and Jinja.

A folder is a template: `template.toml` says what it asks for, `en.j2` what it says in English. One file makes both
parts of a message, and its subject: it is laid out once by `layout.mjml` with `parts.mjml` and once by `layout.txt`
with `parts.txt`. Whatever stands in the operator's folder under the same name goes before ours, each file for itself.

Jinja comes first and escapes every value; MJML then makes of elements what mail programs understand, and leaves escaped
text as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import jinja2
from babel.core import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from mjml import mjml2html

from notifications_service.model import Branding
from notifications_service.templates.model import Category, Problem, Rendered, Template
from notifications_service.templates.providers.checking import flaw_in, located, place_of
from notifications_service.templates.providers.compiling import Compiler, placed
from notifications_service.templates.providers.folder import Broken, TemplateFolder

OURS: Final = Path(__file__).parent / "files"
_BLANK_LINES: Final = re.compile(r"\n[ \t]*(\n[ \t]*)+\n*")


class MjmlWriter:
    """Every template there is, read once."""

    def __init__(self, theirs: Path | None = None) -> None:
        """Read the templates.

        Args:
            theirs: the operator's folder, whose files go before ours.
        """
        self._folder = TemplateFolder(OURS, theirs)
        self._words = self._folder.words()
        self._html = _environment(self._folder, ".mjml", escaping=True, finalize=placed)
        self._text = _environment(self._folder, ".txt", escaping=False)
        self._compiler = Compiler()
        self._each_anew: set[str] = set()
        self.templates: Mapping[str, Template] = {name: self._read(name) for name in self._folder.names()}

    def write(self, template_id: str, language: str, variables: Mapping[str, str], branding: Branding) -> Rendered:
        """Write a message."""
        name, known = f"{template_id}/{language}.j2", self._known(language, variables, branding)
        parts = self._parts(self._text, language)
        return Rendered(
            subject=self._subject(name, known),
            html=self._compiled(name, known, variables),
            text=_tidy(self._text.get_template(name).render(known, parts=parts)),
            language=language,
        )

    def _known(self, language: str, variables: Mapping[str, str], branding: Branding) -> dict[str, Any]:
        return {**variables, "brand": branding, "words": self._words_in(language), "language": language}

    def _mjml(self, name: str, known: Mapping[str, Any]) -> str:
        parts = self._parts(self._html, known["language"])
        return self._html.get_template(name).render(known, parts=parts)

    def _compiled(self, name: str, known: Mapping[str, Any], variables: Mapping[str, str]) -> str:
        if name in self._each_anew:
            return mjml2html(self._mjml(name, known))
        marked = self._mjml(name, {**known, **self._compiler.marked(variables)})
        return self._compiler.html(marked, variables)

    def _subject(self, name: str, known: Mapping[str, Any]) -> str:
        """The subject, on one line whatever the values hold."""
        template = self._text.get_template(name)
        return " ".join("".join(template.blocks["subject"](template.new_context(dict(known)))).split())

    def _parts(self, environment: jinja2.Environment, language: str) -> Any:
        made: dict[str, Any] = environment.globals["made_parts"]  # type: ignore[assignment] # ours, by language
        if language not in made:
            template = environment.get_template(f"parts{environment.globals['kind']}")
            made[language] = template.make_module({"words": self._words_in(language)})
        return made[language]

    def _words_in(self, language: str) -> Mapping[str, str]:
        """What layouts say, in the language or what is left of it without its region, else in English."""
        return self._words.get(language) or self._words.get(language.partition("-")[0]) or self._words["en"]

    def _read(self, template_id: str) -> Template:
        """A template, tried in each of its languages; one that cannot be used says why."""
        template = Template(template_id, "", Category.NECESSARY, (), ("en",), self._folder.overridden(template_id))
        try:
            template = self._folder.declared(template_id)
            for language in template.languages:
                self._try(template, language)
        except Broken as broken:
            return replace(template, problem=broken.problem)
        return template

    def _try(self, template: Template, language: str) -> None:
        """Write it with every variable, and with those only that are required."""
        name = f"{template.template_id}/{language}.j2"
        required = {one.name: one.sample if one.required else "" for one in template.variables}
        try:
            if "subject" not in self._text.get_template(name).blocks:
                raise Broken(Problem(name, 1, "the block subject is missing"))
            for variables in (template.samples, required):
                known = self._known(language, variables, EVERYTHING)
                mjml = self._mjml(name, known)
                if flaw_in(mjml):
                    raise Broken(located(self._html, name, known))
                written = self.write(template.template_id, language, variables, EVERYTHING)
                if written.html != mjml2html(mjml):  # it does more to a value than to write it
                    self._each_anew.add(name)
        except jinja2.TemplateError as error:
            raise Broken(place_of(error, name, self._folder.roots)) from error
        except ValueError as error:
            raise Broken(Problem(name, 1, f"MJML: {error}")) from error


EVERYTHING: Final = Branding(
    product_name="Acme Cloud",
    logo_url="https://cdn.example/logo.png",
    primary_color="#3457d5",
    website_url="https://acme.example",
    support_url="https://acme.example/help",
    support_email="help@acme.example",
    footer="Acme AG, Bundesgasse 1, 3011 Bern",
)
"""What templates are tried with."""


def _environment(
    folder: TemplateFolder, kind: str, *, escaping: bool, finalize: Callable[[Any], Any] | None = None
) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([str(one) for one in folder.roots]),
        autoescape=escaping,  # noqa: S701 - the text part is no HTML
        undefined=jinja2.StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    environment.globals.update(kind=kind, layout=f"layout{kind}", html=escaping, made_parts={})
    environment.filters["when"] = _when
    return environment


@jinja2.pass_context
def _when(context: jinja2.runtime.Context, value: str) -> str:
    """A time as people of the language write it, always in UTC."""
    return _in_words(value, str(context["language"])) if value else ""


@lru_cache(1024)
def _in_words(value: str, language: str) -> str:
    time, locale = datetime.fromisoformat(value).astimezone(UTC), _locale(language)
    return f"{format_date(time, 'long', locale=locale)}, {format_time(time, 'HH:mm', locale=locale)} UTC"


@lru_cache
def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale("en")


def _tidy(text: str) -> str:
    """Text with one blank line between paragraphs, and no blanks at the ends of lines."""
    lines: Iterable[str] = (line.strip() for line in text.splitlines())
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip() + "\n"
