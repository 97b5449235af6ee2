"""The tables, step by step. A file that was released never changes; the next one goes on from it."""

from __future__ import annotations

from identity_service.settings import IdentitySettings
from postgreskit import Schema


def schema(settings: IdentitySettings) -> Schema:
    """What brings them up to date."""
    return Schema(settings.database, __name__, identifiers={"operator_role": settings.operator_role})
