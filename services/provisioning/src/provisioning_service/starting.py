"""Starting operations: what is checked, how an accepted one is never lost, and how it is taken up again."""

from __future__ import annotations

import logging
import uuid
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.client import WorkflowExecutionStatus

import faults
from chassis import context
from faults import Fault
from provisioning_service import model, translate
from provisioning_service.engine import Engine
from provisioning_service.installation import InstallationSettings
from provisioning_service.model import PROVISION, Kind, Switch
from provisioning_service.records import Records
from tenantmesh.provisioning.v1 import subscription_pb2
from tenantmesh.provisioning.v1.operation_pb2 import Operation
from tenantmesh.provisioning.v1.operation_plan_pb2 import OperationPlan
from tenantmesh.provisioning.v1.origin_pb2 import Origin
from tenantmesh.provisioning.v1.tenant_requests_pb2 import ProvisionTenantRequest
from tenantmesh.tenants.v1 import outbox_pb2
from tenantmesh.tenants.v1 import subscription_pb2 as recorded
from tenantmesh.tenants.v1.tenant_pb2 import Tenant

_log: Final = logging.getLogger(__name__)


class Starting:
    """What may be started, and how."""

    def __init__(
        self, engine: Engine, records: Records, switches: tuple[Switch, ...], installation: InstallationSettings
    ) -> None:
        """Start at the engine what the records allow."""
        self._engine = engine
        self._records = records
        self._installation = installation
        self.switches = switches

    async def provision(self, request: ProvisionTenantRequest) -> tuple[Operation | None, bool, OperationPlan | None]:
        """Start provisioning a tenant, or answer what it would do."""
        self.check_switches(PROVISION)
        tenant = await self._records.tenant(request.tenant_id, PROVISION)
        asked = await self._input(request, tenant)
        if request.validate_only:
            result = await self._engine.plan(PROVISION, asked, tenant, request.request_id or str(uuid.uuid4()))
            return None, False, result.plan
        operation, started = await self._start(PROVISION, asked, tenant, origin(request.reason, request.request_id))
        return operation, started, None

    async def again(self, operation_id: str, reason: str, request_id: str) -> tuple[Operation, bool]:
        """Take up a run that failed, at its first step that is not done."""
        run = await self._engine.describe(operation_id)
        kind = model.OF_WORKFLOW[run.workflow_type]
        self.check_switches(kind)
        if run.status in {WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.CANCELED}:
            state = "SUCCEEDED" if run.status is WorkflowExecutionStatus.COMPLETED else "CANCELLED"
            raise model.not_retryable(operation_id, state)
        operation = await self._engine.find(operation_id)
        tenant = await self._records.tenant(operation.tenant_id, kind)
        asked = await self._engine.taken_over(run, kind)
        return await self._start(kind, asked, tenant, origin(reason, request_id))

    def check_switches(self, kind: Kind) -> None:
        """Refuse what a setting stops, and what is not built.

        Raises:
            Fault: STARTS_DISABLED, NOT_IMPLEMENTED.
        """
        model.check_built(kind)
        for switch in self.switches:
            switch.check(kind)

    async def dispatch(self, entry: outbox_pb2.OutboxEntry) -> None:
        """Start an operation that was accepted and not started."""
        kind = next(kind for kind in model.KINDS.values() if entry.operation_id == kind.operation_id(entry.tenant_id))
        asked = translate.INPUTS[kind.name].FromString(entry.payload)
        tenant = await self._records.tenant(entry.tenant_id, kind)
        who = Origin(principal=entry.principal, request_time=entry.create_time)
        await self._engine.start(kind, asked, tenant, who)
        await self._records.complete(entry)

    async def _start(self, kind: Kind, asked: Any, tenant: Tenant, who: Origin) -> tuple[Operation, bool]:
        """Accept it, which makes it sure, and start it; where Temporal is away, that happens once it is there."""
        operation_id = kind.operation_id(tenant.tenant_id)
        try:
            entry, created = await self._records.accept(kind, operation_id, asked, tenant.tenant_id)
        except Fault as fault:
            raise await self._refusal(fault, kind, operation_id) from fault
        try:
            _, started = await self._engine.start(kind, asked, tenant, who)
        except faults.Unavailable:
            _log.warning("an operation waits for Temporal", extra={"operation_id": operation_id})
            return translate.pending(kind, operation_id, tenant.tenant_id, who), created
        except Fault:
            await self._withdraw(entry)
            raise
        if entry.state == outbox_pb2.OutboxEntry.STATE_CLAIMED and entry.claim_id:
            await self._settle(entry)
        return await self._engine.find(operation_id), started

    async def _settle(self, entry: outbox_pb2.OutboxEntry) -> None:
        """Note that it is started. Where that fails the dispatcher starts it again, which changes nothing."""
        try:
            await self._records.complete(entry)
        except Fault as fault:
            _log.info("a started operation was not noted", extra={"reason": fault.reason})

    async def _withdraw(self, entry: outbox_pb2.OutboxEntry) -> None:
        """What Temporal refuses for good does not wait for it."""
        try:
            await self._records.drop(entry, "refused")
        except Fault as fault:
            _log.info("a refused operation was not withdrawn", extra={"reason": fault.reason})

    async def _refusal(self, fault: Fault, kind: Kind, operation_id: str) -> Fault:
        """Why the records refuse it: of an operation that is done once only, that it was done."""
        if fault.reason != "TENANT_STATE_FORBIDS" or kind.repeatable:
            return fault
        try:
            run = await self._engine.describe(operation_id)
        except Fault:
            return fault
        if run.status is WorkflowExecutionStatus.COMPLETED:
            return model.already_succeeded(operation_id, run.run_id)
        return fault

    async def _input(self, request: ProvisionTenantRequest, tenant: Tenant) -> Any:
        known = await self._records.subscription(tenant.tenant_id, request.subscription.id, PROVISION)
        if known is not None:
            _check_subscription(request.subscription, known)
        plan = await self._records.plan(known.plan_id) if known is not None else None
        return translate.provision_input(
            request,
            translate.tier_name(tenant.tier),
            self._installation,
            dedicated=bool(plan and plan.dedicated_infrastructure),
            approved=bool(plan and plan.approval_required),
        )


def origin(reason: str, request_id: str) -> Origin:
    """Who asks, when and why."""
    call = context.current()
    now = Timestamp()
    now.GetCurrentTime()
    principal = call.principal.name if call and call.principal else ""
    return Origin(principal=principal[:256], reason=reason, request_id=request_id, request_time=now)


def _check_subscription(believed: subscription_pb2.Subscription, known: recorded.Subscription) -> None:
    """Refuse a subscription that is not what the caller believes."""
    pairs = {
        "id": (believed.id, known.subscription_id),
        "subscriber_id": (believed.subscriber_id, known.tenant_id),
        "plan_id": (believed.plan_id or believed.plan.id, known.plan_id),
    }
    for field, (wanted, truth) in pairs.items():
        if wanted and wanted.lower() != truth:
            raise model.mismatch(known.subscription_id, field, truth)
    active = subscription_pb2.SUBSCRIPTION_STATUS_ACTIVE
    if believed.status not in {0, active}:
        state = recorded.Subscription.State.Name(known.state).removeprefix("STATE_")
        raise model.mismatch(known.subscription_id, "status", state)
