"""Requests are accepted whole, once, and only for a tenant that is ready."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from tests.fixtures.outbox import CLAIMED, held, lasts, reason

from chassis.errors import faults_raised
from faults import Fault, Kind
from tenantmesh.tenants.v1 import event_service_pb2 as event_pb
from tenantmesh.tenants.v1 import outbox_service_pb2 as pb
from tenantmesh.tenants.v1 import subscription_service_pb2 as subscription_pb
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb


async def test_an_accepted_request_is_written_with_its_event_and_handed_over(accept, events):
    answer = await accept(claim=True, claim_duration=Duration(seconds=7))
    entry = answer.outbox_entry
    assert answer.created
    assert (entry.state, entry.payload, entry.attempts) == (CLAIMED, b"input", 0)
    assert entry.principal
    assert lasts(entry) == timedelta(seconds=7)
    assert UUID(entry.outbox_entry_id).version == 7
    told = (await events.ListEvents(event_pb.ListEventsRequest(aggregate_id=entry.outbox_entry_id))).events
    assert [one.event_type for one in told] == ["outbox_entry.accepted"]


async def test_many_accept_the_same_operation_at_once_and_one_has_it(accept, subscribed):
    tenant_id = (await subscribed()).tenant_id
    answers = await asyncio.gather(*(accept(tenant_id, claim=True) for _ in range(8)))
    assert sum(answer.created for answer in answers) == 1
    assert len({answer.outbox_entry.claim_id for answer in answers}) == 1


async def test_an_operation_that_works_on_the_tenant_is_not_accepted_anew(accept, outbox, tenants):
    entry = (await accept(claim=True)).outbox_entry
    started = (await outbox.CompleteOutboxEntry(pb.CompleteOutboxEntryRequest(**held(entry)))).outbox_entry
    name = {"tenant_id": entry.tenant_id, "operation_id": entry.operation_id}
    await tenants.TransitionTenant(tenant_pb.TransitionTenantRequest(**name, state="TENANT_STATE_PROVISIONING"))
    again = await accept(entry.tenant_id, claim=True)
    assert (again.created, again.outbox_entry) == (False, started)
    failed = {"failed_step": "dns", "root_cause": "late"}
    await tenants.TransitionTenant(
        tenant_pb.TransitionTenantRequest(**name, state="TENANT_STATE_PROVISION_FAILED", **failed)
    )
    retry = await accept(entry.tenant_id, claim=True)
    assert retry.created
    assert retry.outbox_entry.outbox_entry_id != entry.outbox_entry_id


async def test_the_same_operation_with_another_payload_is_refused(accept):
    tenant_id = (await accept()).outbox_entry.tenant_id
    assert await reason(accept(tenant_id, payload=b"other")) == "OUTBOX_ENTRY_DIFFERS"


@pytest.fixture
def lapsed(subscribed, subscriptions):
    """Makes a subscription that is not in force any more; without a change, not yet."""

    async def lapsed(change):
        found = await subscribed(activate=change is not None)
        if change:
            name = {"tenant_id": found.tenant_id, "subscription_id": found.subscription_id}
            request = getattr(subscription_pb, f"{change}SubscriptionRequest")(**name)
            await getattr(subscriptions, f"{change}Subscription")(request)
        return found

    return lapsed


@pytest.mark.parametrize(
    ("change", "state"),
    [("Deactivate", "INACTIVE"), ("Cancel", ""), (None, "PENDING")],
)
async def test_a_refusal_changes_nothing(accept, lapsed, admin, change, state):
    found = await lapsed(change)
    events = await admin.fetchval("SELECT count(*) FROM domain_events")
    with pytest.raises(Fault) as refused, faults_raised():
        await accept(found.tenant_id)
    assert refused.value.reason == "SUBSCRIPTION_NOT_ACTIVE"
    assert refused.value.facts == {"tenant_id": found.tenant_id, "state": state}
    assert not await admin.fetchval("SELECT count(*) FROM outbox_entries")
    assert await admin.fetchval("SELECT count(*) FROM domain_events") == events
    assert await admin.fetchval("SELECT state FROM tenants WHERE tenant_id = $1", found.tenant_id) == (
        "PENDING_PROVISION"
    )


async def test_without_a_subscription_nothing_is_provisioned(accept, made, refused):
    tenant_id = (await made()).tenant_id
    with refused("SUBSCRIPTION_NOT_ACTIVE", Kind.CONFLICT, tenant_id=tenant_id, state=""):
        await accept(tenant_id)


async def test_the_tenant_must_be_ready(accept, subscribed, tenants):
    tenant_id = (await subscribed()).tenant_id
    for state, expected in (("PROVISIONING", "OPERATION_MISMATCH"), ("ACTIVE", "TENANT_STATE_FORBIDS")):
        request = tenant_pb.TransitionTenantRequest(
            tenant_id=tenant_id, state=f"TENANT_STATE_{state}", operation_id="another"
        )
        await tenants.TransitionTenant(request)
        assert await reason(accept(tenant_id)) == expected
    assert await reason(accept(str(uuid4()))) == "TENANT_NOT_FOUND"


async def test_a_request_id_answers_what_it_answered_first(accept, subscribed):
    tenant_id, request_id, claim_id = (await subscribed()).tenant_id, str(uuid4()), str(uuid4())
    first = await accept(tenant_id, request_id=request_id, claim_id=claim_id)
    assert await accept(tenant_id, request_id=request_id, claim_id=claim_id) == first
    assert await reason(accept(tenant_id, request_id=request_id)) == "REQUEST_ID_REUSED"


async def test_the_largest_payload_is_kept(accept, claim):
    payload = bytes(range(256)) * 1024
    await accept(payload=payload, request_id=str(uuid4()))
    assert [entry.payload for entry in await claim()] == [payload]
