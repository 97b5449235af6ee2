"""Where operations run: Temporal."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from google.protobuf.message import Message
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import (
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.service import RPCError

from faults import Fault, NotFound
from provisioning_service import model, translate
from provisioning_service.model import OF_WORKFLOW, Kind
from temporalkit import operations
from temporalkit.client import TemporalClient
from temporalkit.failures import faults_raised
from temporalkit.operations import Queues
from tenantmesh.provisioning.v1.health_check_pb2 import HealthCheckInput, HealthCheckResult
from tenantmesh.provisioning.v1.health_pb2 import QueueHealth
from tenantmesh.provisioning.v1.operation_pb2 import Operation
from tenantmesh.provisioning.v1.origin_pb2 import Origin
from tenantmesh.provisioning.v1.progress_pb2 import Progress
from tenantmesh.provisioning.v1.tenant_environment_pb2 import Resumption
from tenantmesh.tenants.v1.tenant_pb2 import Tenant

_PATIENCE: Final = timedelta(seconds=3)
_CLOSING: Final = 0.05  # seconds between a run's last word and its end, in Temporal's eyes
_PROOF_PATIENCE: Final = timedelta(seconds=8)
_UPDATE_PATIENCE: Final = timedelta(seconds=20)


class Engine:
    """Runs, by their ids."""

    def __init__(self, temporal: TemporalClient, queues: Queues) -> None:
        """Start what is asked in these queues."""
        self._temporal = temporal
        self._queues = queues

    async def check(self) -> None:
        """Ask whether Temporal is there.

        Raises:
            Fault: it is not.
        """
        await self._temporal.check()

    async def start(self, kind: Kind, asked: Any, tenant: Tenant, origin: Origin) -> tuple[str, bool]:
        """Start a run, or find the one that is at work with the same input; answer its id, and whether it is new.

        Raises:
            Fault: it runs with another input, or succeeded and is done once only.
        """
        tier = translate.tier_name(tenant.tier)
        operation_id = kind.operation_id(tenant.tenant_id)
        reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE
        if not kind.repeatable:
            reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
        with_origin = type(asked)()
        with_origin.CopyFrom(asked)
        with_origin.origin.CopyFrom(origin)
        try:
            with faults_raised():
                handle = await self._temporal.client.start_workflow(
                    kind.workflow,
                    with_origin,
                    id=operation_id,
                    task_queue=self._queues.of(tier),
                    id_reuse_policy=reuse,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    search_attributes=_attributes(tenant, tier),
                    memo={"origin": origin, "input": asked},
                    priority=Priority(fairness_key=tenant.tenant_id),
                    rpc_timeout=_PATIENCE,
                )
        except Fault as fault:
            if fault.reason != "ALREADY_EXISTS":
                raise
            return await self._same(operation_id, asked), False
        return handle.result_run_id or "", True

    async def plan(self, kind: Kind, asked: Any, tenant: Tenant, request_id: str) -> Any:
        """Run what only works out a plan, and answer its result. It is no operation: no list shows it."""
        asked.validate_only = True
        with faults_raised():
            return await self._temporal.client.execute_workflow(
                kind.workflow,
                asked,
                id=f"plan-{kind.operation_id(tenant.tenant_id)}-{request_id}",
                task_queue=self._queues.of(translate.tier_name(tenant.tier)),
                result_type=translate.RESULTS[kind.name],
                execution_timeout=timedelta(minutes=1),
            )

    async def find(self, operation_id: str, run_id: str = "") -> Operation:
        """An operation as it stands, or as it ended.

        Raises:
            Fault: OPERATION_NOT_FOUND; Temporal is away.
        """
        return (await self.seen(operation_id, run_id))[0]

    async def seen(self, operation_id: str, run_id: str = "") -> tuple[Operation, int]:
        """The operation, and a number that changes with it."""
        run, progress = await self._looked_at(operation_id, run_id)
        kind = OF_WORKFLOW[run.workflow_type]
        operation = translate.operation_to(run, {"origin": await run.memo_value("origin", Origin(), type_hint=Origin)})
        if run.status is WorkflowExecutionStatus.RUNNING:
            return (translate.with_progress(operation, progress) if progress else operation), run.history_length
        if kind.name in translate.RESULTS and (result := await self._result(run, kind)) is not None:
            translate.with_result(operation, kind, result)
        return operation, run.history_length

    async def _looked_at(self, operation_id: str, run_id: str) -> tuple[WorkflowExecutionDescription, Progress | None]:
        """A run, and what it says of itself. One that says it has ended is about to: then its result is there."""
        while True:
            run = await self.describe(operation_id, run_id)
            running = run.status is WorkflowExecutionStatus.RUNNING
            progress = await self._progress(run) if running else None
            if progress is None or progress.state not in translate.FINAL:
                return run, progress
            await asyncio.sleep(_CLOSING)

    async def describe(self, operation_id: str, run_id: str = "") -> WorkflowExecutionDescription:
        """What Temporal itself knows of a run; of the latest, where none is named."""
        try:
            with faults_raised():
                run = await self._handle(operation_id, run_id).describe(rpc_timeout=_PATIENCE)
        except NotFound:
            raise model.not_found(operation_id) from None
        if run.workflow_type not in OF_WORKFLOW:
            raise model.not_found(operation_id)
        return run

    async def update(self, operation_id: str, run_id: str, name: str, message: Message) -> Progress:
        """Ask something of a run, and answer how it then stands."""
        handle = self._handle(operation_id, run_id)
        with faults_raised():
            progress: Progress = await handle.execute_update(
                name, message, result_type=Progress, rpc_timeout=_UPDATE_PATIENCE
            )
        return progress

    async def list(self, query: str, size: int, token: str) -> tuple[Sequence[Operation], str]:
        """A page of runs, and where the next one begins."""
        after = base64.urlsafe_b64decode(token) if token else None
        runs = self._temporal.client.list_workflows(query, page_size=size, next_page_token=after)
        with faults_raised():
            await runs.fetch_next_page()
        found = [translate.operation_to(run) for run in runs.current_page or ()]
        following = base64.urlsafe_b64encode(runs.next_page_token or b"").decode()
        return found, following

    async def taken_over(self, run: WorkflowExecutionDescription, kind: Kind) -> Any:
        """The input of a run that takes over from one that failed: at its first step that is not done."""
        asked = await run.memo_value("input", type_hint=translate.INPUTS[kind.name])
        try:
            resumption = await self._handle(run.id, run.run_id).query(
                operations.RESUMPTION, result_type=Resumption, rpc_timeout=_PATIENCE
            )
        except RPCError:  # nobody is there to say; every step makes sure of itself, so none need be taken over
            resumption = Resumption(previous_run_id=run.run_id)
        asked.resumption.CopyFrom(resumption)
        return asked

    async def queues(self) -> Sequence[QueueHealth]:
        """Who works on each queue."""
        return await asyncio.gather(*(self._queue(role) for role in operations.ROLES))

    async def prove(self) -> HealthCheckResult:
        """Run the workflow that does nothing."""
        nonce = str(uuid.uuid4())
        with faults_raised():
            proof: HealthCheckResult = await self._temporal.client.execute_workflow(
                "HealthCheck",
                HealthCheckInput(nonce=nonce),
                id=f"health-check-{nonce}",
                task_queue=self._queues.of("pooled"),
                result_type=HealthCheckResult,
                execution_timeout=_PROOF_PATIENCE,
            )
        return proof

    async def _queue(self, role: str) -> QueueHealth:
        name = self._queues.of(role)
        is_tier = role in operations.TIERS
        kind = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW if is_tier else TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
        request = DescribeTaskQueueRequest(
            namespace=self._temporal.client.namespace,
            task_queue=TaskQueue(name=name),
            task_queue_type=kind,
            report_stats=True,
        )
        with faults_raised():
            answer = await self._temporal.client.workflow_service.describe_task_queue(request, timeout=_PATIENCE)
        return QueueHealth(name=name, workers=len(answer.pollers), backlog=answer.stats.approximate_backlog_count)

    async def _same(self, operation_id: str, asked: Any) -> str:
        run = await self.describe(operation_id)
        if run.status is WorkflowExecutionStatus.COMPLETED:
            raise model.already_succeeded(operation_id, run.run_id)
        before = await run.memo_value("input", type_hint=type(asked))
        if field := translate.first_difference(before, asked):
            raise model.input_differs(operation_id, field)
        return run.run_id

    async def _progress(self, run: WorkflowExecutionDescription) -> Progress | None:
        try:
            progress: Progress = await self._handle(run.id, run.run_id).query(
                operations.PROGRESS, result_type=Progress, rpc_timeout=_PATIENCE
            )
        except RPCError:  # no worker is there to say; what Temporal itself knows is true as well
            return None
        return progress

    async def _result(self, run: WorkflowExecutionDescription, kind: Kind) -> Any:
        result_type = translate.RESULTS[kind.name]
        if run.status is WorkflowExecutionStatus.COMPLETED:
            handle = self._temporal.client.get_workflow_handle(run.id, run_id=run.run_id, result_type=result_type)
            with faults_raised():
                return await handle.result(rpc_timeout=_PATIENCE)
        return await run.memo_value(operations.RESULT, None, type_hint=result_type)

    def _handle(self, operation_id: str, run_id: str) -> WorkflowHandle[Any, Any]:
        return self._temporal.client.get_workflow_handle(operation_id, run_id=run_id or None)


def _attributes(tenant: Tenant, tier: str) -> TypedSearchAttributes:
    known: dict[SearchAttributeKey[str], str] = {
        operations.TENANT_ID: tenant.tenant_id,
        operations.TENANT_KEY: tenant.key,
        operations.TIER: tier,
        operations.STATE: "running",
        operations.STEP: "validate",
    }
    return TypedSearchAttributes([SearchAttributePair(key, value) for key, value in known.items()])
