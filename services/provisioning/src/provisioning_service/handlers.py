"""The RPCs of the contract: translate, call, translate. Nothing is decided here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from provisioning_service.finding import Finding
from provisioning_service.health import Examination
from provisioning_service.model import KINDS, PROVISION, check_built, not_built
from provisioning_service.starting import Starting
from provisioning_service.steering import Steering
from tenantmesh.provisioning.v1 import deprovision_requests_pb2 as deprovision
from tenantmesh.provisioning.v1 import examination_requests_pb2 as examination
from tenantmesh.provisioning.v1 import operation_requests_pb2 as pb
from tenantmesh.provisioning.v1 import provisioning_service_pb2_grpc as rpc
from tenantmesh.provisioning.v1 import tenant_requests_pb2 as tenants

Context = grpc.aio.ServicerContext[Any, Any]


class ProvisioningHandlers(rpc.ProvisioningServiceServicer):
    """ProvisioningService over Temporal and the records."""

    def __init__(self, starting: Starting, steering: Steering, finding: Finding, health: Examination) -> None:
        self._starting = starting
        self._steering = steering
        self._finding = finding
        self._examination = health

    async def ProvisionTenant(
        self, request: tenants.ProvisionTenantRequest, context: Context
    ) -> tenants.ProvisionTenantResponse:
        """Start provisioning a tenant."""
        operation, started, plan = await self._starting.provision(request)
        return tenants.ProvisionTenantResponse(operation=operation, started=started, plan=plan)

    async def GetProvisioningStatus(
        self, request: pb.GetProvisioningStatusRequest, context: Context
    ) -> pb.GetProvisioningStatusResponse:
        """Tell in few words how provisioning stands."""
        operation = await self._finding.find(PROVISION.operation_id(request.tenant_id), tenant_id=request.tenant_id)
        return pb.GetProvisioningStatusResponse(
            step=operation.step or operation.failed_step,
            progress=operation.percent,
            details=operation.details,
            state=operation.state,
            operation_id=operation.operation_id,
        )

    async def GetOperation(self, request: pb.GetOperationRequest, context: Context) -> pb.GetOperationResponse:
        """Read an operation."""
        operation = await self._finding.find(request.operation_id, request.run_id, tenant_id=request.tenant_id)
        return pb.GetOperationResponse(operation=operation)

    async def ListOperations(self, request: pb.ListOperationsRequest, context: Context) -> pb.ListOperationsResponse:
        """List operations."""
        found, token = await self._finding.list(request)
        return pb.ListOperationsResponse(operations=found, next_page_token=token)

    async def WatchOperation(
        self, request: pb.WatchOperationRequest, context: Context
    ) -> AsyncIterator[pb.WatchOperationResponse]:
        """Stream an operation."""
        async for answer in self._finding.watch(request):
            yield answer

    async def CancelOperation(self, request: pb.CancelOperationRequest, context: Context) -> pb.CancelOperationResponse:
        """End an operation."""
        return pb.CancelOperationResponse(operation=await self._steering.cancel(request))

    async def RetryOperation(self, request: pb.RetryOperationRequest, context: Context) -> pb.RetryOperationResponse:
        """Take an operation up again."""
        operation, started = await self._steering.retry(request)
        return pb.RetryOperationResponse(operation=operation, started=started)

    async def ApproveOperation(
        self, request: pb.ApproveOperationRequest, context: Context
    ) -> pb.ApproveOperationResponse:
        """Decide on an operation."""
        return pb.ApproveOperationResponse(operation=await self._steering.approve(request))

    async def AmendOperation(self, request: pb.AmendOperationRequest, context: Context) -> pb.AmendOperationResponse:
        """Change an operation."""
        return pb.AmendOperationResponse(operation=await self._steering.amend(request))

    async def GetHealth(self, request: examination.GetHealthRequest, context: Context) -> examination.GetHealthResponse:
        """Say whether operations can be started and are being worked on."""
        return examination.GetHealthResponse(health=await self._examination.health(prove=request.prove_path))

    async def ConfirmDeprovision(self, request: deprovision.ConfirmDeprovisionRequest, context: Context) -> Any:
        """End a grace period."""
        raise not_built("ConfirmDeprovision")

    async def UndoDeprovision(self, request: deprovision.UndoDeprovisionRequest, context: Context) -> Any:
        """Let a tenant in again."""
        raise not_built("UndoDeprovision")

    async def DeprovisionTenant(self, request: deprovision.DeprovisionTenantRequest, context: Context) -> Any:
        """Remove a tenant."""
        check_built(KINDS["DEPROVISION_TENANT"])

    async def DeployTenant(self, request: tenants.DeployTenantRequest, context: Context) -> Any:
        """Bring another version."""
        check_built(KINDS["DEPLOY_TENANT"])

    async def SuspendTenant(self, request: tenants.SuspendTenantRequest, context: Context) -> Any:
        """Shut a tenant off."""
        check_built(KINDS["SUSPEND_TENANT"])

    async def ResumeTenant(self, request: tenants.ResumeTenantRequest, context: Context) -> Any:
        """Let a tenant in again."""
        check_built(KINDS["RESUME_TENANT"])

    async def ChangeTier(self, request: Any, context: Context) -> Any:
        """Move a tenant to another tier."""
        check_built(KINDS["CHANGE_TIER"])

    async def BootstrapOrganization(self, request: Any, context: Context) -> Any:
        """Give an organization its subdomain."""
        self._starting.check_switches(KINDS["BOOTSTRAP_ORGANIZATION"])

    async def InviteUser(self, request: Any, context: Context) -> Any:
        """Invite a person."""
        check_built(KINDS["INVITE_USER"])

    async def ConfigureSso(self, request: Any, context: Context) -> Any:
        """Connect an identity provider."""
        check_built(KINDS["CONFIGURE_SSO"])

    async def ExportTenant(self, request: Any, context: Context) -> Any:
        """Write a tenant's data to an archive."""
        check_built(KINDS["EXPORT_TENANT"])

    async def RepairTenant(self, request: Any, context: Context) -> Any:
        """Make true again what an audit found."""
        check_built(KINDS["REPAIR_TENANT"])

    async def ExplainTenant(self, request: Any, context: Context) -> Any:
        """Say where a tenant stands."""
        raise not_built("ExplainTenant")

    async def AuditTenants(self, request: Any, context: Context) -> AsyncIterator[Any]:
        """Compare what is with what should be."""
        nothing: tuple[Any, ...] = ()
        for each in nothing:  # what makes it a stream
            yield each
        raise not_built("AuditTenants")
