"""Plans, subscriptions, use and the outbox through the gateway, as operators, schedules and dispatchers call them."""

from __future__ import annotations

import asyncio
import base64
import signal
from uuid import uuid4

import aiohttp
import grpc
import pytest
import pytest_asyncio
from tests.fixtures.processes import service
from tests.fixtures.tenants import environment

from tenantmesh.tenants.v1 import catalog_service_pb2 as catalog_pb
from tenantmesh.tenants.v1 import catalog_service_pb2_grpc as catalog_rpc
from tenantmesh.tenants.v1 import outbox_pb2
from tenantmesh.tenants.v1 import outbox_service_pb2 as outbox_pb
from tenantmesh.tenants.v1 import outbox_service_pb2_grpc as outbox_rpc
from tenantmesh.tenants.v1 import subscription_service_pb2 as pb
from tenantmesh.tenants.v1 import subscription_service_pb2_grpc as rpc
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb
from tenantmesh.tenants.v1 import tenant_service_pb2_grpc as tenant_rpc

NOBODY = "0192f0c1-2b3c-7d4e-8f50-112233445566"
PLAN = {
    "displayName": "Team",
    "tier": "TIER_POOLED",
    "priceMinorUnits": "9900",
    "currency": "EUR",
    "billingCycle": "BILLING_CYCLE_YEARLY",
    "features": {"sso": "true"},
    "quotas": [{"name": "users", "softLimit": "2", "hardLimit": "3", "resetPeriod": "RESET_PERIOD_NEVER"}],
}


def tenant_of(key):
    contact = {"firstName": "Ada", "lastName": "Lovelace", "email": f"ada@{key}.example", "primary": True}
    return {"key": key, "displayName": key, "tier": "TIER_POOLED", "contacts": [contact], "domains": [f"{key}.example"]}


@pytest_asyncio.fixture(scope="module")
async def call(gateway, postgres):
    """Calls the gateway with JSON: answers the status and the body."""
    async with service("tenants", **await environment(postgres)) as process:
        url = (await gateway({"tenants": process.address})).url
        async with aiohttp.ClientSession(url) as session:

            async def call(method, path, body=None):
                async with session.request(method, path, json=body) as answer:
                    return answer.status, await answer.json()

            yield call


@pytest.fixture
def subscribe(call):
    """Makes a plan, a tenant and a subscription in force; answers the identifiers of the latter two."""

    async def subscribe(key, **more):
        _, made = await call("POST", "/plans", {**PLAN, "key": key.replace("-", "_")})
        _, tenant = await call("POST", "/tenants", tenant_of(key))
        tenant_id = tenant["tenant"]["tenantId"]
        wanted = {"planId": made["plan"]["planId"], "activate": True, **more}
        status, taken = await call("POST", f"/tenants/{tenant_id}/subscriptions", wanted)
        assert (status, taken["subscription"]["state"]) == (200, "STATE_ACTIVE")
        return tenant_id, taken["subscription"]["subscriptionId"]

    return subscribe


def reason(answer):
    return next(one["reason"] for one in answer["details"] if one["@type"].endswith("ErrorInfo"))


async def test_a_tenant_subscribes_uses_and_leaves(call, subscribe):
    tenant_id, subscription_id = await subscribe("leaver")
    quota = f"/tenants/{tenant_id}/quotas/users"
    status, used = await call("POST", f"{quota}/usage", {"amount": "3"})
    assert (status, used["usage"]["used"], used["usage"]["verdict"]) == (200, "3", "VERDICT_SOFT_EXCEEDED")
    status, refused = await call("POST", f"{quota}/usage", {"amount": "1"})
    assert (status, reason(refused)) == (429, "QUOTA_EXCEEDED")
    status, check = await call("GET", f"{quota}?amount=1")
    assert (status, check.get("allowed", False), check["usage"]["used"]) == (200, False, "4")
    subscription = f"/tenants/{tenant_id}/subscriptions/{subscription_id}"
    status, paused = await call("POST", f"{subscription}/deactivate", {"reason": "unpaid"})
    assert (status, paused["subscription"]["reason"]) == (200, "unpaid")
    status, refused = await call("GET", quota)
    assert (status, reason(refused)) == (400, "SUBSCRIPTION_NOT_ACTIVE")
    status, ended = await call("POST", f"{subscription}/cancel", {})
    assert (status, ended["subscription"]["state"]) == (200, "STATE_CANCELLED")
    status, refused = await call("POST", f"{subscription}/activate", {})
    assert (status, reason(refused)) == (400, "SUBSCRIPTION_STATE_FORBIDS")


async def test_a_schedule_ends_what_is_over(call, subscribe):
    times = {"startTime": "2020-01-01T00:00:00Z", "endTime": "2021-01-01T00:00:00Z"}
    tenant_id, subscription_id = await subscribe("late-payer", **times)
    status, swept = await call("POST", "/subscriptions/expire", {})
    assert status == 200
    assert [(one["subscriptionId"], one["state"]) for one in swept["subscriptions"]] == [
        (subscription_id, "STATE_EXPIRED")
    ]
    assert (await call("POST", "/subscriptions/expire", {}))[1].get("subscriptions", []) == []
    _, events = await call("GET", f"/events?tenant_id={tenant_id}&aggregate_type=subscription")
    assert [event["eventType"] for event in events["events"]] == [
        "subscription.created", "subscription.activated", "subscription.expired",
    ]  # fmt: skip


async def test_an_accepted_request_waits_until_it_is_started(call, subscribe):
    tenant_id, _ = await subscribe("patient")
    entry = {
        "operationType": "provision",
        "operationId": f"provision-tenant-{tenant_id}",
        "payloadType": "tenantmesh.provisioning.v1.ProvisionTenantRequest",
        "payload": base64.b64encode(b"input").decode(),
    }
    status, accepted = await call("POST", f"/tenants/{tenant_id}/outbox-entries", entry)
    assert (status, accepted["created"], accepted["outboxEntry"]["state"]) == (200, True, "STATE_WAITING")
    _, claimed = await call("POST", "/outbox-entries/claim", {"limit": 10, "claimId": str(uuid4())})
    (mine,) = claimed["outboxEntries"]
    assert base64.b64decode(mine["payload"]) == b"input"
    path = f"/tenants/{tenant_id}/outbox-entries/{mine['outboxEntryId']}"
    status, deferred = await call("POST", f"{path}/defer", {"claimId": mine["claimId"], "error": "engine away"})
    assert (status, deferred["outboxEntry"]["attempts"], deferred["outboxEntry"]["state"]) == (200, 1, "STATE_WAITING")
    status, again = await call("POST", f"{path}/requeue", {})
    assert (status, again["outboxEntry"].get("attempts", 0)) == (200, 0)
    _, claimed = await call("POST", "/outbox-entries/claim", {"limit": 10, "claimId": str(uuid4())})
    claim_id = claimed["outboxEntries"][0]["claimId"]
    status, done = await call("POST", f"{path}/complete", {"claimId": claim_id})
    assert (status, done["outboxEntry"]["state"]) == (200, "STATE_STARTED")
    _, listed = await call("GET", f"/outbox-entries?tenant_id={tenant_id}&state=STATE_STARTED")
    assert [one["outboxEntryId"] for one in listed["outboxEntries"]] == [mine["outboxEntryId"]]


@pytest.mark.parametrize(
    ("method", "path", "body", "refusal"),
    [
        ("POST", "/plans", {**PLAN, "key": "Team!"}, (400, "REQUEST_INVALID")),
        ("GET", f"/plans/{NOBODY}", None, (404, "PLAN_NOT_FOUND")),
        ("GET", "/plans?page_token=x.y", None, (400, "PAGE_TOKEN_INVALID")),
        ("PATCH", f"/plans/{NOBODY}", {"plan": {"description": "x"}}, (404, "PLAN_NOT_FOUND")),
        ("POST", f"/tenants/{NOBODY}/subscriptions", {"planId": NOBODY}, (404, "TENANT_NOT_FOUND")),
        ("POST", f"/tenants/{NOBODY}/subscriptions", {"planId": "none"}, (400, "REQUEST_INVALID")),
        ("GET", f"/tenants/{NOBODY}/subscriptions/{NOBODY}", None, (404, "SUBSCRIPTION_NOT_FOUND")),
        ("GET", f"/tenants/{NOBODY}/quotas/users", None, (404, "TENANT_NOT_FOUND")),
        ("POST", f"/tenants/{NOBODY}/quotas/users/usage", {"amount": 0}, (400, "REQUEST_INVALID")),
        ("GET", "/subscriptions/expiring?within=0s", None, (400, "REQUEST_INVALID")),
        ("POST", f"/tenants/{NOBODY}/outbox-entries/{NOBODY}/requeue", {}, (404, "OUTBOX_ENTRY_NOT_FOUND")),
    ],
)
async def test_bad_input_is_answered_as_json_with_its_reason(call, method, path, body, refusal):
    status, answer = await call(method, path, body)
    assert (status, reason(answer)) == refusal


async def test_a_killed_process_loses_no_accepted_request(postgres):
    """The claim it gave away ends by itself, and another process hands the entry out again."""
    told = await environment(postgres)
    async with service("tenants", **told) as first, grpc.aio.insecure_channel(first.address) as channel:
        entry = await _accepted(channel)
        first.process.send_signal(signal.SIGKILL)
        await first.ended()
    async with service("tenants", **told) as second, grpc.aio.insecure_channel(second.address) as channel:
        outbox = outbox_rpc.OutboxServiceStub(channel)
        claim = outbox_pb.ClaimOutboxEntriesRequest(limit=10, claim_id=str(uuid4()))
        async with asyncio.timeout(30):
            while not (found := (await outbox.ClaimOutboxEntries(claim)).outbox_entries):  # noqa: ASYNC110 - time passes
                await asyncio.sleep(0.1)
        assert [(one.outbox_entry_id, one.payload) for one in found] == [(entry.outbox_entry_id, b"input")]
        done = await outbox.CompleteOutboxEntry(
            outbox_pb.CompleteOutboxEntryRequest(
                tenant_id=entry.tenant_id, outbox_entry_id=entry.outbox_entry_id, claim_id=claim.claim_id
            )
        )
        assert done.outbox_entry.state == outbox_pb2.OutboxEntry.STATE_STARTED


async def _accepted(channel):
    """An entry that was claimed for a second by who had it accepted."""
    plan = catalog_pb.CreatePlanRequest(
        key="team", display_name="Team", tier="TIER_POOLED", currency="EUR", billing_cycle="BILLING_CYCLE_YEARLY"
    )
    plan_id = (await catalog_rpc.CatalogServiceStub(channel).CreatePlan(plan)).plan.plan_id
    person = {"first_name": "Ada", "last_name": "Lovelace", "email": "ada@acme.example", "primary": True}
    draft = tenant_pb.CreateTenantRequest(
        key="acme", display_name="Acme", tier="TIER_POOLED", contacts=[person], domains=["acme.example"]
    )
    tenant_id = (await tenant_rpc.TenantServiceStub(channel).CreateTenant(draft)).tenant.tenant_id
    await rpc.SubscriptionServiceStub(channel).CreateSubscription(
        pb.CreateSubscriptionRequest(tenant_id=tenant_id, plan_id=plan_id, activate=True)
    )
    request = outbox_pb.CreateOutboxEntryRequest(
        tenant_id=tenant_id,
        operation_type="provision",
        operation_id=f"provision-tenant-{tenant_id}",
        payload_type="x.v1.Request",
        payload=b"input",
        claim_id=str(uuid4()),
        claim_duration={"seconds": 1},
    )
    return (await outbox_rpc.OutboxServiceStub(channel).CreateOutboxEntry(request)).outbox_entry
