"""Between the messages about leads and the words of the domain. Pure, both ways."""

from __future__ import annotations

from tenantmesh.tenants.v1 import lead_pb2
from tenantmesh.tenants.v1 import lead_service_pb2 as pb
from tenants_service.leads.model import Application, Lead
from tenants_service.leads.service import Conversion
from tenants_service.signing.model import base64url, key_id_of
from tenants_service.tenants.model import Tenant
from tenants_service.tenants.translate import tenant_to
from tenants_service.translate import (
    address_from,
    address_to,
    contacts_from,
    domains_from,
    email_from,
    id_to,
    text_from,
    time_to,
)


def application_from(request: pb.CreateLeadRequest) -> Application:
    """Who asks for a tenant."""
    return Application(
        email=email_from(request.email, "email"),
        first_name=text_from(request.first_name, "first_name"),
        last_name=text_from(request.last_name, "last_name"),
        company_name=text_from(request.company_name, "company_name"),
        address=address_from(request.address),
    )


def conversion_from(request: pb.ConvertLeadRequest) -> Conversion:
    """Which tenant to make of a lead."""
    return Conversion(
        key=request.key,
        domains=domains_from(request.domains),
        display_name=text_from(request.display_name, "display_name") if request.display_name else "",
        address=address_from(request.address) if request.HasField("address") else None,
        contacts=contacts_from(request.contacts),
    )


def lead_to(lead: Lead) -> lead_pb2.Lead:
    """A lead as callers see it."""
    return lead_pb2.Lead(
        lead_id=str(lead.lead_id),
        email=lead.email,
        first_name=lead.first_name,
        last_name=lead.last_name,
        company_name=lead.company_name,
        address=address_to(lead.address),
        state=lead_pb2.Lead.State.Value(f"STATE_{lead.state.name}"),
        tenant_id=id_to(lead.converted_tenant_id),
        create_time=time_to(lead.create_time),
        update_time=time_to(lead.update_time),
        verify_time=time_to(lead.verify_time),
        convert_time=time_to(lead.convert_time),
        key_expire_time=time_to(lead.key.expire_time if lead.key else None),
    )


def converted_to(tenant: Tenant) -> pb.ConvertLeadResponse:
    """The tenant that was made of a lead."""
    return pb.ConvertLeadResponse(
        tenant_id=str(tenant.tenant_id), key=tenant.key, status=tenant.state.name, tenant=tenant_to(tenant)
    )


def jwk_of(public: bytes) -> pb.SigningKey:
    """The public half of a signing key, as a JSON Web Key."""
    return pb.SigningKey(kty="OKP", use="sig", alg="EdDSA", kid=key_id_of(public), crv="Ed25519", x=base64url(public))
