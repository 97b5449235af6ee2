"""Services that believe the tokens of leads: they know who it is, and let nobody in by that alone."""

import json
from dataclasses import replace

import grpc
import pytest_asyncio
from google.protobuf.json_format import MessageToDict

from chassis import AuthSettings, running
from faults import Kind
from tenantmesh.tenants.v1 import lead_service_pb2 as pb
from tenantmesh.tenants.v1 import lead_service_pb2_grpc as rpc
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb
from tenantmesh.tenants.v1 import tenant_service_pb2_grpc as tenant_rpc
from tenants_service import app

ISSUER = "tenants.tenantmesh"


@pytest_asyncio.fixture
async def trusting(settings, opened, leads, tmp_path):
    """A channel to a service whose tokens are those of leads, verified by the published keys."""
    answer = await leads.GetSigningKeys(pb.GetSigningKeysRequest())
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps(MessageToDict(answer, preserving_proto_field_name=True)))
    auth = AuthSettings(jwks=str(jwks), issuer=ISSUER, audience=ISSUER)
    servicers = app.servicers(settings, *opened)
    async with (
        running("tenants", servicers=servicers, settings=replace(settings.server, auth=auth)) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        yield channel


async def test_a_leads_token_opens_nothing_but_the_leads_own_conversion(sign_up, trusting, refused):
    lead, other = await sign_up(), await sign_up()
    leads, tenants = rpc.LeadServiceStub(trusting), tenant_rpc.TenantServiceStub(trusting)
    bearer = (("authorization", f"Bearer {lead.token}"),)
    for call, request in (
        (leads.ListLeads, pb.ListLeadsRequest()),
        (leads.GetLead, pb.GetLeadRequest(lead_id=lead.lead_id)),
        (tenants.ListTenants, tenant_pb.ListTenantsRequest()),
        (tenants.GetTenantByKey, tenant_pb.GetTenantByKeyRequest(key="acme")),
    ):
        with refused("PERMISSION_MISSING", Kind.DENIED, principal=f"lead:{lead.lead_id}"):
            await call(request, metadata=bearer)
    foreign = pb.ConvertLeadRequest(lead_id=other.lead_id, key="not-mine", domains=[other.domain])
    with refused("LEAD_TOKEN_OF_ANOTHER", Kind.DENIED):
        await leads.ConvertLead(foreign, metadata=bearer)
    own = pb.ConvertLeadRequest(lead_id=lead.lead_id, key="the-one-thing", domains=[lead.domain])
    assert (await leads.ConvertLead(own, metadata=bearer)).status == "PENDING_PROVISION"
