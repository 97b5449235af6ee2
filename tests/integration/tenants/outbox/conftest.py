"""Requests that wait to be started, and time that passes for them."""

from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration

from tenantmesh.tenants.v1 import outbox_service_pb2 as pb

PAYLOAD = "tenantmesh.provisioning.v1.ProvisionTenantRequest"


@pytest.fixture
async def accept(outbox, subscribed):
    """Has a request accepted, for a tenant of its own, which has a subscription, where the test names none."""

    async def accept(tenant_id="", *, claim=False, **more):
        tenant_id = tenant_id or (await subscribed()).tenant_id
        fields = {
            "tenant_id": tenant_id,
            "operation_type": "provision",
            "operation_id": f"provision-tenant-{tenant_id}",
            "payload_type": PAYLOAD,
            "payload": b"input",
            "claim_id": str(uuid4()) if claim else "",
        }
        return await outbox.CreateOutboxEntry(pb.CreateOutboxEntryRequest(**{**fields, **more}))

    return accept


@pytest.fixture(autouse=True)
async def empty(admin):
    """Nothing is due when a test begins."""
    await admin.execute("DELETE FROM outbox_entries")


@pytest.fixture
def claim(outbox):
    async def claim(limit=100, claim_id="", seconds=30):
        request = pb.ClaimOutboxEntriesRequest(
            limit=limit, claim_id=claim_id or str(uuid4()), claim_duration=Duration(seconds=seconds)
        )
        return list((await outbox.ClaimOutboxEntries(request)).outbox_entries)

    return claim


@pytest.fixture
def passes(admin):
    """Lets the database's time pass for what waits, by moving what waits."""

    async def passes(span):
        await admin.execute("UPDATE outbox_entries SET due_time = due_time - $1::interval", span)

    return passes
