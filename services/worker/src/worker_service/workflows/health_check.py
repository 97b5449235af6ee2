"""HealthCheck: does nothing, which proves the path."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tenantmesh.provisioning.v1.health_check_pb2 import HealthCheckInput, HealthCheckResult
    from worker_service.activities.engine import report


@workflow.defn
class HealthCheck:
    """One activity."""

    @workflow.run
    async def run(self, request: HealthCheckInput) -> HealthCheckResult:
        """Have a worker say who it is."""
        return await workflow.execute_activity(report, request, start_to_close_timeout=timedelta(seconds=10))
