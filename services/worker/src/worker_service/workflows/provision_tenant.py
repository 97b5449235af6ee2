"""ProvisionTenant: everything a tenant needs, or nothing."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tenantmesh.provisioning.v1.commands_pb2 import Amendment
    from tenantmesh.provisioning.v1.progress_pb2 import Progress
    from tenantmesh.provisioning.v1.provision_tenant_pb2 import (
        FAILURE_POLICY_HOLD,
        ProvisionTenantInput,
        ProvisionTenantResult,
    )
    from worker_service.operation.amending import amend, check_amendment
    from worker_service.operation.engine import Operation
    from worker_service.operation.gates import ApprovalGate
    from worker_service.operation.planning import planned
    from worker_service.operation.run import Run
    from worker_service.tables.provision_tenant import REGRET, STEPS


@workflow.defn
class ProvisionTenant:
    """Its steps stand in `tables/provision_tenant.py`."""

    @workflow.init
    def __init__(self, request: ProvisionTenantInput) -> None:
        """Take up the table."""
        info = workflow.info()
        self._run = Run(info.workflow_id, info.run_id, request)
        self._approval = ApprovalGate(request.installation.approval_patience.ToTimedelta())
        self._operation = Operation(
            STEPS,
            self._run,
            gates={ApprovalGate.STEP: self._approval.wait},
            hold=request.failure_policy == FAILURE_POLICY_HOLD,
            skipped=request.skip_steps,
            resumption=request.resumption if request.HasField("resumption") else None,
        )
        self._approval.stand_in(self._operation)

    @workflow.run
    async def run(self, request: ProvisionTenantInput) -> ProvisionTenantResult:
        """Provision the tenant; with `validate_only`, answer what would be done."""
        if request.validate_only:
            return ProvisionTenantResult(tenant_id=request.tenant_id, plan=await planned(self._operation))
        await self._operation.execute(self._result, regret=self._regret)
        return self._result()

    @workflow.update
    async def amend(self, amendment: Amendment) -> Progress:
        """Change contacts or host names, or leave out an optional step."""
        return await amend(self._operation, amendment)

    @amend.validator
    def _check_amendment(self, amendment: Amendment) -> None:
        check_amendment(self._operation, amendment)

    async def _regret(self) -> None:
        """Say that it failed. A message that does not go out changes nothing about that."""
        if not self._run.cancelled and self._run.tenant.tenant_id:
            await self._operation.call_softly(REGRET)

    def _result(self) -> ProvisionTenantResult:
        made, outcome = self._run.made, self._operation.standing.outcome()
        result = ProvisionTenantResult(
            success=outcome.success,
            tenant_id=self._run.input.tenant_id,
            workflow_id=self._run.operation_id,
            error=outcome.error,
            failed_step=outcome.failed_step,
            compensation_executed=outcome.compensation_executed,
            steps=outcome.steps,
            message_delivered=self._run.found.get("delivered", False),
            message_delivery_id=self._run.found.get("delivery_id", ""),
        )
        if outcome.HasField("root_cause"):
            result.root_cause.CopyFrom(outcome.root_cause)
        if outcome.success:
            result.resources.extend(made.resources)
            for name in _NAMES:
                setattr(result, name, getattr(made, name))
        return result


_NAMES = (
    "app_plane_url", "admin_portal_url", "idp_organization_id", "idp_client_id", "schema_name", "storage_bucket",
)  # fmt: skip
