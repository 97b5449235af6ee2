"""What is said of an operation when it is looked at once, and when it has ended."""

from __future__ import annotations

from collections.abc import Iterator

from meshctl.showing import words
from tenantmesh.provisioning.v1 import explanation_pb2, operation_pb2, operation_plan_pb2, operation_state_pb2, step_pb2

_HOW_TO_GO_ON = {
    operation_state_pb2.OPERATION_STATE_FAILED: "Once the cause is gone: meshctl operations retry {id}",
    operation_state_pb2.OPERATION_STATE_HELD: (
        "It waits for a person: meshctl operations retry {id} goes on, meshctl operations cancel {id} undoes"
    ),
}


def of_operation(operation: operation_pb2.Operation) -> Iterator[str]:
    """The whole ledger."""
    yield f"{operation.operation_id}  {words.state_of(operation)}  {operation.percent} %"
    if operation.details:
        yield words.safe(operation.details)
    for step in operation.steps:
        parts = (step.name, words.state_of_step(step), words.taken_by(step), words.remark(step))
        yield "  " + "  ".join(part for part in parts if part)
    yield from of_end(operation)


def of_end(operation: operation_pb2.Operation) -> Iterator[str]:
    """How it ended, what is there now, and what to do next."""
    if operation.failed_step:
        yield f"{operation.failed_step}: {words.cause(operation.root_cause)}"
    for step in operation.steps:
        if step.state == step_pb2.Step.STATE_LEFT_BEHIND or step.undo == step_pb2.Step.UNDO_LEFT_BEHIND:
            yield f"left behind by {step.name}: {words.safe(step.location)}"
    yield from _made(operation)
    if operation.state in _HOW_TO_GO_ON:
        yield _HOW_TO_GO_ON[operation.state].format(id=operation.operation_id)


def of_plan(plan: operation_plan_pb2.OperationPlan) -> Iterator[str]:
    """What would be done, with which names, and what is in the way."""
    yield "It would be accepted." if plan.acceptable else "It would be refused."
    for step in plan.steps:
        after = f"after {', '.join(step.after)}" if step.after else ""
        skipped = f"left out: {words.safe(step.skip_reason)}" if step.skipped else ""
        yield "  " + "  ".join(part for part in (step.name, skipped or after) if part)
    for name in plan.names:
        yield f"  {name.type}: {words.safe(name.name)}{' (stands already)' if name.exists else ''}"
    for taken in plan.collisions:
        yield f"  {taken.type} {words.safe(taken.name)} belongs to {words.safe(taken.owner)}"
    for problem in plan.problems:
        yield f"  {words.cause(problem)}"


def of_explanation(explanation: explanation_pb2.Explanation) -> Iterator[str]:
    """Where a tenant stands, and what helps."""
    tenant = f"{explanation.tenant_key} ({words.tier_name(explanation.tier)}, {explanation.tenant_id})"
    yield f"{tenant}: {explanation.tenant_state}"
    yield words.safe(explanation.headline)
    for operation in explanation.operations:
        yield f"  {operation.operation_id}  {words.state_of(operation)}  {operation.failed_step}".rstrip()
    for finding in explanation.findings:
        yield f"  {finding.type} {words.safe(finding.name)}: {words.safe(finding.advice.sentence)}"
    for advice in explanation.advice:
        yield words.safe(f"→ {advice.sentence}" + (f"  {advice.command}" if advice.command else ""))
    if explanation.unreachable:
        yield "Not every part of the mesh could be asked; what they hold is not known."


def _made(operation: operation_pb2.Operation) -> Iterator[str]:
    if operation.WhichOneof("result") != "provision_tenant" or not operation.provision_tenant.success:
        return
    result = operation.provision_tenant
    for name, value in (
        ("application", result.app_plane_url),
        ("admin portal", result.admin_portal_url),
        ("organization", result.idp_organization_id),
        ("client", result.idp_client_id),
        ("schema", result.schema_name),
        ("bucket", result.storage_bucket),
    ):
        if value:
            yield f"  {name:<14}{words.safe(value)}"
    if not result.message_delivered:
        yield "  The welcome was not delivered."
