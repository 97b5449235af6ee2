"""The tables, step by step. A file that was released never changes; the next one goes on from it."""

from __future__ import annotations

from postgreskit import DatabaseSettings, Schema


def schema(database: DatabaseSettings, *, operator_role: str) -> Schema:
    """What brings them up to date."""
    return Schema(database, __name__, identifiers={"operator_role": operator_role})
