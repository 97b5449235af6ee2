"""The tables, step by step. A file that was released never changes; the next one goes on from it."""

from __future__ import annotations

from postgreskit import Schema
from tenants_service.settings import TenantsSettings


def schema(settings: TenantsSettings) -> Schema:
    """What brings them up to date."""
    return Schema(settings.database, __name__, identifiers={"operator_role": settings.operator_role})
