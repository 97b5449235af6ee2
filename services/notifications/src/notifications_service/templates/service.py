"""Writing messages: what is asked for is there and makes sense, before anything is written."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self
from urllib.parse import urlsplit

from faults import Conflict, Invalid, NotFound
from notifications_service.model import Branding
from notifications_service.templates.model import Form, Rendered, Template
from notifications_service.templates.ports import Writer

_log = logging.getLogger(__name__)

LARGEST = 1_048_576
"""Bytes of a message's two parts. Many mail servers take little more, and some show less."""


class Templates:
    """The templates of the service, and how the service's own messages look."""

    def __init__(self, writer: Writer, branding: Branding, language: str) -> None:
        """Describe them.

        Args:
            writer: holds and writes them.
            branding: stands where a message's own is empty; it has everything a message needs.
            language: for who has none.
        """
        self._writer = writer
        self._branding = branding
        self._language = language

    def all(self) -> Sequence[Template]:
        """Every template."""
        return tuple(self._writer.templates.values())

    def get(self, template_id: str) -> Template:
        """One template.

        Raises:
            NotFound: TEMPLATE_NOT_FOUND.
        """
        found = self._writer.templates.get(template_id)
        if found is None:
            raise NotFound(
                "There is no template of that name.", reason="TEMPLATE_NOT_FOUND", facts={"template_id": template_id}
            )
        return found

    def usable(self, template_id: str) -> Template:
        """One template that can be used.

        Raises:
            Conflict: TEMPLATE_INVALID, with the place of what is wrong.
        """
        template = self.get(template_id)
        if template.problem is not None:
            problem = template.problem
            raise Conflict(
                "The template is broken. Nothing was sent.",
                reason="TEMPLATE_INVALID",
                facts={
                    "template_id": template_id, "file": problem.file, "line": problem.line, "problem": problem.text,
                },
            )  # fmt: skip
        return template

    def write(
        self,
        template_id: str,
        variables: Mapping[str, str],
        branding: Branding,
        *languages: str,
        recipient: int = 0,
        fill_samples: bool = False,
    ) -> Rendered:
        """Write one message.

        Args:
            template_id: from which template.
            variables: what it asks for; what it does not ask for is left aside.
            branding: how it should look.
            languages: the wished ones, the most wished first.
            recipient: the number of whom it is for, for the errors.
            fill_samples: let samples stand for what is not given.

        Raises:
            NotFound, Conflict: as `usable` does.
            Invalid: VARIABLE_MISSING, VARIABLE_INVALID, RENDERING_TOO_LARGE.
        """
        template = self.usable(template_id)
        if fill_samples:
            variables = {name: variables.get(name) or sample for name, sample in template.samples.items()}
        language = self.check(template_id, variables, *languages, recipient=recipient)
        given = {one.name: variables.get(one.name, "") for one in template.variables}
        rendered = self._writer.write(template_id, language, given, self.branded(branding))
        if rendered.size > LARGEST:
            raise Invalid(
                "The message became larger than may be sent. Nothing was sent.",
                reason="RENDERING_TOO_LARGE",
                facts={"template_id": template_id, "bytes": rendered.size, "limit_bytes": LARGEST},
            )
        return rendered

    def check(self, template_id: str, variables: Mapping[str, str], *languages: str, recipient: int = 0) -> str:
        """Make sure that a message has what its template asks for; answers the language it will be in.

        Raises:
            NotFound, Conflict, Invalid: as `write` does, but for what only writing it shows.
        """
        template = self.usable(template_id)
        _check(template, variables, recipient)
        return template.language_for(*filter(None, languages), self._language)

    def branded(self, branding: Branding) -> Branding:
        """A message's branding, and the service's own where that is empty."""
        return branding.over(self._branding)


class Inspection:
    """Names the templates that cannot be used while whoever has changed them is still looking. A resource."""

    name = "templates"

    def __init__(self, templates: Templates) -> None:
        self._templates = templates

    async def __aenter__(self) -> Self:
        for template in self._templates.all():
            if template.problem is not None:
                facts = {"template": template.template_id, "problem": str(template.problem)}
                _log.error("a template cannot be used", extra=facts)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""

    async def check(self) -> None:
        """A template that cannot be used keeps nobody from the others."""


def _check(template: Template, given: Mapping[str, str], recipient: int) -> None:
    if missing := template.missing(given):
        raise _refused("The template asks for variables that were not given.", "VARIABLE_MISSING", template, missing,
                       recipient)  # fmt: skip
    wrong = [one.name for one in template.variables if not _fits(given.get(one.name, ""), one.form)]
    if wrong:
        raise _refused("A variable has a value that cannot stand in the template.", "VARIABLE_INVALID", template, wrong,
                       recipient)  # fmt: skip


def _refused(sentence: str, reason: str, template: Template, names: Sequence[str], recipient: int) -> Invalid:
    return Invalid(
        f"{sentence} Nothing was sent.",
        reason=reason,
        facts={"template_id": template.template_id, "variables": ", ".join(names), "recipient": recipient},
    )


def _fits(value: str, form: Form) -> bool:
    """Whether a value can stand where the template puts it; nothing fits everywhere."""
    if not value:
        return True
    match form:
        case Form.URL:
            return _is_link(value)
        case Form.TIME:
            return _is_time(value)
        case _:
            return True


def _is_link(value: str) -> bool:
    """Whether it leads to a page: other schemes, such as javascript:, do things when they are clicked."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and value.isprintable() and " " not in value


def _is_time(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
