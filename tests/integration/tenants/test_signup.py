"""From a visitor to a tenant, over the wire."""

import pytest

from chassis.errors import faults_raised
from faults import Fault, Kind
from tenantmesh.tenants.v1 import lead_pb2, tenant_pb2
from tenantmesh.tenants.v1 import lead_service_pb2 as pb
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb


def application(email="ada@acme.example", **more):
    return pb.CreateLeadRequest(
        email=email,
        first_name="Ada",
        last_name="L",
        company_name="Acme",
        address={"country": "ch", "city": "Bern"},
        **more,
    )


async def test_a_visitor_becomes_a_tenant(leads, tenants):
    lead = await leads.CreateLead(application())
    verified = await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=lead.lead_id, key=lead.key))
    read = (await leads.GetLead(pb.GetLeadRequest(lead_id=lead.lead_id))).lead
    assert (read.state, read.tenant_id) == (lead_pb2.Lead.STATE_VERIFIED, "")
    made = await leads.ConvertLead(
        pb.ConvertLeadRequest(lead_id=lead.lead_id, token=verified.token, key="acme-corp", domains=["Acme.example"])
    )
    assert (made.status, made.tenant.domains, made.tenant.display_name) == (
        "PENDING_PROVISION",
        ["acme.example"],
        "Acme",
    )
    found = (await tenants.GetTenantByKey(tenant_pb.GetTenantByKeyRequest(key="acme-corp"))).tenant
    assert found == made.tenant
    found = (await tenants.GetTenantByDomain(tenant_pb.GetTenantByDomainRequest(domain="acme.example"))).tenant
    assert found.state == tenant_pb2.TENANT_STATE_PENDING_PROVISION
    page = await tenants.ListTransitions(tenant_pb.ListTransitionsRequest(tenant_id=made.tenant_id))
    assert [step.to_state for step in page.transitions] == [tenant_pb2.TENANT_STATE_PENDING_PROVISION]
    with pytest.raises(Fault) as refused, faults_raised():
        await leads.ConvertLead(
            pb.ConvertLeadRequest(lead_id=lead.lead_id, token=verified.token, key="acme-two", domains=["acme.example"])
        )
    assert (refused.value.kind, refused.value.reason) == (Kind.ALREADY_EXISTS, "LEAD_CONVERTED")
