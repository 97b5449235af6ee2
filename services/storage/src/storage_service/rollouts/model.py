"""What becomes of schemas that are brought to a version."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage_service.blueprint.model import Migration
from storage_service.schemas.model import Applied, Location


class Outcome(enum.Enum):
    """What became of one schema."""

    MIGRATED = "migrated"
    CURRENT = "current"
    PENDING = "pending"
    FAILED = "failed"


class State(enum.Enum):
    """How one migration stands in one schema."""

    PENDING = "pending"
    APPLIED = "applied"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Target:
    """One schema, and the migrations it has."""

    location: Location
    tenant_id: str
    """Empty for the shared schema."""
    applied: Sequence[Applied] = ()

    @property
    def version(self) -> int:
        """The last migration it has."""
        return max((one.version for one in self.applied), default=0)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one schema, and why."""

    target: Target
    outcome: Outcome
    to_version: int
    duration: timedelta
    failed_version: int = 0
    failed_statement: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the whole is, and what has just been done."""

    total: int
    done: int = 0
    failed: int = 0
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """One migration, seen in one schema."""

    version: int
    name: str
    sha256: str
    state: State
    time: datetime | None = None


def statuses(migrations: Sequence[Migration], applied: Sequence[Applied]) -> list[Status]:
    """How each migration stands, in order; those that only a newer release knows count as applied."""
    had = {one.version: one for one in applied}
    found = [_status(migration, had.pop(migration.version, None)) for migration in migrations]
    newer = [Status(one.version, one.name, one.sha256, State.APPLIED, one.time) for one in had.values()]
    return sorted(found + newer, key=lambda status: status.version)


def _status(migration: Migration, applied: Applied | None) -> Status:
    sha256 = migration.script.sha256
    if applied is None:
        return Status(migration.version, migration.name, sha256, State.PENDING)
    state = State.APPLIED if applied.sha256 == sha256 else State.CHANGED
    return Status(migration.version, migration.name, sha256, state, applied.time)
