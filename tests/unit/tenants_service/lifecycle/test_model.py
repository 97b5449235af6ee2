from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest

from faults import Conflict
from tenants_service.lifecycle.model import AT_WORK, NEXT, Move, check_operation, event_type, is_there, moved
from tenants_service.tenants.model import Failure, State, Tenant, Tier

NOW = datetime(2026, 1, 31, tzinfo=UTC)
QUARANTINE = timedelta(days=30)
S = State
# Written out a second time on purpose: this is what is promised, not what the code says.
ALLOWED = {
    (S.PENDING_PROVISION, S.PROVISIONING), (S.PENDING_PROVISION, S.CANCELLED),
    (S.PROVISIONING, S.ACTIVE), (S.PROVISIONING, S.PROVISION_FAILED), (S.PROVISIONING, S.CANCELLED),
    (S.PROVISION_FAILED, S.PROVISIONING), (S.PROVISION_FAILED, S.DEPROVISIONING),
    (S.ACTIVE, S.SUSPENDED), (S.ACTIVE, S.DEPROVISIONING),
    (S.SUSPENDED, S.ACTIVE), (S.SUSPENDED, S.DEPROVISIONING),
    (S.DEPROVISIONING, S.INACTIVE), (S.DEPROVISIONING, S.DEPROVISION_FAILED), (S.DEPROVISIONING, S.ACTIVE),
}  # fmt: skip


def tenant(state, **more):
    reason = "billing" if state is S.SUSPENDED else ""
    return Tenant(
        UUID(int=1), "acme", "Acme", Tier.POOLED, (), (), NOW, NOW, state=state, suspension_reason=reason, **more
    )


def go(before, to, **more):
    more.setdefault("suspension_reason", "billing" if S.SUSPENDED in {before.state, to} else "")
    return moved(before, Move(to, **more), now=NOW, quarantine=QUARANTINE)


@pytest.mark.parametrize(("before", "after"), list(product(State, State)), ids=lambda state: state.name)
def test_exactly_the_promised_transitions_are_allowed(before, after):
    if before is after:
        assert is_there(tenant(before), Move(after, suspension_reason="billing" if after is S.SUSPENDED else ""))
    elif (before, after) in ALLOWED:
        assert go(tenant(before), after).state is after
    else:
        with pytest.raises(Conflict) as refused:
            go(tenant(before), after)
        assert refused.value.reason == "TRANSITION_FORBIDDEN"
        assert refused.value.facts["from_state"] == before.value
        assert refused.value.facts["to_state"] == after.value


def test_every_state_has_its_row():
    assert set(NEXT) == set(State)


@pytest.mark.parametrize("reason", ["abuse", ""])
def test_only_the_same_reason_lets_in_again(reason):
    with pytest.raises(Conflict) as refused:
        go(tenant(S.SUSPENDED), S.ACTIVE, suspension_reason=reason)
    assert refused.value.reason == "SUSPENSION_REASON_MISMATCH"
    assert refused.value.facts["suspension_reason"] == "billing"
    assert go(tenant(S.SUSPENDED), S.ACTIVE).suspension_reason == ""


def test_shutting_out_again_for_another_reason_is_not_the_same():
    with pytest.raises(Conflict) as refused:
        is_there(tenant(S.SUSPENDED), Move(S.SUSPENDED, suspension_reason="abuse"))
    assert refused.value.reason == "SUSPENSION_REASON_MISMATCH"


@pytest.mark.parametrize("before", [S.ACTIVE, S.SUSPENDED, S.PROVISION_FAILED])
def test_a_protected_tenant_is_not_deprovisioned(before):
    with pytest.raises(Conflict) as refused:
        go(tenant(before, protected=True), S.DEPROVISIONING)
    assert refused.value.reason == "TENANT_PROTECTED"


def test_a_failure_stands_until_an_operation_goes_well():
    failed = go(tenant(S.PROVISIONING), S.PROVISION_FAILED, failed_step="dns", root_cause="late", operation_id="op-1")
    assert failed.failure == Failure("dns", "late", "op-1", NOW)
    again = go(failed, S.PROVISIONING, operation_id="op-2")
    assert again.failure == failed.failure
    assert go(again, S.ACTIVE, operation_id="op-2").failure is None
    assert go(again, S.CANCELLED).failure == failed.failure


def test_only_what_is_gone_rests():
    gone = go(tenant(S.DEPROVISIONING), S.INACTIVE)
    assert gone.quarantine_expire_time == NOW + QUARANTINE
    assert go(tenant(S.DEPROVISIONING), S.ACTIVE).quarantine_expire_time is None


def test_the_first_time_in_use_is_remembered():
    first = go(tenant(S.PROVISIONING), S.ACTIVE)
    assert first.activate_time == NOW
    later = moved(
        go(first, S.SUSPENDED), Move(S.ACTIVE, suspension_reason="billing"), now=NOW + QUARANTINE, quarantine=QUARANTINE
    )
    assert later.activate_time == NOW


@pytest.mark.parametrize("state", sorted(AT_WORK, key=lambda state: state.name))
def test_another_operation_is_left_alone(state):
    busy = tenant(state, operation_id="op-1")
    check_operation(busy, "op-1")
    check_operation(busy, "")
    check_operation(tenant(state), "op-2")
    with pytest.raises(Conflict) as refused:
        check_operation(busy, "op-2")
    assert (refused.value.reason, refused.value.facts["operation_id"]) == ("OPERATION_MISMATCH", "op-1")


def test_a_tenant_at_rest_is_anybodys():
    check_operation(tenant(S.ACTIVE, operation_id="op-1"), "op-2")


def test_who_begins_to_work_on_a_tenant_has_it():
    assert go(tenant(S.ACTIVE, operation_id="op-1"), S.DEPROVISIONING).operation_id == ""
    assert go(tenant(S.ACTIVE, operation_id="op-1"), S.DEPROVISIONING, operation_id="op-2").operation_id == "op-2"
    assert go(tenant(S.ACTIVE, operation_id="op-1"), S.SUSPENDED).operation_id == "op-1"


def test_transitions_have_names():
    assert event_type(S.PROVISIONING, S.ACTIVE) == "tenant.active"
    assert event_type(S.SUSPENDED, S.ACTIVE) == "tenant.resumed"
    assert event_type(S.DEPROVISIONING, S.ACTIVE) == "tenant.deprovisioning_undone"
