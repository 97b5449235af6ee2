"""What every table must keep to, whichever operation it is of."""

import uuid

import protovalidate
import pytest

from tenantmesh.common.v1 import tier_pb2
from tenantmesh.provisioning.v1.installation_pb2 import Installation
from tenantmesh.provisioning.v1.provision_tenant_pb2 import ProvisionTenantInput
from tenantmesh.provisioning.v1.provisioned_resource_pb2 import SYSTEM_STORAGE
from tenantmesh.tenants.v1.tenant_pb2 import Tenant
from worker_service.operation.run import Run
from worker_service.requests import platform
from worker_service.tables import provision_tenant

TABLES = {"provision_tenant": provision_tenant.STEPS}
STEPS = [pytest.param(steps, step, id=f"{name}-{step.name}") for name, steps in TABLES.items() for step in steps]

ALONE = [pytest.param(each.values[1], id=each.id) for each in STEPS]


@pytest.fixture
def run():
    contact = {"first_name": "Ada", "last_name": "Lovelace", "email": "ada@acme.example", "primary": True}
    installation = Installation(zone="mesh.example", dns_targets=["192.0.2.1"], app="shop", admin_role="admin")
    request = ProvisionTenantInput(tenant_id=str(uuid.uuid4()), installation=installation)
    tenant = Tenant(
        tenant_id=request.tenant_id, key="acme", display_name="Acme", tier=tier_pb2.TIER_SILO, contacts=[contact]
    )
    one = Run(f"provision-tenant-{request.tenant_id}", str(uuid.uuid4()), request, tenant=tenant)
    one.failed_step, one.root_cause = "schema", "No."
    one.record(SYSTEM_STORAGE, "bucket", "memory", "acme")
    one.made.admin_user_id = "user-1"
    platform.name_hosts(one)
    return one


@pytest.mark.parametrize(("steps", "step"), STEPS)
def test_a_step_waits_only_for_steps_before_it(steps, step):
    before = [each.name for each in steps[: steps.index(step)]]
    assert set(step.after) <= set(before)


@pytest.mark.parametrize("step", ALONE)
def test_what_is_made_can_be_undone_and_found(step):
    if step.undo:
        assert step.thing is not None


@pytest.mark.parametrize(("steps", "step"), STEPS)
def test_what_goes_with_another_step_goes_with_one_that_is_undone(steps, step):
    if step.goes_with:
        assert next(each for each in steps if each.name == step.goes_with).undo


@pytest.mark.parametrize("step", ALONE)
def test_every_request_is_one_the_contract_takes(step, run):
    for call in (step.do, *step.undo, step.back):
        if call is None:
            continue
        asked = call.requests(run)
        for request in asked if isinstance(asked, list) else [asked]:
            protovalidate.validate(request)


@pytest.mark.parametrize(
    ("target", "kind"), [("192.0.2.1", "A"), ("2001:db8::1", "AAAA"), ("edge.mesh.example", "CNAME")]
)
def test_the_kind_of_record_follows_from_where_it_points(run, target, kind):
    run.input.installation.dns_targets[0] = target
    (request,) = platform.records(run)
    assert (
        request.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[request.type].name == f"RECORD_TYPE_{kind}"
    )
