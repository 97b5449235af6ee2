import pytest

from faults import Conflict, Fault, NotFound, Unavailable
from provisioning_service import model
from tenantmesh.provisioning.v1.operation_pb2 import OperationKind

TENANT = "01890A5D-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize("kind", model.KINDS.values(), ids=lambda kind: kind.name)
def test_every_kind_is_one_of_the_contract(kind):
    assert OperationKind.Value(f"OPERATION_KIND_{kind.name}")
    assert model.OF_WORKFLOW[kind.workflow] is kind


def test_an_operation_is_called_after_its_tenant_however_that_is_written():
    assert model.PROVISION.operation_id(TENANT) == f"provision-tenant-{TENANT.lower()}"


def test_a_switch_stops_what_it_is_about_and_nothing_else():
    switch = model.Switch("ENABLE_PROVISIONING", enabled=False, kinds=frozenset({"PROVISION_TENANT"}))
    with pytest.raises(Conflict) as caught:
        switch.check(model.PROVISION)
    assert caught.value.facts == {"setting": "ENABLE_PROVISIONING", "kind": "PROVISION_TENANT"}
    switch.check(model.KINDS["EXPORT_TENANT"])
    model.Switch("ENABLE_PROVISIONING", enabled=True, kinds=switch.kinds).check(model.PROVISION)


def test_what_is_not_built_says_so():
    with pytest.raises(Fault) as caught:
        model.check_built(model.KINDS["CHANGE_TIER"])
    assert caught.value.reason == "NOT_IMPLEMENTED"
    model.check_built(model.PROVISION)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (Conflict("", reason="OPERATION_MISMATCH"), "OPERATION_CONFLICT"),
        (Conflict("", reason="OUTBOX_ENTRY_DIFFERS"), "OPERATION_INPUT_DIFFERS"),
        (NotFound("", reason="SUBSCRIPTION_NOT_FOUND"), "SUBSCRIPTION_NOT_ACTIVE"),
        (Conflict("", reason="TENANT_STATE_FORBIDS"), "TENANT_STATE_FORBIDS"),
    ],
)
def test_what_the_records_refuse_gets_a_reason_of_this_service(theirs, ours):
    retold = model.retold(theirs, model.PROVISION)
    assert (retold.reason, retold.domain, retold.facts["kind"]) == (ours, "", "PROVISION_TENANT")


def test_what_is_no_refusal_is_told_as_it_is():
    away = Unavailable("", reason="DEPENDENCY_UNAVAILABLE")
    assert model.retold(away, model.PROVISION) is away
