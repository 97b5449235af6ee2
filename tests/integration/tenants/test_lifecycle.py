"""The states of tenants, over the wire and in the database itself."""

import asyncio
from itertools import pairwise

import asyncpg
import pytest

from faults import Kind
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.tenants.v1 import tenant_pb2
from tenantmesh.tenants.v1 import tenant_service_pb2 as pb
from tenants_service.lifecycle.model import NEXT
from tenants_service.tenants.model import State

S = State
# Written out a third time on purpose: this is what is promised.
ALLOWED = {
    (S.PENDING_PROVISION, S.PROVISIONING), (S.PENDING_PROVISION, S.CANCELLED),
    (S.PROVISIONING, S.ACTIVE), (S.PROVISIONING, S.PROVISION_FAILED), (S.PROVISIONING, S.CANCELLED),
    (S.PROVISION_FAILED, S.PROVISIONING), (S.PROVISION_FAILED, S.DEPROVISIONING),
    (S.ACTIVE, S.SUSPENDED), (S.ACTIVE, S.DEPROVISIONING),
    (S.SUSPENDED, S.ACTIVE), (S.SUSPENDED, S.DEPROVISIONING),
    (S.DEPROVISIONING, S.INACTIVE), (S.DEPROVISIONING, S.DEPROVISION_FAILED), (S.DEPROVISIONING, S.ACTIVE),
}  # fmt: skip
WAY = {
    S.PENDING_PROVISION: (),
    S.PROVISIONING: ("PROVISIONING",),
    S.ACTIVE: ("PROVISIONING", "ACTIVE"),
    S.PROVISION_FAILED: ("PROVISIONING", "PROVISION_FAILED"),
    S.SUSPENDED: ("PROVISIONING", "ACTIVE", "SUSPENDED"),
    S.DEPROVISIONING: ("PROVISIONING", "ACTIVE", "DEPROVISIONING"),
    S.DEPROVISION_FAILED: ("PROVISIONING", "ACTIVE", "DEPROVISIONING", "DEPROVISION_FAILED"),
    S.INACTIVE: ("PROVISIONING", "ACTIVE", "DEPROVISIONING", "INACTIVE"),
    S.CANCELLED: ("CANCELLED",),
}


def move(tenant, state, **more):
    name = state if isinstance(state, str) else state.name
    if name.endswith("FAILED"):
        more = {"failed_step": "ensure_dns", "root_cause": "no answer", **more}
    if "SUSPENDED" in {name, tenant_pb2.TenantState.Name(tenant.state).removeprefix("TENANT_STATE_")}:
        more = {"suspension_reason": "billing", **more}
    return pb.TransitionTenantRequest(tenant_id=tenant.tenant_id, state=f"TENANT_STATE_{name}", **more)


async def read(tenants, tenant):
    return (await tenants.GetTenant(pb.GetTenantRequest(tenant_id=tenant.tenant_id))).tenant


async def history(tenants, tenant):
    page = await tenants.ListTransitions(pb.ListTransitionsRequest(tenant_id=tenant.tenant_id))
    return list(page.transitions)


@pytest.mark.parametrize("before", State, ids=lambda state: state.name)
async def test_exactly_the_promised_transitions_are_allowed(tenants, made, refused, before):
    for after in State:
        tenant = await made(*WAY[before])
        if before is after:
            answer = await tenants.TransitionTenant(move(tenant, after))
            assert (answer.changed, answer.tenant) == (False, tenant)
        elif (before, after) in ALLOWED:
            answer = await tenants.TransitionTenant(move(tenant, after))
            assert (answer.changed, answer.tenant.state) == (
                True,
                tenant_pb2.TenantState.Value(f"TENANT_STATE_{after.name}"),
            )
            assert len(await history(tenants, tenant)) == len(WAY[before]) + 2
        else:
            facts = {"from_state": before.name, "to_state": after.name, "tenant_id": tenant.tenant_id}
            with refused("TRANSITION_FORBIDDEN", Kind.CONFLICT, **facts):
                await tenants.TransitionTenant(move(tenant, after))
            assert await read(tenants, tenant) == tenant


async def test_the_database_has_the_same_table_and_holds_it(admin, made):
    rows = await admin.fetch("SELECT from_state, to_state FROM tenant_state_changes")
    assert {(State[row["from_state"]], State[row["to_state"]]) for row in rows} == ALLOWED
    assert {(before, after) for before, following in NEXT.items() for after in following} == ALLOWED
    for before in State:
        tenant = await made(*WAY[before])
        for after in set(State) - {before}:
            change = admin.execute(
                "UPDATE tenants SET state = $2, failure = coalesce(failure, '{}'),"
                " suspension_reason = CASE WHEN $2 = 'SUSPENDED' THEN 'billing' ELSE '' END,"
                " quarantine_expire_time = CASE WHEN $2 = 'INACTIVE' THEN now() END WHERE tenant_id = $1",
                tenant.tenant_id,
                after.name,
            )
            transaction = admin.transaction()
            await transaction.start()
            try:
                if (before, after) in ALLOWED:
                    await change
                else:
                    with pytest.raises(asyncpg.CheckViolationError) as broken:
                        await change
                    assert broken.value.constraint_name == "tenants_state_change"
            finally:
                await transaction.rollback()


async def test_a_tenant_begins_at_the_beginning(admin, made):
    tenant = await made()
    for state in set(State) - {S.PENDING_PROVISION}:
        with pytest.raises(asyncpg.CheckViolationError):
            await admin.execute(
                "INSERT INTO tenants SELECT (jsonb_populate_record(t, jsonb_build_object("
                "'tenant_id', uuidv7(), 'state', $2::text))).* FROM tenants AS t WHERE tenant_id = $1",
                tenant.tenant_id,
                state.name,
            )


async def test_history_says_who_took_the_tenant_where_and_why(tenants, made):
    tenant = await made()
    await tenants.TransitionTenant(move(tenant, "PROVISIONING", operation_id="op-1", reason="signed up"))
    await tenants.TransitionTenant(move(tenant, "PROVISION_FAILED", operation_id="op-1"))
    await tenants.TransitionTenant(move(tenant, "PROVISIONING", operation_id="op-2", reason="again"))
    await tenants.TransitionTenant(move(tenant, "ACTIVE", operation_id="op-2"))
    first, begun, failed, again, active = await history(tenants, tenant)
    assert [step.sequence for step in (first, begun, failed, again, active)] == [1, 2, 3, 4, 5]
    assert (first.from_state, first.to_state) == (0, tenant_pb2.TENANT_STATE_PENDING_PROVISION)
    assert (begun.reason, begun.operation_id, begun.principal) == ("signed up", "op-1", "development")
    assert (failed.failure.failed_step, failed.failure.root_cause) == ("ensure_dns", "no answer")
    assert not again.HasField("failure")
    assert active.create_time.ToNanoseconds() > first.create_time.ToNanoseconds()
    page = await tenants.ListTransitions(pb.ListTransitionsRequest(tenant_id=tenant.tenant_id, page_size=2))
    rest = await tenants.ListTransitions(
        pb.ListTransitionsRequest(tenant_id=tenant.tenant_id, page_token=page.next_page_token)
    )
    assert [*page.transitions, *rest.transitions] == [first, begun, failed, again, active]


async def test_a_failure_stands_on_the_tenant_until_an_operation_goes_well(tenants, made):
    tenant = await made(*WAY[S.PROVISIONING])
    failed = (await tenants.TransitionTenant(move(tenant, "PROVISION_FAILED", operation_id="op-1"))).tenant
    assert (failed.failure.failed_step, failed.failure.operation_id) == ("ensure_dns", "op-1")
    again = (await tenants.TransitionTenant(move(tenant, "PROVISIONING"))).tenant
    assert again.failure == failed.failure
    assert not (await tenants.TransitionTenant(move(tenant, "ACTIVE"))).tenant.HasField("failure")


async def test_a_late_word_does_not_undo_what_came_after(tenants, made, refused):
    tenant = await made(*WAY[S.ACTIVE])
    with refused("TRANSITION_FORBIDDEN", Kind.CONFLICT, from_state="ACTIVE", to_state="PROVISIONING"):
        await tenants.TransitionTenant(move(tenant, "PROVISIONING"))


async def test_a_stale_writer_loses(tenants, made, refused):
    tenant = await made()
    now = (await tenants.TransitionTenant(move(tenant, "PROVISIONING", etag=tenant.etag))).tenant
    with refused("ETAG_MISMATCH", Kind.ABORTED, etag=now.etag):
        await tenants.TransitionTenant(move(tenant, "CANCELLED", etag=tenant.etag))
    # Repeating what is so already is no write, so nobody can lose by it.
    assert not (await tenants.TransitionTenant(move(tenant, "PROVISIONING", etag=tenant.etag))).changed


async def test_of_many_at_once_one_takes_it_away(tenants, made):
    tenant = await made(*WAY[S.PROVISIONING])
    ways = [move(tenant, state) for state in ("ACTIVE", "PROVISION_FAILED", "CANCELLED")]
    answers = await asyncio.gather(*map(tenants.TransitionTenant, ways), return_exceptions=True)
    assert sum(isinstance(answer, pb.TransitionTenantResponse) for answer in answers) == 1
    assert len(await history(tenants, tenant)) == 3


async def test_only_the_same_reason_lets_in_again(tenants, made, refused):
    tenant = await made(*WAY[S.SUSPENDED])
    assert tenant.suspension_reason == "billing"
    for state in ("ACTIVE", "SUSPENDED"):
        with refused("SUSPENSION_REASON_MISMATCH", Kind.CONFLICT, suspension_reason="billing"):
            await tenants.TransitionTenant(move(tenant, state, suspension_reason="abuse"))
    assert (await tenants.TransitionTenant(move(tenant, "ACTIVE"))).tenant.suspension_reason == ""


async def test_another_operation_leaves_the_tenant_alone(tenants, made, refused):
    tenant = await made()
    await tenants.TransitionTenant(move(tenant, "PROVISIONING", operation_id="op-1"))
    for state in ("ACTIVE", "PROVISIONING"):
        with refused("OPERATION_MISMATCH", Kind.CONFLICT, operation_id="op-1"):
            await tenants.TransitionTenant(move(tenant, state, operation_id="op-2"))
    assert (await tenants.TransitionTenant(move(tenant, "ACTIVE", operation_id="op-1"))).tenant.operation_id == "op-1"
    busy = (await tenants.TransitionTenant(move(tenant, "DEPROVISIONING", operation_id="op-2"))).tenant
    assert busy.operation_id == "op-2"


@pytest.mark.parametrize("state", [S.ACTIVE, S.SUSPENDED, S.PROVISION_FAILED], ids=lambda state: state.name)
async def test_a_protected_tenant_is_not_deprovisioned(tenants, made, refused, admin, state):
    tenant = await made(*WAY[state], protected=True)
    with refused("TENANT_PROTECTED", Kind.CONFLICT, tenant_id=tenant.tenant_id):
        await tenants.TransitionTenant(move(tenant, "DEPROVISIONING"))
    with pytest.raises(asyncpg.CheckViolationError):
        await admin.execute(
            "UPDATE tenants SET state = 'DEPROVISIONING', suspension_reason = '' WHERE tenant_id = $1", tenant.tenant_id
        )


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"state": "TENANT_STATE_SUSPENDED"}, "transition.suspension_reason"),
        ({"state": "TENANT_STATE_PROVISION_FAILED"}, "transition.failure"),
        ({"state": "TENANT_STATE_PROVISION_FAILED", "failed_step": "dns"}, "transition.failure"),
        ({"state": "TENANT_STATE_ACTIVE", "root_cause": "none"}, "transition.failure"),
        ({}, "enum.not_in"),
        ({"state": 99}, "enum.defined_only"),
    ],
)
async def test_a_transition_says_what_belongs_to_it(tenants, made, refused, more, rule):
    tenant = await made()
    with refused("REQUEST_INVALID", Kind.INVALID) as bad:
        await tenants.TransitionTenant(pb.TransitionTenantRequest(tenant_id=tenant.tenant_id, **more))
    assert [violation.rule for violation in bad.fault.violations] == [rule]


async def test_a_tier_is_recorded_by_the_operation_that_moved_the_tenant(tenants, made, refused):
    tenant = await made(*WAY[S.ACTIVE])
    request = pb.RecordTenantTierRequest(tenant_id=tenant.tenant_id, tier="TIER_SILO", operation_id="change-1")
    moved = (await tenants.RecordTenantTier(request)).tenant
    assert (moved.tier, moved.operation_id) == (tier_pb2.TIER_SILO, "change-1")
    assert (await tenants.RecordTenantTier(request)).tenant == moved
    request.tier, request.etag = tier_pb2.TIER_BRIDGE, "0"
    with refused("ETAG_MISMATCH", Kind.ABORTED):
        await tenants.RecordTenantTier(request)
    pending = await made()
    with refused("TENANT_STATE_FORBIDS", Kind.CONFLICT, allowed_states="ACTIVE,PROVISIONING,SUSPENDED"):
        await tenants.RecordTenantTier(
            pb.RecordTenantTierRequest(tenant_id=pending.tenant_id, tier="TIER_SILO", operation_id="change-1")
        )
    busy = await made()
    await tenants.TransitionTenant(move(busy, "PROVISIONING", operation_id="op-1"))
    with refused("OPERATION_MISMATCH", Kind.CONFLICT):
        await tenants.RecordTenantTier(
            pb.RecordTenantTierRequest(tenant_id=busy.tenant_id, tier="TIER_SILO", operation_id="op-2")
        )


def test_the_way_to_every_state_is_one_that_is_allowed():
    for state, way in WAY.items():
        steps = [S.PENDING_PROVISION, *(S[name] for name in way)]
        assert steps[-1] is state
        assert all(step in ALLOWED for step in pairwise(steps))
