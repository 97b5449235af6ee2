"""The SQL of a service, as it sends it, sent again by a bare connection: the least its work can cost.

Two calls of the same kind are recorded. What differs between them is made anew in each replay: identifiers, names,
digests and times; the rest stays.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from asyncpg.connection import LoggedQuery

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Recording:
    """The statements of one call, and the word that only this call used in its names."""

    word: str
    statements: list[tuple[str, Sequence[Any]]]


@dataclass(frozen=True, slots=True)
class Script:
    """The statements of a kind of call."""

    one: Recording
    other: Recording

    async def run(self, connection: asyncpg.Connection, given: Mapping[str, str] | None = None) -> None:
        """Send them all; `given` says what stands for some of the first recording's words and identifiers."""
        fresh = _Fresh({self.one.word: secrets.token_hex(6), **(given or {})})
        for (query, arguments), (_, others) in zip(self.one.statements, self.other.statements, strict=True):
            values = [fresh.of(*pair) for pair in zip(arguments, others, strict=True)]
            if query[:6] in {"INSERT", "UPDATE", "DELETE"} or not values:
                await connection.execute(query, *values)
            else:
                await connection.fetch(query, *values)


class _Fresh:
    """What stands for the values of a recording in one replay."""

    def __init__(self, known: dict[str, str]) -> None:
        self._known = known

    def of(self, value: Any, other: Any) -> Any:
        made = value
        if value == other:
            return made
        match value:
            case UUID():
                made = UUID(self._text(str(value)))
            case str():
                made = self._text(value)
            case bytes():
                made = secrets.token_bytes(len(value))
            case datetime():
                made = datetime.now(UTC)
            case list():
                made = [self.of(*pair) for pair in zip(value, other, strict=True)]
        return made

    def _text(self, text: str) -> str:
        for name in _UUID.findall(text):
            self._known.setdefault(name, str(uuid4()))
        for name, stands_for in self._known.items():
            text = text.replace(name, stands_for)
        return text


@asynccontextmanager
async def recording(pool: asyncpg.Pool, word: str) -> AsyncIterator[Recording]:
    """Record what is sent over the one connection of a pool while the block lasts."""
    made = Recording(word, [])

    def note(query: LoggedQuery) -> None:
        made.statements.append((query.query.strip(), query.args or ()))

    async with pool.acquire() as connection:
        connection.add_query_logger(note)
    yield made
    async with pool.acquire() as connection:
        connection.remove_query_logger(note)
