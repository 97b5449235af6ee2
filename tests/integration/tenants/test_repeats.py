"""A request that is sent again, because its answer was lost, is done once and answered as the first time."""

import asyncio
import random
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import grpc
import pytest
from tests.fixtures.faultproxy import fault_proxy

from chassis import running
from faults import Kind
from postgreskit import Database
from settingskit import Secret
from tenantmesh.tenants.v1 import lead_service_pb2 as pb
from tenantmesh.tenants.v1 import lead_service_pb2_grpc as rpc
from tenantmesh.tenants.v1 import subscription_service_pb2 as subscription_pb
from tenantmesh.tenants.v1 import subscription_service_pb2_grpc as subscription_rpc
from tenantmesh.tenants.v1 import tenant_pb2
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb
from tenants_service import app


async def test_a_lead_is_made_once_and_its_key_answered_again(leads, application, admin):
    request = application(request_id=str(uuid4()))
    first = await leads.CreateLead(request)
    assert await leads.CreateLead(request) == first
    assert await admin.fetchval("SELECT count(*) FROM leads WHERE email = $1", request.email) == 1
    renew = pb.ResendLeadKeyRequest(lead_id=first.lead_id, request_id=str(uuid4()))
    renewed = await leads.ResendLeadKey(renew)
    assert await leads.ResendLeadKey(renew) == renewed != first
    verify = pb.VerifyLeadRequest(lead_id=first.lead_id, key=renewed.key, request_id=str(uuid4()))
    verified = await leads.VerifyLead(verify)
    assert await leads.VerifyLead(verify) == verified
    domain = request.email.partition("@")[2]
    convert = pb.ConvertLeadRequest(
        lead_id=first.lead_id, token=verified.token, key=f"k{domain[:6]}", domains=[domain], request_id=str(uuid4())
    )
    made = await leads.ConvertLead(convert)
    assert await leads.ConvertLead(convert) == made


async def test_a_request_id_is_one_however_it_is_written(leads, application, refused):
    request = application(request_id=str(uuid4()))
    first = await leads.CreateLead(request)
    request.request_id = request.request_id.upper()
    assert await leads.CreateLead(request) == first
    request.company_name = "Another"
    with refused("REQUEST_ID_REUSED", Kind.INVALID):
        await leads.CreateLead(request)


async def test_the_key_in_the_header_is_part_of_the_request(leads, application, refused):
    lead = await leads.CreateLead(application())
    request = pb.VerifyLeadRequest(lead_id=lead.lead_id, request_id=str(uuid4()))
    await leads.VerifyLead(request, metadata=(("authorization", f"Bearer {lead.key}"),))
    with refused("REQUEST_ID_REUSED", Kind.INVALID):
        await leads.VerifyLead(request, metadata=(("authorization", "Bearer guessed"),))


async def test_an_identifier_names_one_request(leads, application, refused):
    request = application(request_id=str(uuid4()))
    await leads.CreateLead(request)
    request.company_name = "Another"
    with refused("REQUEST_ID_REUSED", Kind.INVALID, request_id=request.request_id):
        await leads.CreateLead(request)


async def test_the_requests_of_two_callers_never_meet(guarded, application, bearer):
    request = application(request_id=str(uuid4()))
    one, other = (bearer("tenants.lead_keys.read", sub=name) for name in ("one", "other"))
    first = await guarded.leads.CreateLead(request, metadata=one)
    assert await guarded.leads.CreateLead(request, metadata=one) == first
    assert (await guarded.leads.CreateLead(request, metadata=other)).lead_id != first.lead_id


async def test_a_refusal_is_no_answer_to_keep(leads, application, refused):
    lead = await leads.CreateLead(application())
    request = pb.VerifyLeadRequest(lead_id=lead.lead_id, key="wrong", request_id=str(uuid4()))
    with refused("LEAD_KEY_INVALID", Kind.UNAUTHENTICATED):
        await leads.VerifyLead(request)
    request.key = lead.key
    assert (await leads.VerifyLead(request)).token


async def test_the_same_request_sent_many_times_at_once_is_done_once(tenants, draft, admin):
    request = draft(request_id=str(uuid4()))
    answers = await asyncio.gather(*(tenants.CreateTenant(request) for _ in range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert await admin.fetchval("SELECT count(*) FROM tenants WHERE key = $1", request.key) == 1


@pytest.mark.parametrize(
    "request_of",
    [
        lambda name: tenant_pb.UpdateTenantRequest(**name, tenant=tenant_pb2.Tenant(display_name="New")),
        lambda name: tenant_pb.TransitionTenantRequest(**name, state="TENANT_STATE_CANCELLED"),
        lambda name: tenant_pb.SetTenantProtectionRequest(**name, protected=True, reason="x"),
    ],
)
async def test_a_change_answers_what_the_first_time_did(tenants, made, request_of):
    tenant = await made()
    request = request_of({"tenant_id": tenant.tenant_id, "etag": tenant.etag, "request_id": str(uuid4())})
    method = getattr(tenants, type(request).__name__.removesuffix("Request"))
    first = await method(request)
    # Somebody else writes: the repeat still answers what the first time did, and its old etag offends nobody.
    await tenants.UpdateTenant(
        tenant_pb.UpdateTenantRequest(tenant_id=tenant.tenant_id, tenant=tenant_pb2.Tenant(tags=["later"]))
    ) if first.tenant.state != tenant_pb2.TENANT_STATE_CANCELLED else None
    assert await method(request) == first


QUICK = [("grpc.enable_retries", 0), ("grpc.initial_reconnect_backoff_ms", 20), ("grpc.max_reconnect_backoff_ms", 50)]


class Unlucky:
    """A caller whose network fails, and who asks again until there is an answer."""

    def __init__(self, channel, proxy):
        self._channel = channel
        self._leads = rpc.LeadServiceStub(channel)
        self._subscriptions = subscription_rpc.SubscriptionServiceStub(channel)
        self._proxy = proxy
        self.lost = 0

    async def create(self, request):
        return await self._insist(self._leads.CreateLead, request)

    async def use(self, request):
        return await self._insist(self._subscriptions.RecordUsage, request)

    async def _insist(self, call, request):
        while True:
            try:
                return await call(request, timeout=10)
            except grpc.aio.AioRpcError as error:
                assert error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN}, error
                self.lost += 1
                await self._proxy.heal()
                await self._channel.channel_ready()


async def test_whatever_the_network_loses_nothing_is_done_twice(settings, opened, clock, application, admin):
    """Cut anywhere between caller and service, before and after the write."""
    servicers = app.servicers(settings, *opened, clock)
    chance = random.Random(4711)  # noqa: S311 - not for secrecy
    async with (
        running("tenants", servicers=servicers, settings=settings.server) as server,
        fault_proxy(server.address) as proxy,
        grpc.aio.insecure_channel(proxy.address, QUICK) as channel,
    ):
        caller = Unlucky(channel, proxy)
        for _ in range(40):
            request = application(request_id=str(uuid4()))
            proxy.cut_after = chance.randrange(1, 900)
            first = await caller.create(request)
            assert await caller.create(request) == first
            assert await admin.fetchval("SELECT count(*) FROM leads WHERE email = $1", request.email) == 1
    assert caller.lost > 10


async def test_what_a_tenant_uses_is_counted_once_though_every_answer_is_lost(
    settings, opened, subscribed, plan, subscriptions
):
    users = {"name": "users", "hard_limit": 20, "reset_period": "RESET_PERIOD_NEVER"}
    tenant_id = (await subscribed(plan_id=(await plan(quotas=[users])).plan_id)).tenant_id
    async with (
        running("tenants", servicers=app.servicers(settings, *opened), settings=settings.server) as server,
        fault_proxy(server.address) as proxy,
        grpc.aio.insecure_channel(proxy.address, QUICK) as channel,
    ):
        caller = Unlucky(channel, proxy)
        for number in range(1, 21):
            request = subscription_pb.RecordUsageRequest(
                tenant_id=tenant_id, name="users", amount=1, request_id=str(uuid4())
            )
            proxy.drop_reply = True
            assert (await caller.use(request)).usage.used == number
    assert caller.lost >= 20
    stands = await subscriptions.CheckQuota(subscription_pb.CheckQuotaRequest(tenant_id=tenant_id, name="users"))
    assert (stands.allowed, stands.usage.used) == (True, 20)


async def test_a_commit_whose_acknowledgement_is_lost_is_not_done_twice(settings, application, admin):
    """Between the service and its database this time: the write is there, and the service does not know."""
    parts = urlsplit(settings.database.url.reveal())
    chance = random.Random(4711)  # noqa: S311 - not for secrecy
    async with fault_proxy(f"{parts.hostname}:{parts.port}") as proxy:
        through = parts._replace(netloc=f"{parts.username}:{parts.password}@{proxy.address}")
        told = replace(settings, database=replace(settings.database, url=Secret(urlunsplit(through))))
        async with Database(told.database) as database:
            servicers = app.servicers(told, *app.opened(told, database))
            async with (
                running("tenants", servicers=servicers, settings=told.server) as server,
                grpc.aio.insecure_channel(server.address) as channel,
            ):
                caller = Unlucky(channel, proxy)
                for _ in range(30):
                    request = application(request_id=str(uuid4()))
                    proxy.cut_after = chance.randrange(1, 3000)
                    first = await caller.create(request)
                    assert await caller.create(request) == first
                    assert await admin.fetchval("SELECT count(*) FROM leads WHERE email = $1", request.email) == 1
        assert caller.lost > 10
