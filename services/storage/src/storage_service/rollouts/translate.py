"""Between the messages about migrations and the words of the domain. Pure, both ways."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from storage_service.rollouts.model import Progress, Result, Status
from storage_service.schemas.model import Tenant
from storage_service.schemas.translate import tenant_from, time_to
from tenantmesh.storage.v1 import migration_pb2 as pb

PARALLELISM = 8
_DETAIL_LIMIT = 1024


def whose_from(request: pb.MigrateSchemasRequest) -> Tenant | None:
    """Whose schema to migrate; None means all."""
    return tenant_from(request) if request.tenant_id else None


def progress_to(progress: Progress) -> pb.MigrateSchemasResponse:
    """How far the whole is."""
    return pb.MigrateSchemasResponse(
        migration=None if progress.result is None else _result_to(progress.result),
        total=progress.total,
        done=progress.done,
        failed=progress.failed,
    )


def status_to(status: Status) -> pb.Migration:
    """How one migration stands."""
    return pb.Migration(
        version=status.version,
        name=status.name,
        sha256=status.sha256,
        state=pb.MigrationState.Value(f"MIGRATION_STATE_{status.state.name}"),
        apply_time=None if status.time is None else time_to(status.time),
    )


def _result_to(result: Result) -> pb.SchemaMigration:
    duration = Duration()
    duration.FromTimedelta(result.duration)
    return pb.SchemaMigration(
        tenant_id=result.target.tenant_id,
        server=result.target.location.server,
        schema=result.target.location.schema,
        outcome=pb.SchemaMigration.Outcome.Value(f"OUTCOME_{result.outcome.name}"),
        from_version=result.target.version,
        to_version=result.to_version,
        failed_version=result.failed_version,
        failed_statement=result.failed_statement,
        detail=result.detail[:_DETAIL_LIMIT],
        duration=duration,
    )
