"""What a run would do, worked out without doing anything: every service is asked to check, none to make."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from temporalio.exceptions import FailureError

from faults import Fault, Kind
from temporalkit.failures import fault_of
from tenantmesh.provisioning.v1.operation_plan_pb2 import NameCollision, OperationPlan, PlannedName, PlannedStep
from tenantmesh.provisioning.v1.provisioned_resource_pb2 import SYSTEM_TENANTS
from worker_service.operation.engine import Operation
from worker_service.operation.progress import cause_to
from worker_service.operation.run import Run
from worker_service.operation.steps import Call, Step


async def planned(operation: Operation) -> OperationPlan:
    """Every step in order, the names that would be used, and what stands in the way."""
    plan = OperationPlan()
    try:
        await _ask(operation, operation.steps[0])
    except FailureError as error:
        plan.problems.append(cause_to(_fault(error)))
        return plan
    for step in operation.steps:
        plan.steps.append(_step(operation, step))
        if not plan.steps[-1].skipped and _checks(operation.run, step):
            await _check(operation, step, plan)
    plan.acceptable = not (plan.collisions or plan.problems)
    return plan


def _step(operation: Operation, step: Step) -> PlannedStep:
    reason = operation.left_out(step)
    return PlannedStep(
        name=step.name,
        after=step.after,
        skipped=bool(reason),
        skip_reason=reason,
        optional=step.optional,
        undoable=bool(step.undo or step.goes_with),
    )


def _checks(run: Run, step: Step) -> bool:
    """Whether the service behind a step can be asked without anything being made."""
    if step.do is None or step.thing is None:
        return False
    return all("validate_only" in request.DESCRIPTOR.fields_by_name for request in _requests(step.do, run))


async def _check(operation: Operation, step: Step, plan: OperationPlan) -> None:
    try:
        answers = await _ask(operation, step)
    except FailureError as error:
        _note(operation.run, step, plan, _fault(error))
        return
    for answer in answers:
        plan.names.append(_name(operation.run, step, exists=not answer.created))


async def _ask(operation: Operation, step: Step) -> list[Any]:
    assert step.do is not None  # noqa: S101 - a gate is never asked
    do = step.do
    answers = await operation.call(Call(do.activity, lambda run: _only_checking(do, run), do.preset, do.queue))
    for answer in answers:
        step.keep(operation.run, answer)
    return answers


def _only_checking(call: Call, run: Run) -> list[Message]:
    requests = _requests(call, run)
    for request in requests:
        if "validate_only" in request.DESCRIPTOR.fields_by_name:
            request.validate_only = True  # type: ignore[attr-defined] # as was just asked
    return requests


def _requests(call: Call, run: Run) -> list[Message]:
    asked = call.requests(run)
    return [asked] if isinstance(asked, Message) else list(asked)


def _note(run: Run, step: Step, plan: OperationPlan, fault: Fault) -> None:
    """A name that is somebody else's collides; what only misses what is not made yet is no problem."""
    if fault.kind is Kind.NOT_FOUND:
        return
    if fault.kind is Kind.ALREADY_EXISTS or fault.reason.endswith("_NOT_OWNED"):
        owner = str(fault.facts.get("owner", "")) or "unknown"
        name = _name(run, step, exists=False)
        plan.collisions.append(NameCollision(system=name.system, type=name.type, name=name.name, owner=owner[:64]))
    else:
        plan.problems.append(cause_to(fault))


def _name(run: Run, step: Step, *, exists: bool) -> PlannedName:
    system, kind = step.thing or (SYSTEM_TENANTS, "tenant")
    recorded = [each for each in run.made.resources if (each.system, each.type) == (system, kind)]
    name = recorded[-1].external_identifier if recorded else step.called(run)
    return PlannedName(system=system, type=kind, name=name[:253], exists=exists)


def _fault(error: BaseException) -> Fault:
    fault = fault_of(error)
    if fault is None:  # cancelled: then there is no plan
        raise error
    return fault
