"""Between the messages about exports and the words of the domain. Pure, both ways."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from storage_service.exports.model import Destination, Export, Exported, Restored
from storage_service.schemas.model import Tenant
from storage_service.schemas.translate import ownership_to, schema_to, tenant_from, tier_to, time_to
from tenantmesh.storage.v1 import export_pb2 as pb
from tenantmesh.storage.v1 import restore_pb2

_LIFETIME = timedelta(minutes=15)


class Destined(Protocol):
    """Any request that says where an export is kept."""

    destination: pb.ExportDestination.ValueType


def destination_from(request: Destined) -> Destination:
    """Where an export is kept."""
    return Destination[pb.ExportDestination.Name(request.destination).removeprefix("EXPORT_DESTINATION_")]


def lifetime_from(request: pb.PresignExportRequest) -> timedelta:
    """How long links should work."""
    return request.lifetime.ToTimedelta() if request.HasField("lifetime") else _LIFETIME


def source_from(request: restore_pb2.RestoreSchemaRequest) -> Tenant:
    """Whose export to restore: the tenant's own where nobody else is named."""
    return tenant_from(request.source) if request.HasField("source") else tenant_from(request)


def export_to(export: Export, *, brief: bool = False) -> pb.Export:
    """An export as callers see it; in a list without its files and tables."""
    contents = export.contents
    return pb.Export(
        export_id=export.export_id,
        tenant_key=export.tenant.key,
        tier=tier_to(export.tenant.tier),
        destination=pb.ExportDestination.Value(f"EXPORT_DESTINATION_{export.destination.name}"),
        state=pb.EXPORT_STATE_COMPLETE if export.complete else pb.EXPORT_STATE_INCOMPLETE,
        bucket=export.bucket,
        manifest_key=export.manifest_key,
        files=[] if brief else [pb.ExportFile(key=one.key, bytes=one.size, sha256=one.sha256) for one in export.files],
        tables=[]
        if brief
        else [pb.ExportTable(name=one.name, rows=one.rows, sha256=one.sha256) for one in contents.tables],
        schema_version=contents.version,
        ownership=ownership_to(export.stamp),
        create_time=time_to(export.stamp.time),
        complete_time=None if export.complete_time is None else time_to(export.complete_time),
    )


def exported_to(exported: Exported) -> pb.ExportSchemaResponse:
    """How far an export is."""
    step = exported.step
    return pb.ExportSchemaResponse(
        total_tables=step.total,
        done_tables=step.done,
        written_bytes=step.size,
        export=None if exported.export is None else export_to(exported.export),
    )


def restored_to(restored: Restored) -> restore_pb2.RestoreSchemaResponse:
    """How far a restore is."""
    step = restored.step
    return restore_pb2.RestoreSchemaResponse(
        total_tables=step.total,
        done_tables=step.done,
        read_bytes=step.size,
        schema=None if restored.schema is None else schema_to(restored.schema),
    )
