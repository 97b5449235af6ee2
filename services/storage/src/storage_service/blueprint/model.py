"""Migrations and templates, and what they ask for. No file and no database here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from faults import Conflict, Fault, Invalid


@dataclass(frozen=True, slots=True)
class Script:
    """SQL statements in one file."""

    file: str
    sql: str

    @property
    def sha256(self) -> str:
        """What tells an edited file; line ends do not count, since a checkout may change them."""
        return hashlib.sha256(self.sql.replace("\r\n", "\n").encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Migration:
    """One step forward of every tenant's schema. It never changes once it was released."""

    version: int
    script: Script

    @property
    def name(self) -> str:
        """What people call it."""
        return self.script.file.removesuffix(".sql")


@dataclass(frozen=True, slots=True)
class Template:
    """What a new schema is filled from."""

    name: str
    version: str
    variables: Mapping[str, str | None]
    """What it asks for, with the value where none is given; None has to be given."""
    scripts: tuple[Script, ...]

    @property
    def sha256(self) -> str:
        """What tells this template, as it is, from any other."""
        lines = [f"{self.name} {self.version}", *(f"{one.file} {one.sha256}" for one in self.scripts)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def values(self, given: Mapping[str, str]) -> dict[str, str]:
        """The value of every variable; what the template does not ask for is left out."""
        values = {name: given.get(name, default) for name, default in self.variables.items()}
        missing = sorted(name for name, value in values.items() if value is None)
        if missing:
            raise Invalid(
                f"The template {self.name} asks for {', '.join(missing)}.",
                reason="VARIABLE_MISSING",
                facts={"template": self.name, "variables": ",".join(missing)},
            )
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Blueprint:
    """Everything a tenant's schema is made of."""

    migrations: tuple[Migration, ...]
    templates: Mapping[str, Template]

    @property
    def newest(self) -> int:
        """The version every schema should have."""
        return len(self.migrations)

    def upto(self, version: int) -> tuple[Migration, ...]:
        """The migrations that lead to a version; 0 means the newest."""
        if version > self.newest:
            raise Invalid(
                f"There is no migration {version}.",
                reason="MIGRATION_UNKNOWN",
                facts={"version": version, "newest_version": self.newest},
            )
        return self.migrations[: version or None]

    def template(self, name: str) -> Template:
        """The template of that name."""
        if name not in self.templates:
            raise Conflict(f"There is no template {name}.", reason="TEMPLATE_NOT_FOUND", facts={"template": name})
        return self.templates[name]


def pending(migrations: Sequence[Migration], applied: Mapping[int, str], schema: str) -> tuple[Migration, ...]:
    """What a schema still lacks.

    A schema may have migrations that this release does not know: during a rolling release the old replicas meet what
    the new ones did.

    Args:
        migrations: those that should be there.
        applied: the checksum of each that is, by its version.
        schema: its name.
    """
    for migration in migrations:
        if applied.get(migration.version, migration.script.sha256) != migration.script.sha256:
            raise migration_changed(schema, migration.version)
    return tuple(one for one in migrations if one.version not in applied)


def migration_changed(schema: str, version: int) -> Fault:
    """The fault of a migration that was edited after it had been applied."""
    return Conflict(
        f"Migration {version} was changed after {schema} got it.",
        reason="MIGRATION_CHANGED",
        facts={"schema": schema, "version": version},
    )


def migration_failed(schema: str, version: int, statement: int, problem: str = "") -> Fault:
    """The fault of a migration that cannot be applied."""
    return Conflict(
        problem or f"Statement {statement} of migration {version} failed in {schema}.",
        reason="MIGRATION_FAILED",
        facts={"schema": schema, "version": version, "statement": statement},
    )


def constraint_broken(constraint: str) -> str:
    """What is wrong with rows that break a constraint which is looked at when all of them are there."""
    return f"The rows it leaves break the constraint {constraint}." if constraint else ""


def template_failed(template: Template, file: str, statement: int, line: int, problem: str = "") -> Fault:
    """The fault of a template that cannot be used."""
    problem = problem or f"Statement {statement} of {template.name}/{file}, in line {line}, failed."
    return Conflict(
        f"{problem} Nothing of it was kept.",
        reason="TEMPLATE_FAILED",
        facts={"template": template.name, "file": file, "statement": statement, "line": line},
    )
