"""Limits hold over all replicas, and count what is refused too."""

from datetime import timedelta
from uuid import uuid4

from faults import Kind
from tenantmesh.tenants.v1 import lead_service_pb2 as pb
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb
from tenants_service.limits.store import sweep

SETTINGS = {
    "LEAD_LIMIT_NETWORK": "6",
    "LEAD_LIMIT_EMAIL": "3",
    "LEAD_LIMIT_TRIES": "4",
    "TENANT_KEY_LIMIT_NETWORK": "5",
    "TRUSTED_PROXIES": "127.0.0.0/8",
}


def at(network):
    """The metadata of a call that came through the gateway."""
    return (("x-forwarded-for", f"203.0.113.250, {network}"),)


async def test_one_address_gets_so_many_keys(leads, guarded, application, clock, refused):
    request = application()
    await leads.CreateLead(request)
    lead = await guarded.leads.CreateLead(request)  # another replica counts on
    await leads.ResendLeadKey(pb.ResendLeadKeyRequest(lead_id=lead.lead_id))
    with refused("RATE_LIMITED", Kind.EXHAUSTED, limit="email") as late:
        await guarded.leads.CreateLead(request)
    assert timedelta(minutes=19) < late.fault.retry_after <= timedelta(minutes=20)
    with refused("RATE_LIMITED", Kind.EXHAUSTED, limit="email"):
        await leads.ResendLeadKey(pb.ResendLeadKeyRequest(lead_id=lead.lead_id))
    clock.forward(minutes=20, seconds=1)
    await leads.CreateLead(request)
    with refused("RATE_LIMITED", Kind.EXHAUSTED):
        await leads.CreateLead(request)


async def test_what_was_answered_is_answered_again_past_the_limit(leads, application, refused):
    request = application(request_id=str(uuid4()))
    first = await leads.CreateLead(request)
    renew = pb.ResendLeadKeyRequest(lead_id=first.lead_id, request_id=str(uuid4()))
    renewed = await leads.ResendLeadKey(renew)
    for _ in range(3):
        assert await leads.CreateLead(request) == first
        assert await leads.ResendLeadKey(renew) == renewed
    verify = pb.VerifyLeadRequest(lead_id=first.lead_id, key=renewed.key, request_id=str(uuid4()))
    verified = await leads.VerifyLead(verify)
    for _ in range(5):
        assert await leads.VerifyLead(verify) == verified
    request.request_id = renew.request_id = verify.request_id = str(uuid4())
    for new in (leads.CreateLead(request), leads.ResendLeadKey(renew), leads.VerifyLead(verify)):
        with refused("RATE_LIMITED", Kind.EXHAUSTED):
            await new


async def test_every_wrong_key_counts(leads, application, refused):
    lead = await leads.CreateLead(application())
    for _ in range(4):
        with refused("LEAD_KEY_INVALID", Kind.UNAUTHENTICATED):
            await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=lead.lead_id, key="wrong"))
    with refused("RATE_LIMITED", Kind.EXHAUSTED, limit="lead"):
        await leads.VerifyLead(pb.VerifyLeadRequest(lead_id=lead.lead_id, key=lead.key))


async def test_one_network_gets_so_many_leads(guarded, application, refused):
    for number in range(6):
        await guarded.leads.CreateLead(application(), metadata=at(f"2001:db8::{number}"))  # one subscriber
    with refused("RATE_LIMITED", Kind.EXHAUSTED, limit="network"):
        await guarded.leads.CreateLead(application(), metadata=at("2001:db8::ffff"))
    await guarded.leads.CreateLead(application(), metadata=at("2001:db8:0:1::1"))


async def test_trying_keys_counts_for_the_network_too(guarded, application, refused):
    leads = [await guarded.leads.CreateLead(application(), metadata=at("192.0.2.1")) for _ in range(2)]
    for lead in leads * 2:
        with refused("LEAD_KEY_INVALID", Kind.UNAUTHENTICATED):
            await guarded.leads.VerifyLead(
                pb.VerifyLeadRequest(lead_id=lead.lead_id, key="wrong"), metadata=at("192.0.2.1")
            )
    with refused("RATE_LIMITED", Kind.EXHAUSTED, limit="network"):
        await guarded.leads.VerifyLead(
            pb.VerifyLeadRequest(lead_id=leads[0].lead_id, key="wrong"), metadata=at("192.0.2.1")
        )


async def test_who_speaks_for_many_visitors_is_not_one_of_them(guarded, application, bearer):
    for _ in range(8):
        metadata = (*bearer("tenants.lead_keys.read"), *at("192.0.2.77"))
        await guarded.leads.CreateLead(application(), metadata=metadata)


async def test_keys_cannot_be_tried_through(guarded, refused):
    for _ in range(5):
        await guarded.tenants.CheckTenantKey(tenant_pb.CheckTenantKeyRequest(key="acme"), metadata=at("192.0.2.50"))
    with refused("RATE_LIMITED", Kind.EXHAUSTED, limit="network"):
        await guarded.tenants.CheckTenantKey(tenant_pb.CheckTenantKeyRequest(key="acme"), metadata=at("192.0.2.50"))
    await guarded.tenants.CheckTenantKey(tenant_pb.CheckTenantKeyRequest(key="acme"), metadata=at("192.0.2.51"))


async def test_what_is_paid_off_is_forgotten(guarded, application, records, admin, clock):
    await guarded.leads.CreateLead(application(), metadata=at("192.0.2.60"))
    assert await admin.fetchval("SELECT count(*) FROM rate_limits")
    async with records.of_mesh() as tx:
        assert await sweep(tx, clock() + timedelta(hours=2), 1000)
    assert not await admin.fetchval("SELECT count(*) FROM rate_limits")
