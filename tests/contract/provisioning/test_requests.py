import protovalidate
import pytest
from google.protobuf import json_format

from tenantmesh.provisioning.v1 import (
    operation_requests_pb2,
    organization_requests_pb2,
    provision_tenant_pb2,
    subscription_pb2,
    tenant_requests_pb2,
)

TENANT = "01890a5d-ac96-774b-bcce-b302099a8057"
PLAN = "5b1c1a3e-4c55-4a63-9f0e-2f4b8f3a7c10"
OPERATION = f"provision-tenant-{TENANT}"


def broken_rules(message):
    try:
        protovalidate.validate(message)
    except protovalidate.ValidationError as error:
        return [violation.proto.rule_id for violation in error.violations]
    return []


def test_provisioning_takes_a_subscription_as_other_systems_write_it():
    body = {
        "id": "8d3c2f6a-0e0c-4bb5-8a3e-0f6f6d1f2b11",
        "subscriberId": TENANT,
        "planId": PLAN,
        "startDate": "2025-01-01T00:00:00Z",
        "endDate": "2026-01-01T00:00:00Z",
        "status": 1,
        "plan": {"id": PLAN, "name": "Enterprise Plan", "tier": "enterprise"},
    }
    subscription = json_format.ParseDict(body, subscription_pb2.Subscription())
    assert broken_rules(tenant_requests_pb2.ProvisionTenantRequest(tenant_id=TENANT, subscription=subscription)) == []
    assert subscription.status == subscription_pb2.SUBSCRIPTION_STATUS_ACTIVE
    assert json_format.MessageToDict(subscription) == {**body, "status": "SUBSCRIPTION_STATUS_ACTIVE"}


def test_provisioning_takes_no_subscription_at_all():
    assert broken_rules(tenant_requests_pb2.ProvisionTenantRequest(tenant_id=TENANT)) == []


def test_the_result_of_provisioning_has_the_names_its_callers_know():
    names = [field.json_name for field in provision_tenant_pb2.ProvisionTenantResult.DESCRIPTOR.fields[:13]]
    assert names == [
        "success",
        "tenantId",
        "workflowId",
        "appPlaneUrl",
        "adminPortalUrl",
        "resources",
        "idpOrganizationId",
        "idpClientId",
        "schemaName",
        "storageBucket",
        "error",
        "failedStep",
        "compensationExecuted",
    ]


def test_the_status_of_provisioning_has_the_names_its_callers_know():
    names = [field.json_name for field in operation_requests_pb2.GetProvisioningStatusResponse.DESCRIPTOR.fields[:3]]
    assert names == ["step", "progress", "details"]


@pytest.mark.parametrize("named", [{"tenant_id": TENANT}, {"operation_id": OPERATION}])
def test_a_cancellation_names_an_operation_or_a_tenant(named):
    assert broken_rules(operation_requests_pb2.CancelOperationRequest(**named)) == []
    assert broken_rules(operation_requests_pb2.CancelOperationRequest()) == ["operation.named"]


def person(name, **more):
    return {"email": f"{name}@example.com", "first_name": name.title(), "last_name": "Doe", **more}


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({}, ["amendment.given"]),
        ({"reason": "a reason changes nothing"}, ["amendment.given"]),
        ({"skip_steps": ["welcome"]}, []),
        ({"domains": ["example.com"]}, []),
        ({"contacts": [person("ann", primary=True), person("bob")]}, []),
        ({"contacts": [person("ann"), person("bob")]}, ["contacts.primary"]),
        ({"contacts": [person("ann", primary=True), person("bob", primary=True)]}, ["contacts.primary"]),
    ],
)
def test_an_amendment_changes_something_and_keeps_one_primary_contact(change, broken):
    request = operation_requests_pb2.AmendOperationRequest(operation_id=OPERATION, **change)
    assert broken_rules(request) == broken


@pytest.mark.parametrize(("roles", "broken"), [(["member", "admin"], []), (["member"], ["invitees.admin"])])
def test_somebody_who_is_invited_first_is_an_admin(roles, broken):
    invitees = [{"email": f"{role}@example.com", "role": role} for role in roles]
    request = organization_requests_pb2.BootstrapOrganizationRequest(tenant_id=TENANT, invitees=invitees)
    assert broken_rules(request) == broken


@pytest.mark.parametrize(
    "request_of", [tenant_requests_pb2.SuspendTenantRequest, tenant_requests_pb2.ResumeTenantRequest]
)
@pytest.mark.parametrize(
    ("reason", "broken"), [("billing", []), ("deprovisioning", ["string.not_in"]), ("", ["string.pattern"])]
)
def test_a_suspension_has_a_reason_that_is_not_deprovisioning(request_of, reason, broken):
    assert broken_rules(request_of(tenant_id=TENANT, reason="they asked", suspension_reason=reason)) == broken
