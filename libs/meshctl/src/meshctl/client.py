"""The typed client for programs with an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import grpc

from chassis.client import TokenProvider, open_channel
from chassis.errors import faults_raised
from faults import Fault
from meshctl.outcome import is_final, succeeded
from meshctl.requests import Patience, StartRequest, only_planned, repeatable, rpc_of
from meshctl.settings import MeshSettings
from meshctl.streams import changes
from tenantmesh.provisioning.v1 import (
    commands_pb2,
    contact_pb2,
    explanation_pb2,
    health_pb2,
    operation_pb2,
    operation_plan_pb2,
)
from tenantmesh.provisioning.v1 import deprovision_requests_pb2 as deprovision_pb
from tenantmesh.provisioning.v1 import examination_requests_pb2 as examination_pb
from tenantmesh.provisioning.v1 import operation_requests_pb2 as pb
from tenantmesh.provisioning.v1 import provisioning_service_pb2_grpc as rpc
from tenantmesh.tenants.v1 import catalog_service_pb2_grpc as catalog_rpc
from tenantmesh.tenants.v1 import lead_service_pb2_grpc as lead_rpc
from tenantmesh.tenants.v1 import subscription_service_pb2_grpc as subscription_rpc
from tenantmesh.tenants.v1 import tenant_service_pb2_grpc as tenant_rpc

PATIENCE: Final = timedelta(minutes=5)


@asynccontextmanager
async def open_mesh(settings: MeshSettings | None = None, *, token: TokenProvider | None = None) -> AsyncIterator[Mesh]:
    """Open a client of the mesh. Leaving the block ends its calls; operations go on.

    Args:
        settings: where the mesh is, and how it is called.
        token: answers the bearer token to send, where it does not come from a file.
    """
    settings = settings or MeshSettings()
    async with open_channel(settings.address, settings=settings.client, token=token) as channel:
        yield Mesh(channel)


class Mesh:
    """The mesh as its callers see it. Every method raises the `Fault` that a service answers.

    `provisioning`, `tenants`, `leads`, `catalog` and `subscriptions` are generated stubs, for what has no method here.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.provisioning = rpc.ProvisioningServiceStub(channel)
        self.tenants = tenant_rpc.TenantServiceStub(channel)
        self.leads = lead_rpc.LeadServiceStub(channel)
        self.catalog = catalog_rpc.CatalogServiceStub(channel)
        self.subscriptions = subscription_rpc.SubscriptionServiceStub(channel)

    async def start(self, request: StartRequest) -> Operation:
        """Start an operation, or find it where it runs already with the same input."""
        with faults_raised():
            answer = await getattr(self.provisioning, rpc_of(request))(repeatable(request))
        return Operation(self, answer.operation, started=answer.started)

    async def plan(self, request: StartRequest) -> operation_plan_pb2.OperationPlan:
        """Answer what a start would do, and do nothing."""
        with faults_raised():
            answer = await getattr(self.provisioning, rpc_of(request))(only_planned(request))
        plan: operation_plan_pb2.OperationPlan = answer.plan
        return plan

    async def operation(self, operation_id: str, *, tenant_id: str = "", run_id: str = "") -> Operation:
        """Find an operation; without a run, its latest one."""
        request = pb.GetOperationRequest(operation_id=operation_id, tenant_id=tenant_id, run_id=run_id)
        with faults_raised():
            answer = await self.provisioning.GetOperation(request)
        return Operation(self, answer.operation)

    async def operations(self, request: pb.ListOperationsRequest) -> AsyncGenerator[operation_pb2.Operation]:
        """List operations, page after page, the newest first."""
        page = pb.ListOperationsRequest()
        page.CopyFrom(request)
        while True:
            with faults_raised():
                answer = await self.provisioning.ListOperations(page)
            for operation in answer.operations:
                yield operation
            if not answer.next_page_token:
                return
            page.page_token = answer.next_page_token

    async def confirm_deprovision(self, tenant_id: str, reason: str) -> Operation:
        """End the grace period now."""
        request = repeatable(deprovision_pb.ConfirmDeprovisionRequest(tenant_id=tenant_id, reason=reason))
        with faults_raised():
            answer = await self.provisioning.ConfirmDeprovision(request)
        return Operation(self, answer.operation)

    async def undo_deprovision(self, tenant_id: str, reason: str) -> Operation:
        """Let a tenant in again inside its grace period."""
        request = repeatable(deprovision_pb.UndoDeprovisionRequest(tenant_id=tenant_id, reason=reason))
        with faults_raised():
            answer = await self.provisioning.UndoDeprovision(request)
        return Operation(self, answer.operation)

    async def explain(self, tenant_id: str) -> explanation_pb2.Explanation:
        """Say where a tenant stands, and what helps."""
        with faults_raised():
            answer = await self.provisioning.ExplainTenant(examination_pb.ExplainTenantRequest(tenant_id=tenant_id))
        return answer.explanation

    async def health(self, *, prove: bool = False) -> health_pb2.Health:
        """Say whether operations can be started and are worked on; with `prove` a workflow that does nothing is run."""
        with faults_raised():
            answer = await self.provisioning.GetHealth(examination_pb.GetHealthRequest(prove_path=prove))
        return answer.health


class Operation:
    """One run of an operation, as a caller handles it."""

    def __init__(self, mesh: Mesh, latest: operation_pb2.Operation, *, started: bool = False) -> None:
        """Handle what a service answered; `started` says that this call began it."""
        self._mesh = mesh
        self.latest = latest
        self.started = started

    @property
    def id(self) -> str:
        """The operation's id."""
        return self.latest.operation_id

    async def state(self) -> operation_pb2.Operation:
        """Read how it stands now."""
        found = await self._mesh.operation(self.id, tenant_id=self.latest.tenant_id, run_id=self.latest.run_id)
        self.latest = found.latest
        return self.latest

    async def watch(self, patience: timedelta = PATIENCE) -> AsyncGenerator[operation_pb2.Operation]:
        """Follow it: as it stands now, then at every change, until it has ended.

        A stream that breaks goes on where it broke.

        Raises:
            Fault: when the mesh has not answered for as long as the patience lasts, or answers that it is of no use.
        """
        request = pb.WatchOperationRequest(
            operation_id=self.id, tenant_id=self.latest.tenant_id, run_id=self.latest.run_id
        )
        waiting = Patience(patience)
        while True:
            fault: Fault | None = None
            try:
                async for answer in changes(self._mesh.provisioning.WatchOperation(request)):
                    waiting.answered()
                    request.resume_token = answer.resume_token or request.resume_token
                    if answer.HasField("operation"):
                        self.latest = answer.operation
                        yield answer.operation
                        if is_final(answer.operation):
                            return
            except Fault as broken:
                fault = broken
            await asyncio.sleep(waiting.pause(fault))

    async def result(self, patience: timedelta = PATIENCE) -> operation_pb2.Operation:
        """Wait for its end and answer it as it ended.

        Raises:
            OperationFailed: it failed; the exception has the operation with its ledger.
            OperationCancelled: it was cancelled.
        """
        async for _ in self.watch(patience):
            pass
        return succeeded(self.latest)

    async def cancel(self, reason: str = "") -> operation_pb2.Operation:
        """End it and undo what it made. Who asked is whoever this client proves to be."""
        request = repeatable(
            pb.CancelOperationRequest(operation_id=self.id, tenant_id=self.latest.tenant_id, reason=reason)
        )
        with faults_raised():
            return self._now((await self._mesh.provisioning.CancelOperation(request)).operation)

    async def retry(self, reason: str = "") -> Operation:
        """Take it up again at its first step not done. What is answered is the run that goes on."""
        request = repeatable(
            pb.RetryOperationRequest(operation_id=self.id, tenant_id=self.latest.tenant_id, reason=reason)
        )
        with faults_raised():
            answer = await self._mesh.provisioning.RetryOperation(request)
        return Operation(self._mesh, answer.operation, started=answer.started)

    async def approve(self, reason: str) -> operation_pb2.Operation:
        """Let it go on."""
        return await self._decide(commands_pb2.APPROVAL_DECISION_APPROVED, reason)

    async def reject(self, reason: str) -> operation_pb2.Operation:
        """Let it go no further: it ends and undoes what it made."""
        return await self._decide(commands_pb2.APPROVAL_DECISION_REJECTED, reason)

    async def amend(
        self,
        *,
        contacts: Sequence[contact_pb2.Contact] = (),
        domains: Sequence[str] = (),
        skip_steps: Sequence[str] = (),
        reason: str = "",
    ) -> operation_pb2.Operation:
        """Change contacts or host names while it runs, or leave out an optional step."""
        request = pb.AmendOperationRequest(
            operation_id=self.id,
            tenant_id=self.latest.tenant_id,
            contacts=contacts,
            domains=domains,
            skip_steps=skip_steps,
            reason=reason,
        )
        with faults_raised():
            return self._now((await self._mesh.provisioning.AmendOperation(repeatable(request))).operation)

    async def _decide(self, decision: commands_pb2.ApprovalDecision.ValueType, reason: str) -> operation_pb2.Operation:
        request = pb.ApproveOperationRequest(
            operation_id=self.id, tenant_id=self.latest.tenant_id, decision=decision, reason=reason
        )
        with faults_raised():
            return self._now((await self._mesh.provisioning.ApproveOperation(repeatable(request))).operation)

    def _now(self, operation: operation_pb2.Operation) -> operation_pb2.Operation:
        self.latest = operation
        return operation
