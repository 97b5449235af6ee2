"""Exports: what is in one, whose it is, and how it stands."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime

from faults import AlreadyExists, Conflict, Fault, NotFound
from storage_service.schemas.model import Applied, Location, Schema, Seed, Stamp, Tenant


class Destination(enum.Enum):
    """Where an export is kept."""

    TENANT_BUCKET = "tenant_bucket"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class File:
    """One file of an export."""

    key: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table: how many rows it has, and what tells them from any others. Whose rows they are does not count."""

    name: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a dump."""

    schema: str
    """The schema it was taken of, which the dump names."""
    tables: tuple[Table, ...] = ()
    applied: tuple[Applied, ...] = ()
    seed: Seed | None = None

    @property
    def version(self) -> int:
        """The last migration the schema had."""
        return max((one.version for one in self.applied), default=0)


@dataclass(frozen=True, slots=True)
class Export:
    """An export, complete or not."""

    export_id: str
    tenant: Tenant
    destination: Destination
    stamp: Stamp
    bucket: str
    manifest_key: str
    files: tuple[File, ...] = ()
    contents: Contents = field(default_factory=lambda: Contents(""))
    complete_time: datetime | None = None

    @property
    def complete(self) -> bool:
        """Whether its manifest is written."""
        return self.complete_time is not None


@dataclass(frozen=True, slots=True)
class Step:
    """How far a dump is taken or loaded."""

    total: int
    done: int = 0
    size: int = 0
    contents: Contents | None = None
    """What it holds; only in the last step of taking one."""


@dataclass(frozen=True, slots=True)
class Exported:
    """How far an export is, and the export when it is complete."""

    step: Step
    export: Export | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """How far a restore is, and the schema when it is done."""

    step: Step
    schema: Schema | None = None


def not_found(export_id: str, destination: Destination) -> Fault:
    """The fault of an export that is not there."""
    facts = {"export_id": export_id, "destination": destination.value}
    return NotFound("There is no export of that id.", reason="EXPORT_NOT_FOUND", facts=facts)


def incomplete(export_id: str) -> Fault:
    """The fault of an export that is still being written, or never was to its end."""
    return Conflict("The export is not complete.", reason="EXPORT_INCOMPLETE", facts={"export_id": export_id})


def corrupt(export_id: str, **where: str) -> Fault:
    """The fault of an export that is not what its manifest says."""
    facts = {"export_id": export_id, **where}
    return Conflict("The export is not what its manifest says.", reason="EXPORT_CORRUPT", facts=facts)


def conflict(export: Export) -> Fault:
    """The fault of an id that another operation used."""
    facts = {"export_id": export.export_id, "operation_id": export.stamp.operation_id}
    return AlreadyExists("Another operation made an export of that id.", reason="EXPORT_CONFLICT", facts=facts)


def not_empty(location: Location, table: str) -> Fault:
    """The fault of restoring over rows."""
    facts = {"schema": location.schema, "table": table}
    return Conflict("The schema to restore into holds rows.", reason="SCHEMA_NOT_EMPTY", facts=facts)
