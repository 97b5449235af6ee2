"""Every text field of every request, with what does harm elsewhere: it is kept as it is, or refused with a reason."""

from collections.abc import Iterator
from uuid import uuid4

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor

from chassis.errors import fault_of
from faults import Kind
from tenantmesh.tenants.v1 import catalog_service_pb2 as catalog_pb
from tenantmesh.tenants.v1 import lead_service_pb2 as lead_pb
from tenantmesh.tenants.v1 import outbox_service_pb2 as outbox_pb
from tenantmesh.tenants.v1 import subscription_service_pb2 as subscription_pb
from tenantmesh.tenants.v1 import tenant_pb2
from tenantmesh.tenants.v1 import tenant_service_pb2 as pb

HARM = [
    "'; DROP TABLE tenants; --",
    '" OR "1"="1',
    "\\'; SELECT pg_sleep(10); --",
    "$1::text; --",
    "%s %d {0} ${jndi:ldap://x}",
    "a\x00b",
    "\x00",
    "\u202e\u200b\ufeff",
    "\U0001f4a9" * 50,
    "x" * 300,
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "a\r\nBcc: eve@evil.example",
]
PERSON = {"first_name": "A", "last_name": "B", "email": "a@b.example", "phone": "1", "title": "C", "primary": True}
ADDRESS = {"country": "CH", "address": "1", "city": "2", "state": "3", "zip": "4"}
FIELDS = {
    "display_name": "D",
    "contacts": [PERSON],
    "domains": ["b.example"],
    "address": ADDRESS,
    "branding": {
        "logo_uri": "https://x.example/l", "icon_uri": "https://x.example/i", "primary_color": "#000000",
        "secondary_color": "#000000", "locale": "de",
    },
    "metadata": {"k": "v"},
    "tags": ["t"],
}  # fmt: skip
PLAN = {
    "key": "k", "display_name": "D", "description": "E", "currency": "EUR", "features": {"k": "v"},
    "quotas": [{"name": "users", "reset_period": "RESET_PERIOD_NEVER"}],
}  # fmt: skip
NAME = {"tenant_id": str(uuid4()), "etag": ""}
ONE = {"subscription_id": str(uuid4()), "request_id": ""}
ENTRY = {"tenant_id": str(uuid4()), "outbox_entry_id": str(uuid4())}
REQUESTS = [
    lead_pb.CreateLeadRequest(email="a@b.example", first_name="A", last_name="B", company_name="C", address=ADDRESS),
    lead_pb.ResendLeadKeyRequest(lead_id=str(uuid4())),
    lead_pb.VerifyLeadRequest(lead_id=str(uuid4()), key="k"),
    lead_pb.ConvertLeadRequest(
        lead_id=str(uuid4()), token="t", key="k-k", display_name="D", domains=["b.example"], address=ADDRESS,
        contacts=[{**PERSON, "primary": False}],
    ),
    lead_pb.GetLeadRequest(lead_id=str(uuid4())),
    lead_pb.ListLeadsRequest(filter='email = "a"', page_token="t"),
    pb.CreateTenantRequest(key="k-k", tier="TIER_POOLED", tenant_id=str(uuid4()), parent_tenant_id="", **FIELDS),
    pb.GetTenantRequest(tenant_id=str(uuid4())),
    pb.GetTenantByKeyRequest(key="k-k"),
    pb.GetTenantByDomainRequest(domain="b.example"),
    pb.CheckTenantKeyRequest(key="k"),
    pb.ListTenantsRequest(filter='key = "a"', order_by="key", page_token="t"),
    pb.UpdateTenantRequest(**NAME, tenant=FIELDS, update_mask={"paths": ["tags"]}),
    pb.RecordTenantTierRequest(**NAME, tier="TIER_SILO", operation_id="op-1"),
    pb.TransitionTenantRequest(
        **NAME, state="TENANT_STATE_SUSPENDED", reason="r", suspension_reason="s", operation_id="op-1"
    ),
    pb.ListTransitionsRequest(tenant_id=str(uuid4()), page_token="t"),
    pb.SetTenantProtectionRequest(**NAME, protected=True, reason="r"),
    pb.DeleteTenantRequest(**NAME),
    pb.RestoreTenantRequest(**NAME),
    catalog_pb.CreatePlanRequest(tier="TIER_POOLED", billing_cycle="BILLING_CYCLE_ONCE", **PLAN),
    catalog_pb.GetPlanRequest(plan_id=str(uuid4())),
    catalog_pb.ListPlansRequest(page_token="t"),
    catalog_pb.UpdatePlanRequest(plan_id=str(uuid4()), plan=PLAN, update_mask={"paths": ["features"]}, etag="1"),
    catalog_pb.ArchivePlanRequest(plan_id=str(uuid4()), etag="1"),
    subscription_pb.CreateSubscriptionRequest(plan_id=str(uuid4()), external_reference="x", tenant_id=str(uuid4())),
    subscription_pb.GetSubscriptionRequest(tenant_id=str(uuid4()), subscription_id=str(uuid4())),
    subscription_pb.ListSubscriptionsRequest(tenant_id=str(uuid4()), plan_id=str(uuid4()), page_token="t"),
    subscription_pb.UpdateSubscriptionRequest(
        **NAME, **ONE, subscription={"external_reference": "x", "plan_id": str(uuid4()), "reason": "r"},
        update_mask={"paths": ["external_reference"]},
    ),
    subscription_pb.ActivateSubscriptionRequest(**NAME, **ONE),
    subscription_pb.DeactivateSubscriptionRequest(**NAME, **ONE, reason="r"),
    subscription_pb.CancelSubscriptionRequest(**NAME, **ONE, reason="r"),
    subscription_pb.ExpireSubscriptionsRequest(tenant_id=str(uuid4())),
    subscription_pb.ListExpiringSubscriptionsRequest(tenant_id=str(uuid4()), page_token="t"),
    subscription_pb.RecordExpiryNoticeRequest(tenant_id=str(uuid4()), **ONE),
    subscription_pb.CheckQuotaRequest(tenant_id=str(uuid4()), name="users"),
    subscription_pb.ListQuotasRequest(tenant_id=str(uuid4()), plan_id="", page_token="t"),
    subscription_pb.RecordUsageRequest(tenant_id=str(uuid4()), name="users", amount=1),
    outbox_pb.CreateOutboxEntryRequest(
        tenant_id=str(uuid4()), operation_type="deploy", operation_id="op-1", payload_type="x.v1.Request"
    ),
    outbox_pb.ClaimOutboxEntriesRequest(limit=1, claim_id=str(uuid4())),
    outbox_pb.CompleteOutboxEntryRequest(**ENTRY, claim_id=str(uuid4())),
    outbox_pb.DeferOutboxEntryRequest(**ENTRY, claim_id=str(uuid4()), error="e"),
    outbox_pb.RequeueOutboxEntryRequest(**ENTRY),
    outbox_pb.CancelOutboxEntryRequest(**ENTRY, claim_id="", reason="r"),
    outbox_pb.ListOutboxEntriesRequest(tenant_id=str(uuid4()), operation_id="op-1", page_token="t"),
]  # fmt: skip
SETTINGS = {"LEAD_LIMIT_NETWORK": "1000000", "TENANT_KEY_LIMIT_NETWORK": "1000000"}


def harmed(message, text) -> Iterator[str]:
    """Put the text into each text field of the message in turn, and name it while it is there."""
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type and field.message_type.GetOptions().map_entry:
            before = dict(value)
            for harm in ({text: "v"}, {"k": text}):
                value.clear()
                value.update(harm)
                yield field.name
            value.clear()
            value.update(before)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            for one in value if field.is_repeated else [value] if message.HasField(field.name) else []:
                for name in harmed(one, text):
                    yield f"{field.name}.{name}"
        elif field.type == FieldDescriptor.TYPE_STRING and field.is_repeated:
            before = list(value)
            value[:] = [*before, text]
            yield field.name
            value[:] = before
        elif field.type == FieldDescriptor.TYPE_STRING:
            setattr(message, field.name, text)
            yield field.name
            setattr(message, field.name, value)


def method_of(request):
    return type(request).__name__.removesuffix("Request")


@pytest.fixture
def known(made, plan, subscribed, outbox):
    """Makes one of each thing a request may name: answers their identifiers."""

    async def known():
        tenant_id = (await made("PROVISIONING", "ACTIVE")).tenant_id
        plan_id = (await plan(quotas=PLAN["quotas"])).plan_id
        subscription = await subscribed(tenant_id=tenant_id, plan_id=plan_id)
        request = outbox_pb.CreateOutboxEntryRequest(
            tenant_id=tenant_id, operation_type="deploy", operation_id="op-1", payload_type="x.v1.Request",
            claim_id=str(uuid4()),
        )  # fmt: skip
        entry = (await outbox.CreateOutboxEntry(request)).outbox_entry
        return {
            "tenant_id": tenant_id,
            "plan_id": plan_id,
            "subscription_id": subscription.subscription_id,
            "outbox_entry_id": entry.outbox_entry_id,
        }

    return known


@pytest.fixture
def call(leads, tenants, catalog, subscriptions, outbox):
    """Sends a request to the service whose it is."""
    stubs = {"lead": leads, "tenant": tenants, "catalog": catalog, "subscription": subscriptions, "outbox": outbox}

    async def call(request):
        service = request.DESCRIPTOR.file.name.rpartition("/")[2].removesuffix("_service.proto")
        return await getattr(stubs[service], method_of(request))(request)

    return call


@pytest.mark.parametrize("request_of", REQUESTS, ids=method_of)
async def test_no_text_does_harm(call, known, admin, request_of):
    request = type(request_of)()
    request.CopyFrom(request_of)
    if not isinstance(request, pb.CreateTenantRequest):
        for name, identifier in (await known()).items():
            if name in request.DESCRIPTOR.fields_by_name:
                setattr(request, name, identifier)
    asked = 0
    for text in HARM:
        for name in harmed(request, text):
            asked += 1
            try:
                await call(request)
            except grpc.aio.AioRpcError as error:
                fault = fault_of(error)
                assert fault.kind not in {Kind.INTERNAL, Kind.UNAVAILABLE, Kind.TIMEOUT}, (name, text, fault)
    assert asked >= len(HARM)
    assert await admin.fetchval("SELECT to_regclass('tenants') IS NOT NULL AND to_regclass('leads') IS NOT NULL")


@pytest.mark.parametrize("text", [harm for harm in HARM if "\x00" not in harm])
async def test_what_may_hold_any_text_gives_it_back(tenants, made, text):
    tenant = await made()
    wanted = tenant_pb2.Tenant(metadata={"k": text}, address={"country": "CH", "city": text[:100]})
    await tenants.UpdateTenant(pb.UpdateTenantRequest(tenant_id=tenant.tenant_id, tenant=wanted))
    read = (await tenants.GetTenant(pb.GetTenantRequest(tenant_id=tenant.tenant_id))).tenant
    assert (read.metadata["k"], read.address.city) == (text, text[:100].strip())


@pytest.mark.parametrize(
    ("field", "request_of"),
    [
        (
            "tenant.metadata['k']",
            lambda name: pb.UpdateTenantRequest(**name, tenant={"metadata": {"k": "a\x00b"}}),
        ),
        (
            "tenant.address.city",
            lambda name: pb.UpdateTenantRequest(**name, tenant={"address": {"country": "CH", "city": "a\x00b"}}),
        ),
        ("reason", lambda name: pb.SetTenantProtectionRequest(**name, protected=True, reason="a\x00b")),
        (
            "reason",
            lambda name: pb.TransitionTenantRequest(**name, state="TENANT_STATE_PROVISIONING", reason="a\x00b"),
        ),
        ("filter", lambda _: pb.ListTenantsRequest(filter='key = "a\x00b"')),
    ],
)
async def test_the_one_character_that_cannot_be_kept_is_refused(tenants, made, refused, field, request_of):
    tenant = await made()
    request = request_of({"tenant_id": tenant.tenant_id})
    with refused("REQUEST_INVALID", Kind.INVALID) as caught:
        await getattr(tenants, method_of(request))(request)
    assert [violation.field for violation in caught.fault.violations] == [field]
    assert (await tenants.GetTenant(pb.GetTenantRequest(tenant_id=tenant.tenant_id))).tenant == tenant
