"""Reading a folder of migrations, and comparing it with what a schema already has. No database here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.resources import files
from itertools import zip_longest
from typing import Final

from faults import Conflict, Fault, Invalid
from postgreskit.identifiers import quote

DOMAIN: Final = "postgreskit.tenantmesh"

NO_TRANSACTION: Final = "-- postgreskit: no transaction"
"""The first line of a migration whose one statement refuses to run inside a transaction."""

_NAME: Final = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql")
_PLACEHOLDER: Final = re.compile(r':"(\w+)"')
_CONCURRENT_INDEX: Final = re.compile(
    r"\bcreate\s+(?:unique\s+)?index\s+concurrently\s+(?P<repeatable>if\s+not\s+exists\s+)?\"?(?P<index>\w+)\"?",
    re.IGNORECASE,
)
_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_BODY: Final = re.compile(r"\$(\w*)\$.*?\$\1\$", re.DOTALL)
_CONTROL: Final = re.compile(
    r"^\s*(?:begin|start|commit|rollback|abort|end)(?:\s+(?:work|transaction))?\s*;", re.IGNORECASE | re.MULTILINE
)


class Newer(Enum):
    """What to do with a schema that has migrations this release does not know."""

    TOLERATE = "tolerate"
    """Start: during a rolling release old replicas restart beside new ones, and migrations only add until the old
    ones are gone."""
    REFUSE = "refuse"
    """Do not start: for a service whose migrations make no such promise."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: a step forward that never changes once it was released."""

    version: int
    file: str
    sql: str

    @property
    def checksum(self) -> bytes:
        """What tells an edited file; line ends do not count, since a checkout may change them."""
        return hashlib.sha256(self.sql.replace("\r\n", "\n").encode()).digest()

    @property
    def transactional(self) -> bool:
        """Whether it runs inside a transaction, as all do that do not say otherwise."""
        return not self.sql.startswith(NO_TRANSACTION)

    @property
    def concurrent_index(self) -> str | None:
        """The index it builds without locking its table, which an interrupted build leaves behind unusable."""
        match = _CONCURRENT_INDEX.search(self.sql)
        return match["index"] if match else None

    def statement(self, identifiers: Mapping[str, str]) -> str:
        """The SQL with each `:"name"` replaced by that identifier, quoted."""

        def quoted(match: re.Match[str]) -> str:
            if match[1] not in identifiers:
                raise _invalid(self.file, f"nobody said what :{match[1]} is")
            return quote(identifiers[match[1]])

        return _PLACEHOLDER.sub(quoted, self.sql)


@dataclass(frozen=True, slots=True)
class Applied:
    """One migration a schema already has."""

    version: int
    file: str
    checksum: bytes


def load_migrations(package: str) -> tuple[Migration, ...]:
    """Read the `NNNN_name.sql` files of a package, such as `tenants_service.migrations`, in order.

    Raises:
        Invalid: naming the file, when a name is none, a number is missing or there twice, or a migration without
            transaction cannot be repeated.
    """
    texts = {entry.name: entry.read_text("utf-8") for entry in files(package).iterdir() if entry.name.endswith(".sql")}
    return migrations_of(texts)


def migrations_of(texts: Mapping[str, str]) -> tuple[Migration, ...]:
    """The same, from file names and their texts."""
    migrations = []
    for expected, file in enumerate(sorted(texts), start=1):
        match = _NAME.fullmatch(file)
        if match is None:
            raise _invalid(file, "a migration is called NNNN_name.sql, in lower case")
        if int(match["version"]) != expected:
            raise _invalid(file, f"number {expected:04} should come here: numbers have no gaps and none is used twice")
        migrations.append(_checked(Migration(expected, file, texts[file])))
    return tuple(migrations)


def pending(
    migrations: Sequence[Migration], applied: Iterable[Applied], newer: Newer = Newer.TOLERATE
) -> tuple[tuple[Migration, ...], tuple[str, ...]]:
    """What a schema still lacks, and the names of what it has that this release does not know.

    Raises:
        Conflict: when the schema's past is not the beginning of the files: something was edited, renamed or lost.
    """
    unknown: list[str] = []
    for position, (past, file) in enumerate(zip_longest(sorted(applied, key=lambda one: one.version), migrations)):
        if past is None:
            return tuple(migrations[position:]), ()
        if past.version != position + 1:
            raise _conflict("MIGRATION_MISSING", past.file, f"the schema never got number {position + 1:04}")
        if file is None:
            unknown.append(past.file)
        elif past.file != file.file:
            raise _conflict("MIGRATION_RENAMED", file.file, f"the schema got it as {past.file}")
        elif past.checksum != file.checksum:
            raise _conflict("MIGRATION_EDITED", file.file, "it was changed after the schema got it; add a new one")
    if unknown and newer is Newer.REFUSE:
        raise _conflict("MIGRATION_UNKNOWN", unknown[0], "the schema has it and this release does not know it")
    return (), tuple(unknown)


def _checked(migration: Migration) -> Migration:
    if not _COMMENT.sub("", migration.sql).strip(" \t\r\n;"):
        raise _invalid(migration.file, "it holds no statement")
    if _CONTROL.search(_BODY.sub("", migration.sql)):
        raise _invalid(migration.file, "it must not begin or end transactions: each file is one already")
    if migration.transactional and migration.concurrent_index:
        raise _invalid(migration.file, f"CONCURRENTLY runs in no transaction: begin with {NO_TRANSACTION!r}")
    match = _CONCURRENT_INDEX.search(migration.sql)
    if match and not match["repeatable"]:
        raise _invalid(migration.file, "without transaction it may run twice: say IF NOT EXISTS")
    return migration


def _invalid(file: str, problem: str) -> Fault:
    return Invalid(f"{file}: {problem}.", reason="MIGRATION_INVALID", facts={"file": file}, domain=DOMAIN)


def _conflict(reason: str, file: str, problem: str) -> Fault:
    return Conflict(f"{file}: {problem}.", reason=reason, facts={"file": file}, domain=DOMAIN)
