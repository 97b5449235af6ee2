"""Running SQL that somebody else wrote, in one go, and saying which statement it was that failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import asyncpg
import sqlparse

from postgreskit import Transaction
from storage_service.blueprint.model import Script
from storage_service.schemas.providers.errors import is_script_error


class ScriptFailed(Exception):  # noqa: N818 - names what happened
    """A statement of a script failed, and the script is to blame for it."""

    def __init__(self, script: Script, statement: int, line: int, broken: str = "") -> None:
        """Say which one.

        Args:
            script: the one that failed.
            statement: its number, counted from 1; 0 where nobody can tell.
            line: where it begins in the file.
            broken: the deferred constraint that did not hold when all had been run.
        """
        super().__init__(f"{script.file}, statement {statement}, line {line} {broken}".rstrip())
        self.script = script
        self.statement = statement
        self.line = line
        self.broken = broken


@dataclass(frozen=True, slots=True)
class _Statement:
    sql: str
    line: int


def literal(text: str) -> str:
    """A text as SQL text, whatever is in it and however the server takes a backslash."""
    return "E'{}'".format(text.replace("\\", "\\\\").replace("'", "''"))


def at_once(statements: Iterable[str]) -> str:
    """Several changes of rows as one statement, behind which foreign keys are looked at: they may be a circle."""
    *others, last = statements
    return f"WITH {', '.join(f's{n} AS ({sql})' for n, sql in enumerate(others))} {last}" if others else last


async def run(tx: Transaction, scripts: Sequence[Script], *, first: str, last: str) -> None:
    """Run all of them in two round trips; a transaction in which one failed is good for nothing more.

    Args:
        tx: the transaction.
        scripts: what to run.
        first: statements of ours that go before.
        last: statements of ours that go behind.
    """
    await tx.execute(f"{first}; SAVEPOINT scripts")
    ours = f"SET CONSTRAINTS ALL IMMEDIATE; {last}; RELEASE SAVEPOINT scripts"
    try:
        await tx.execute("\n;\n".join([*(script.sql for script in scripts), ours]))
    except asyncpg.PostgresError as error:
        if not is_script_error(error):
            raise
        # One round trip does not tell which statement it was. They are tried again, one by one.
        await tx.execute("ROLLBACK TO SAVEPOINT scripts")
        raise await _located(tx, scripts, error) from error


async def _located(tx: Transaction, scripts: Sequence[Script], first: asyncpg.PostgresError) -> ScriptFailed:
    for script in scripts:
        for number, statement in enumerate(_statements(script.sql), start=1):
            try:
                await tx.execute(statement.sql)
            except asyncpg.PostgresError as error:
                if error.sqlstate != first.sqlstate:
                    return ScriptFailed(script, 0, 0)
                return ScriptFailed(script, number, statement.line)
    return ScriptFailed(scripts[-1], 0, 0, broken=f"{first.table_name}.{first.constraint_name}")


def _statements(sql: str) -> Iterator[_Statement]:
    position = 0
    for text in sqlparse.split(sql):
        position = sql.index(text, position)
        yield _Statement(text, sql.count("\n", 0, position) + _leading_lines(text) + 1)
        position += len(text)


def _leading_lines(text: str) -> int:
    """How many lines of comment stand before the statement itself."""
    lines = 0
    for token in sqlparse.parse(text)[0].flatten():  # type: ignore[no-untyped-call] # not typed there
        if not (token.is_whitespace or token.ttype in sqlparse.tokens.Comment):
            break
        lines += token.value.count("\n")
    return lines
