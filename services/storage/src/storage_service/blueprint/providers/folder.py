"""A blueprint in a folder. Whoever wants another one writes a folder of his own and names it in the settings.

migrations/0001_name.sql …            steps of every tenant's schema, forward only
seeds/<template>/template.toml        `version`, and a table `variables` with a default each, or `{ required = true }`
seeds/<template>/*.sql                what fills a new schema, in the order of the names
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import sqlparse

from faults import Fault
from postgreskit.migration_files import Migration as File
from postgreskit.migration_files import migrations_of
from settingskit import Problem, SettingsInvalid, setting
from storage_service.blueprint.model import Blueprint, Migration, Script, Template

_CONTROL = re.compile(
    r"\s*(begin|start|commit|rollback|abort|end|savepoint|release|prepare\s+transaction)\b", re.IGNORECASE
)
_TEMPLATE = re.compile(r"[a-z][a-z0-9-]{0,63}")
_VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class BlueprintSettings:
    """Which blueprint tenants' schemas are made of."""

    folder: Path | None = setting(
        "SCHEMA_BLUEPRINT", default=None, help="Folder of migrations and seed templates; the built-in ones without it."
    )
    template: str = setting("SCHEMA_TEMPLATE", default="default", help="The seed template where a caller names none.")


def load(settings: BlueprintSettings) -> Blueprint:
    """Read the blueprint the settings name; SettingsInvalid says what is wrong with it."""
    folder = settings.folder or files(__package__) / "default"
    try:
        blueprint = Blueprint(tuple(_migrations(folder / "migrations")), dict(_templates(folder / "seeds")))
    except (OSError, ValueError, Fault) as error:
        raise SettingsInvalid([Problem("SCHEMA_BLUEPRINT", f"cannot be read: {error}")]) from error
    if settings.template not in blueprint.templates:
        raise SettingsInvalid([Problem("SCHEMA_TEMPLATE", f"there is no template {settings.template}")])
    return blueprint


def _migrations(folder: Traversable) -> Iterator[Migration]:
    for file in migrations_of({script.file: script.sql for script in _scripts(folder)}):
        yield Migration(file.version, Script(file.file, _transactional(file).sql))


def _transactional(file: File) -> File:
    if not file.transactional:
        raise ValueError(f"{file.file}: a migration of tenants' schemas runs in a transaction")
    return file


def _templates(folder: Traversable) -> Iterator[tuple[str, Template]]:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if not entry.is_dir():
            continue
        if not _TEMPLATE.fullmatch(entry.name):
            raise ValueError(f"{entry.name}: a template's name is lower-case letters, digits and hyphens")
        about = tomllib.loads((entry / "template.toml").read_text("utf-8"))
        yield (
            entry.name,
            Template(
                name=entry.name,
                version=str(about["version"]) if "version" in about else _lacking(entry.name, "version"),
                variables={
                    name: _default(entry.name, name, value) for name, value in about.get("variables", {}).items()
                },
                scripts=tuple(_whole(entry.name, script) for script in _scripts(entry)),
            ),
        )


def _scripts(folder: Traversable) -> list[Script]:
    found = sorted((one for one in folder.iterdir() if one.name.endswith(".sql")), key=lambda one: one.name)
    return [Script(one.name, one.read_text("utf-8")) for one in found]


def _whole(template: str, script: Script) -> Script:
    """A script that stays inside of the transaction it is run in."""
    for statement in sqlparse.split(sqlparse.format(script.sql, strip_comments=True)):
        if _CONTROL.match(statement):
            raise ValueError(f"{template}/{script.file}: it begins or ends a transaction: all scripts run in one")
    return script


def _default(template: str, name: str, value: Any) -> str | None:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(f"{template}/template.toml: {name} is no name of a variable")
    if value == {"required": True}:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{template}/template.toml: {name} needs a text, or {{ required = true }}")  # noqa: TRY004 - a file
    return value


def _lacking(template: str, what: str) -> str:
    raise ValueError(f"{template}/template.toml: there is no {what}")
