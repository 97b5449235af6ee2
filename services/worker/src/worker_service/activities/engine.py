"""What a run asks of Temporal itself, and of the worker it is at."""

from __future__ import annotations

from importlib.metadata import version

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio import activity

from tenantmesh.provisioning.v1 import health_check_pb2


@activity.defn
async def cancel_run(reason: str) -> None:
    """Cancel the run that asks: only Temporal can close a run as Cancelled, and a run cannot tell it so itself."""
    info = activity.info()
    handle = activity.client().get_workflow_handle(info.workflow_id or "", run_id=info.workflow_run_id)
    await handle.cancel(reason=reason)


@activity.defn
async def report(request: health_check_pb2.HealthCheckInput) -> health_check_pb2.HealthCheckResult:
    """Say who works here."""
    now = Timestamp()
    now.GetCurrentTime()
    return health_check_pb2.HealthCheckResult(
        nonce=request.nonce, worker_version=version("tenantmesh-worker"), run_time=now
    )
