"""ProvisionTenant on a real Temporal: what is made, and what is left when it goes wrong."""

import asyncio

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowUpdateFailedError
from tests.fixtures.memorymesh import Hanging, fails_after, fails_before, refused
from tests.integration.worker.conftest import Provisioning, progress_of

from temporalkit.failures import fault_of
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.provisioning.v1 import provision_tenant_pb2 as pb
from tenantmesh.provisioning.v1.commands_pb2 import (
    APPROVAL_DECISION_APPROVED,
    APPROVAL_DECISION_REJECTED,
    Amendment,
    Approval,
    Cancellation,
    Continuation,
)
from tenantmesh.provisioning.v1.operation_state_pb2 import OperationState, Wait
from tenantmesh.provisioning.v1.step_pb2 import Step
from tenantmesh.provisioning.v1.tenant_environment_pb2 import Resumption
from tenantmesh.storage.v1 import schema_pb2
from worker_service.tables.provision_tenant import STEPS


def by_name(steps):
    return {step.name: Step.State.Name(step.state).removeprefix("STATE_") for step in steps}


async def result_of(one):
    handle = one.client.get_workflow_handle(one.operation_id, result_type=pb.ProvisionTenantResult)
    return await handle.result()


async def ended(handle):
    """The status it closed with, its failure, and the result it left behind."""
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    closed = await handle.describe()
    return closed, fault_of(caught.value), await closed.memo_value("result", type_hint=pb.ProvisionTenantResult)


def attributes(closed):
    return {pair.key.name: pair.value for pair in closed.typed_search_attributes}


async def until(condition):
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110 - a run tells nobody when it changes
            await asyncio.sleep(0.02)


async def state_of(handle):
    return OperationState.Name((await progress_of(handle)).state).removeprefix("OPERATION_STATE_")


async def test_a_pooled_tenant_gets_everything_and_is_active(provisioning):
    await provisioning.start()
    result = await result_of(provisioning)
    assert result.success
    assert provisioning.state == "ACTIVE"
    kinds = {kind for kind, _ in provisioning.left}
    assert kinds == {"Organization", "Client", "User", "Schema", "Bucket", "Deployment", "Record", "Resource"}
    assert by_name(result.steps)["infrastructure"] == by_name(result.steps)["approval"] == "SKIPPED"
    assert result.app_plane_url == f"https://{provisioning.host}"
    assert result.message_delivered
    assert {each.type for each in result.resources} >= {"organization", "schema", "bucket", "deployment", "dns_record"}


async def test_a_run_costs_at_most_22_actions(provisioning):
    provisioning.tier = tier_pb2.TIER_SILO
    handle = await provisioning.start(infrastructure=True)
    await result_of(provisioning)
    counted = {
        "WORKFLOW_EXECUTION_STARTED",
        "ACTIVITY_TASK_SCHEDULED",
        "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
        "TIMER_STARTED",
    }
    events = [
        EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") async for event in handle.fetch_history_events()
    ]
    assert sum(event in counted for event in events) <= 22


async def test_a_failed_run_is_failed_in_temporal_and_names_its_step(provisioning):
    provisioning.mesh.misbehave("EnsureRecord", provisioning.tenant_id, fails_before(refused))
    closed, fault, result = await ended(await provisioning.start())
    assert closed.status is WorkflowExecutionStatus.FAILED
    assert (fault.reason, fault.facts["step"]) == ("PROVIDER_CREDENTIALS_REFUSED", "dns_record")
    assert attributes(closed)["OperationState"] == "failed"
    assert attributes(closed)["FailedStep"] == "dns_record"
    assert (result.failed_step, result.compensation_executed, result.error) == ("dns_record", True, "No.")
    assert (provisioning.state, provisioning.left) == ("PROVISION_FAILED", [])
    tenant = provisioning.mesh.tenants[provisioning.tenant_id]
    assert (tenant.failure.failed_step, tenant.failure.root_cause) == ("dns_record", "No.")
    assert [message.template_id for message in messages(provisioning)] == ["provisioning-failed"]


async def test_undos_run_in_reverse(provisioning):
    provisioning.mesh.misbehave("EnsureRecord", provisioning.tenant_id, fails_after(refused))
    await ended(await provisioning.start())
    called = provisioning.mesh.called(provisioning.tenant_id)
    undone = [method for method in called if method.startswith("Delete")]
    assert undone.index("DeleteRecord") < undone.index("DeleteDeployment") < undone.index("DeleteBucket")
    assert undone.index("DeleteUser") < undone.index("DeleteClient") < undone.index("DeleteOrganization")
    assert undone.index("DeleteSchema") < undone.index("DeleteOrganization")
    assert called.index("GetRecord") == called.index("DeleteRecord") + 1


async def test_what_is_somebody_elses_is_never_touched(provisioning):
    other = Provisioning(provisioning.client, provisioning.mesh, provisioning.queues)
    provisioning.mesh.things["Schema", provisioning.tenant_id, ""] = stranger = schema_pb2.Schema(name="precious")
    _, fault, result = await ended(await provisioning.start())
    assert fault.reason == "SCHEMA_NOT_OWNED"
    assert provisioning.mesh.things.pop(("Schema", provisioning.tenant_id, "")) is stranger
    assert provisioning.left == [] == other.left
    step = next(step for step in result.steps if step.name == "schema")
    assert (step.state, step.undo) == (Step.STATE_FAILED, Step.UNDO_WAS_ABSENT)


async def test_an_undo_that_fails_for_good_is_named_and_the_next_one_runs(provisioning):
    provisioning.mesh.misbehave("DeleteBucket", provisioning.tenant_id, fails_before(refused))
    provisioning.mesh.misbehave("EnsureRecord", provisioning.tenant_id, fails_before(refused))
    _, _, result = await ended(await provisioning.start())
    assert provisioning.left == [("Bucket", "")]
    step = next(step for step in result.steps if step.name == "bucket")
    assert Step.State.Name(step.state) == "STATE_LEFT_BEHIND"
    assert step.location == f"storage: bucket {provisioning.key}"
    assert step.undo_cause.reason == "PROVIDER_CREDENTIALS_REFUSED"
    assert by_name(result.steps)["schema"] == "UNDONE"


async def test_an_active_tenant_is_never_undone_though_the_answer_was_lost(provisioning):
    passes = lambda act: act()  # noqa: E731 - the first transition is another step's
    provisioning.mesh.misbehave("TransitionTenant", provisioning.tenant_id, passes, fails_after(refused))
    await provisioning.start()
    assert (await result_of(provisioning)).success
    assert provisioning.state == "ACTIVE"


async def test_a_failing_mail_fails_no_tenant_and_is_not_reported_as_sent(provisioning):
    provisioning.mesh.misbehave("SendNotification", provisioning.tenant_id, fails_before(refused))
    await provisioning.start()
    result = await result_of(provisioning)
    assert (result.success, result.message_delivered, provisioning.state) == (True, False, "ACTIVE")


async def test_cancelling_undoes_everything_and_closes_as_cancelled(provisioning):
    hanging = Hanging(after_effect=True)
    provisioning.mesh.misbehave("EnsureDeployment", provisioning.tenant_id, hanging)
    handle = await provisioning.start()
    await hanging.entered.wait()
    for _ in range(2):
        await handle.execute_update("cancel", Cancellation(origin={"principal": "grace", "reason": "a mistake"}))
    closed, _, result = await ended(handle)
    assert closed.status is WorkflowExecutionStatus.CANCELED
    assert attributes(closed)["OperationState"] == "cancelled"
    assert dict(result.root_cause.facts) == {"principal": "grace", "reason": "a mistake"}
    assert result.failed_step == "deployment"
    assert (provisioning.state, provisioning.left, messages(provisioning)) == ("CANCELLED", [], [])


async def test_the_signal_cancels_as_well(provisioning):
    hanging = Hanging()
    provisioning.mesh.misbehave("EnsureBucket", provisioning.tenant_id, hanging)
    handle = await provisioning.start()
    await hanging.entered.wait()
    await handle.signal("provisioningCancelled", Cancellation())
    closed, _, _ = await ended(handle)
    assert (closed.status, provisioning.left) == (WorkflowExecutionStatus.CANCELED, [])


async def test_after_active_a_cancellation_is_refused_and_changes_nothing(provisioning):
    hanging = Hanging()
    provisioning.mesh.misbehave("SendNotification", provisioning.tenant_id, hanging)
    handle = await provisioning.start()
    await hanging.entered.wait()
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await handle.execute_update("cancel", Cancellation())
    assert fault_of(caught.value.cause).reason == "CANCEL_TOO_LATE"
    await handle.cancel()  # by hand, past the rules
    hanging.go.set()
    assert (await result_of(provisioning)).success
    assert provisioning.state == "ACTIVE"


async def test_expensive_infrastructure_waits_for_approval(provisioning):
    handle = await provisioning.start(infrastructure=True, require_approval=True)
    await until(lambda: reads(handle, "WAITING"))
    assert (await progress_of(handle)).wait.event == Wait.EVENT_APPROVAL
    approval = Approval(decision=APPROVAL_DECISION_APPROVED, origin={"principal": "grace", "reason": "paid"})
    await handle.execute_update("approve", approval)
    await handle.execute_update("approve", approval)
    assert by_name((await result_of(provisioning)).steps)["infrastructure"] == "DONE"


async def test_a_refused_approval_undoes_everything(provisioning):
    handle = await provisioning.start(infrastructure=True, require_approval=True, failure_policy=pb.FAILURE_POLICY_HOLD)
    await until(lambda: reads(handle, "WAITING"))
    await handle.execute_update("approve", Approval(decision=APPROVAL_DECISION_REJECTED))
    _, fault, _ = await ended(handle)
    assert (fault.reason, provisioning.left, provisioning.state) == ("APPROVAL_REJECTED", [], "PROVISION_FAILED")


async def test_approving_what_does_not_wait_is_refused(provisioning):
    hanging = Hanging()
    provisioning.mesh.misbehave("EnsureBucket", provisioning.tenant_id, hanging)
    handle = await provisioning.start()
    await hanging.entered.wait()
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await handle.execute_update("approve", Approval(decision=APPROVAL_DECISION_APPROVED))
    assert fault_of(caught.value.cause).reason == "APPROVAL_NOT_AWAITED"
    hanging.go.set()
    await result_of(provisioning)


async def test_held_at_a_failure_it_goes_on_there_when_told(provisioning):
    provisioning.mesh.misbehave("EnsureDeployment", provisioning.tenant_id, fails_before(refused))
    handle = await provisioning.start(failure_policy=pb.FAILURE_POLICY_HOLD)
    await until(lambda: reads(handle, "HELD"))
    assert (await progress_of(handle)).failed_step == "deployment"
    assert attributes(await handle.describe())["FailedStep"] == "deployment"
    before = provisioning.mesh.called(provisioning.tenant_id)
    await handle.execute_update("retry", Continuation())
    assert (await result_of(provisioning)).success
    assert "FailedStep" not in attributes(await handle.describe())
    after = provisioning.mesh.called(provisioning.tenant_id)[len(before) :]
    assert after[0] == "EnsureDeployment"
    assert "EnsureSchema" not in after


async def test_held_at_a_failure_it_is_undone_when_cancelled(provisioning):
    provisioning.mesh.misbehave("EnsureDeployment", provisioning.tenant_id, fails_before(refused))
    handle = await provisioning.start(failure_policy=pb.FAILURE_POLICY_HOLD)
    await until(lambda: reads(handle, "HELD"))
    await handle.execute_update("cancel", Cancellation())
    closed, _, _ = await ended(handle)
    assert (closed.status, provisioning.left) == (WorkflowExecutionStatus.CANCELED, [])


async def test_while_it_waits_hosts_and_contacts_can_be_amended(provisioning):
    handle = await provisioning.start(infrastructure=True, require_approval=True)
    await until(lambda: reads(handle, "WAITING"))
    amendment = Amendment(domains=["shop.example.com"], skip_steps=["welcome"])
    await handle.execute_update("amend", amendment)
    await handle.execute_update("approve", Approval(decision=APPROVAL_DECISION_APPROVED))
    result = await result_of(provisioning)
    assert by_name(result.steps)["welcome"] == "SKIPPED"
    assert ("Record", "shop.example.com") in provisioning.left
    assert messages(provisioning) == []


@pytest.mark.parametrize(
    ("amendment", "reason"),
    [
        ({"skip_steps": ["nonsense"]}, "STEP_UNKNOWN"),
        ({"skip_steps": ["schema"]}, "STEP_NOT_OPTIONAL"),
        ({"domains": ["late.example.com"]}, "AMEND_TOO_LATE"),
    ],
)
async def test_an_amendment_that_makes_no_sense_is_refused(provisioning, amendment, reason):
    hanging = Hanging()
    provisioning.mesh.misbehave("VerifyRecord", provisioning.tenant_id, hanging)
    handle = await provisioning.start()
    await hanging.entered.wait()
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await handle.execute_update("amend", Amendment(**amendment))
    assert fault_of(caught.value.cause).reason == reason
    hanging.go.set()
    await result_of(provisioning)


async def test_the_plan_says_what_would_be_done_and_does_nothing(provisioning):
    await provisioning.start(validate_only=True)
    plan = (await result_of(provisioning)).plan
    assert plan.acceptable
    assert [step.name for step in plan.steps] == [step.name for step in STEPS]
    assert {(name.type, name.name) for name in plan.names} >= {("dns_record", provisioning.host)}
    assert (provisioning.state, provisioning.left) == ("PENDING_PROVISION", [])


async def test_the_plan_names_what_would_collide(provisioning):
    provisioning.mesh.things["Schema", provisioning.tenant_id, ""] = schema_pb2.Schema(name="precious")
    await provisioning.start(validate_only=True)
    plan = (await result_of(provisioning)).plan
    assert not plan.acceptable
    assert [(each.type, each.owner) for each in plan.collisions] == [("schema", "unknown")]


async def test_a_run_takes_over_what_an_earlier_one_did(provisioning):
    hanging = Hanging()
    provisioning.mesh.misbehave("EnsureDeployment", provisioning.tenant_id, hanging)
    handle = await provisioning.start()
    await hanging.entered.wait()
    resumption = await handle.query("getResumption", result_type=Resumption)
    await handle.terminate("as an operator would")
    before = provisioning.mesh.called(provisioning.tenant_id)
    await provisioning.start(resumption=resumption)
    result = await result_of(provisioning)
    assert result.success
    assert result.schema_name
    again = provisioning.mesh.called(provisioning.tenant_id)[len(before) :]
    assert again[:3] == ["GetTenant", "TransitionTenant", "EnsureDeployment"]


async def test_a_resumed_run_that_fails_undoes_what_the_earlier_one_made(provisioning):
    hanging = Hanging()
    provisioning.mesh.misbehave("EnsureDeployment", provisioning.tenant_id, hanging, fails_before(refused))
    handle = await provisioning.start()
    await hanging.entered.wait()
    resumption = await handle.query("getResumption", result_type=Resumption)
    await handle.terminate("as an operator would")
    await ended(await provisioning.start(resumption=resumption))
    assert (provisioning.left, provisioning.state) == ([], "PROVISION_FAILED")


async def test_progress_never_falls_going_forward(provisioning):
    handle = await provisioning.start()
    seen = [await progress_of(handle)]
    while seen[-1].state == OperationState.Value("OPERATION_STATE_RUNNING"):
        seen.append(await progress_of(handle))
    assert [each.progress for each in seen] == sorted(each.progress for each in seen)
    assert [each.revision for each in seen] == sorted(each.revision for each in seen)
    assert seen[-1].progress == 100


async def test_nonsense_fails_for_good_at_once(provisioning):
    request = provisioning.request()
    request.tenant_id = "nobody"
    _, fault, _ = await ended(await provisioning.start(request=request))
    assert fault.facts["step"] == "validate"


def reads(handle, state):
    async def same():
        return await state_of(handle) == state

    return same()


def messages(one):
    return [message for message in one.mesh.messages if message.tenant_id == one.tenant_id]
