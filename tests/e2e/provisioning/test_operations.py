"""Provisioning over its port: what callers see of operations."""

import asyncio
import uuid

from tests.e2e.provisioning.conftest import operation_id, provision, refused, state_of, watched
from tests.fixtures.memorymesh import Hanging, fails_before
from tests.fixtures.memorymesh import refused as denied

from tenantmesh.common.v1 import tier_pb2
from tenantmesh.provisioning.v1 import deprovision_requests_pb2, examination_requests_pb2
from tenantmesh.provisioning.v1 import operation_requests_pb2 as pb
from tenantmesh.provisioning.v1.commands_pb2 import APPROVAL_DECISION_APPROVED
from tenantmesh.provisioning.v1.health_pb2 import Health
from tenantmesh.provisioning.v1.operation_pb2 import OPERATION_KIND_PROVISION_TENANT
from tenantmesh.provisioning.v1.operation_state_pb2 import OPERATION_STATE_FAILED
from tenantmesh.provisioning.v1.provision_tenant_pb2 import FAILURE_POLICY_HOLD


async def test_a_tenant_is_provisioned_and_watched_to_its_end(stub, working):
    tenant_id = await working.tenant()
    answer = await stub.ProvisionTenant(provision(tenant_id, reason="sign-up"))
    assert answer.started
    seen = [each.operation for each in await watched(stub, tenant_id)]
    assert state_of(seen[-1]) == "SUCCEEDED"
    assert seen[-1].percent == 100
    assert seen[-1].provision_tenant.success
    assert seen[-1].origin.reason == "sign-up"
    assert [each.percent for each in seen] == sorted(each.percent for each in seen)
    assert await working.state(tenant_id) == "ACTIVE"


async def test_done_once_it_is_not_done_again(stub, working):
    tenant_id = await working.tenant()
    await stub.ProvisionTenant(provision(tenant_id))
    await watched(stub, tenant_id)
    fault = await refused(stub.ProvisionTenant(provision(tenant_id)))
    assert (fault.reason, fault.facts["operation_id"]) == ("OPERATION_ALREADY_SUCCEEDED", operation_id(tenant_id))


async def test_two_starts_at_once_are_one_run(stub, working):
    tenant_id = await working.tenant()
    hanging = Hanging()
    working.memory.misbehave("EnsureBucket", tenant_id, hanging)
    answers = await asyncio.gather(*(stub.ProvisionTenant(provision(tenant_id)) for _ in range(5)))
    assert sum(answer.started for answer in answers) == 1
    assert len({answer.operation.run_id for answer in answers}) == 1
    await hanging.entered.wait()
    assert not (await stub.ProvisionTenant(provision(tenant_id, reason="again"))).started
    hanging.go.set()
    await watched(stub, tenant_id)
    assert working.memory.called(tenant_id).count("EnsureSchema") == 1


async def test_the_same_operation_with_another_input_is_refused(stub, working):
    tenant_id = await working.tenant()
    hanging = Hanging()
    working.memory.misbehave("EnsureBucket", tenant_id, hanging)
    await stub.ProvisionTenant(provision(tenant_id))
    await hanging.entered.wait()
    fault = await refused(stub.ProvisionTenant(provision(tenant_id, skip_steps=["welcome"])))
    assert fault.reason == "OPERATION_INPUT_DIFFERS"
    hanging.go.set()
    await watched(stub, tenant_id)


async def test_without_an_active_subscription_nothing_begins(stub, working):
    tenant_id = await working.tenant(subscribed=False)
    assert (await refused(stub.ProvisionTenant(provision(tenant_id)))).reason == "SUBSCRIPTION_NOT_ACTIVE"
    assert await working.state(tenant_id) == "PENDING_PROVISION"
    fault = await refused(stub.GetOperation(pb.GetOperationRequest(operation_id=operation_id(tenant_id))))
    assert fault.reason == "OPERATION_NOT_FOUND"


async def test_a_subscription_that_is_not_what_the_caller_believes_is_refused(stub, working):
    tenant_id = await working.tenant()
    fault = await refused(stub.ProvisionTenant(provision(tenant_id, subscription={"plan_id": str(uuid.uuid4())})))
    assert (fault.reason, fault.facts["field"]) == ("SUBSCRIPTION_MISMATCH", "plan_id")


async def test_a_tenant_that_is_none_is_refused(stub):
    assert (await refused(stub.ProvisionTenant(provision(str(uuid.uuid4()))))).reason == "TENANT_NOT_FOUND"


async def test_a_failed_operation_says_where_and_why_and_can_be_retried(stub, working):
    tenant_id = await working.tenant()
    working.memory.misbehave("EnsureRecord", tenant_id, fails_before(denied))
    await stub.ProvisionTenant(provision(tenant_id))
    failed = (await watched(stub, tenant_id))[-1].operation
    assert (state_of(failed), failed.failed_step, failed.root_cause.message) == ("FAILED", "dns_record", "No.")
    assert working.memory.left(tenant_id) == []
    assert await working.state(tenant_id) == "PROVISION_FAILED"
    again = await stub.RetryOperation(pb.RetryOperationRequest(operation_id=operation_id(tenant_id)))
    assert again.started
    assert again.operation.run_id != failed.run_id
    assert state_of((await watched(stub, tenant_id))[-1].operation) == "SUCCEEDED"
    before = await stub.GetOperation(pb.GetOperationRequest(operation_id=failed.operation_id, run_id=failed.run_id))
    assert state_of(before.operation) == "FAILED"


async def test_a_held_operation_goes_on_when_retried(stub, working):
    tenant_id = await working.tenant()
    working.memory.misbehave("EnsureDeployment", tenant_id, fails_before(denied))
    await stub.ProvisionTenant(provision(tenant_id, failure_policy=FAILURE_POLICY_HOLD))
    held = (await watched(stub, tenant_id, until={"HELD"}))[-1].operation
    assert held.failed_step == "deployment"
    await stub.RetryOperation(pb.RetryOperationRequest(operation_id=operation_id(tenant_id)))
    assert state_of((await watched(stub, tenant_id))[-1].operation) == "SUCCEEDED"


async def test_cancelling_undoes_and_says_who_and_why(stub, working):
    tenant_id = await working.tenant()
    hanging = Hanging(after_effect=True)
    working.memory.misbehave("EnsureDeployment", tenant_id, hanging)
    await stub.ProvisionTenant(provision(tenant_id))
    await hanging.entered.wait()
    for _ in range(2):
        await stub.CancelOperation(pb.CancelOperationRequest(tenant_id=tenant_id, reason="a mistake"))
    ended = (await watched(stub, tenant_id))[-1].operation
    assert (state_of(ended), ended.root_cause.facts["reason"]) == ("CANCELLED", "a mistake")
    assert (working.memory.left(tenant_id), await working.state(tenant_id)) == ([], "CANCELLED")
    await stub.CancelOperation(pb.CancelOperationRequest(tenant_id=tenant_id))
    fault = await refused(stub.RetryOperation(pb.RetryOperationRequest(operation_id=operation_id(tenant_id))))
    assert fault.reason == "OPERATION_NOT_RETRYABLE"


async def test_what_succeeded_cannot_be_cancelled(stub, working):
    tenant_id = await working.tenant()
    await stub.ProvisionTenant(provision(tenant_id))
    await watched(stub, tenant_id)
    fault = await refused(stub.CancelOperation(pb.CancelOperationRequest(tenant_id=tenant_id)))
    assert fault.reason == "OPERATION_CLOSED"


async def test_infrastructure_waits_for_an_approval(stub, working):
    tenant_id = await working.tenant(tier_pb2.TIER_SILO)
    await stub.ProvisionTenant(provision(tenant_id, require_approval=True))
    await watched(stub, tenant_id, until={"WAITING"})
    amended = await stub.AmendOperation(
        pb.AmendOperationRequest(operation_id=operation_id(tenant_id), domains=["shop.example.com"])
    )
    assert state_of(amended.operation) == "WAITING"
    await stub.ApproveOperation(
        pb.ApproveOperationRequest(
            operation_id=operation_id(tenant_id), decision=APPROVAL_DECISION_APPROVED, reason="paid"
        )
    )
    assert state_of((await watched(stub, tenant_id))[-1].operation) == "SUCCEEDED"
    assert ("Record", "shop.example.com") in working.memory.left(tenant_id)


async def test_the_plan_does_nothing(stub, working):
    tenant_id = await working.tenant()
    answer = await stub.ProvisionTenant(provision(tenant_id, validate_only=True))
    assert answer.plan.acceptable
    assert not answer.HasField("operation")
    assert working.memory.left(tenant_id) == []
    listed = await stub.ListOperations(pb.ListOperationsRequest(tenant_id=tenant_id))
    assert list(listed.operations) == []


async def test_operations_are_found_by_what_became_of_them(stub, working):
    tenant_id, other = await working.tenant(), await working.tenant()
    working.memory.misbehave("SeedSchema", tenant_id, fails_before(denied))
    for each in (tenant_id, other):
        await stub.ProvisionTenant(provision(each))
        await watched(stub, each)

    async def found(**wanted):
        request = pb.ListOperationsRequest(kinds=[OPERATION_KIND_PROVISION_TENANT], **wanted)
        return {operation.tenant_id for operation in (await stub.ListOperations(request)).operations}

    async with asyncio.timeout(30):
        while await found(states=[OPERATION_STATE_FAILED], failed_step="seed", tenant_id=tenant_id) != {tenant_id}:  # noqa: ASYNC110 - visibility tells nobody when it has caught up
            await asyncio.sleep(0.05)
    assert await found(states=[OPERATION_STATE_FAILED], tenant_id=other) == set()
    succeeded = (await stub.ListOperations(pb.ListOperationsRequest(tenant_id=other))).operations
    assert [operation.percent for operation in succeeded] == [100]


async def test_an_operation_of_another_tenant_is_not_found(stub, working):
    tenant_id, other = await working.tenant(), await working.tenant()
    await stub.ProvisionTenant(provision(tenant_id))
    request = pb.GetOperationRequest(operation_id=operation_id(tenant_id), tenant_id=other)
    assert (await refused(stub.GetOperation(request))).reason == "OPERATION_NOT_FOUND"
    await watched(stub, tenant_id)


async def test_what_is_not_built_says_so(stub):
    request = deprovision_requests_pb2.DeprovisionTenantRequest(tenant_id=str(uuid.uuid4()), reason="gone")
    fault = await refused(stub.DeprovisionTenant(request))
    assert (fault.reason, fault.facts["method"]) == ("NOT_IMPLEMENTED", "DeprovisionTenant")


async def test_health_names_what_it_depends_on_and_proves_the_path(stub):
    health = (await stub.GetHealth(examination_requests_pb2.GetHealthRequest(prove_path=True))).health
    assert health.status == Health.STATUS_SERVING
    assert {each.name for each in health.dependencies if each.reachable} == {"temporal", "tenants"}
    assert health.proof.worker_version


async def test_a_switch_stops_new_starts_and_nothing_else(working, stub):
    tenant_id, later = await working.tenant(), await working.tenant()
    hanging = Hanging()
    working.memory.misbehave("EnsureBucket", tenant_id, hanging)
    await stub.ProvisionTenant(provision(tenant_id))
    async with working.provisioning(ENABLE_PROVISIONING="false") as off:
        fault = await refused(off.ProvisionTenant(provision(later)))
        assert (fault.reason, fault.facts["setting"]) == ("STARTS_DISABLED", "ENABLE_PROVISIONING")
        hanging.go.set()
        assert state_of((await watched(off, tenant_id))[-1].operation) == "SUCCEEDED"


async def test_a_watch_goes_on_over_a_restart_of_provisioning(working):
    tenant_id = await working.tenant()
    hanging = Hanging()
    working.memory.misbehave("EnsureDeployment", tenant_id, hanging)
    async with working.provisioning() as first:
        await first.ProvisionTenant(provision(tenant_id))
        await hanging.entered.wait()
        seen = await watched(first, tenant_id, until={"RUNNING"})
    async with working.provisioning() as second:
        hanging.go.set()
        token = seen[-1].resume_token
        assert state_of((await watched(second, tenant_id, resume_token=token))[-1].operation) == "SUCCEEDED"


async def test_a_resume_token_of_another_operation_is_refused(stub, working):
    tenant_id, other = await working.tenant(), await working.tenant()
    for each in (tenant_id, other):
        await stub.ProvisionTenant(provision(each))
    token = (await watched(stub, tenant_id))[-1].resume_token
    await watched(stub, other)
    call = stub.WatchOperation(pb.WatchOperationRequest(operation_id=operation_id(other), resume_token=token))
    assert (await refused(call.read())).reason == "RESUME_TOKEN_INVALID"
