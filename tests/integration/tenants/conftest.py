"""The tenants service on a migrated database: its tables, its process, its callers."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import grpc
import pytest
import pytest_asyncio
from tests.fixtures.identities import Issuer
from tests.fixtures.servers import Postgres, server
from tests.fixtures.subscriptions import LONG_AGO, WAY, YESTERDAY, move, read
from tests.fixtures.tenants import environment

from chassis import AuthSettings, running
from chassis.client import open_channel
from chassis.errors import faults_raised
from faults import Fault, Kind
from localstack.servers.postgres import POSTGRES
from postgreskit import Database
from tenantmesh.tenants.v1 import catalog_service_pb2 as catalog_pb
from tenantmesh.tenants.v1 import catalog_service_pb2_grpc as catalog_rpc
from tenantmesh.tenants.v1 import event_service_pb2 as event_pb
from tenantmesh.tenants.v1 import event_service_pb2_grpc as event_rpc
from tenantmesh.tenants.v1 import lead_service_pb2 as lead_pb
from tenantmesh.tenants.v1 import lead_service_pb2_grpc as lead_rpc
from tenantmesh.tenants.v1 import outbox_service_pb2_grpc as outbox_rpc
from tenantmesh.tenants.v1 import plan_pb2, subscription_pb2, tenant_pb2
from tenantmesh.tenants.v1 import subscription_service_pb2 as subscription_pb
from tenantmesh.tenants.v1 import subscription_service_pb2_grpc as subscription_rpc
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb
from tenantmesh.tenants.v1 import tenant_service_pb2_grpc as tenant_rpc
from tenants_service import app
from tenants_service.migrations import schema
from tenants_service.settings import TenantsSettings
from tenants_service.store import Records
from tenants_service.watching.service import Tail


@dataclass
class Clock:
    """The service's time, which a test may put forward."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def forward(self, **span: float) -> None:
        self.ahead += timedelta(**span)


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(address)
    try:
        yield connection
    finally:
        await connection.close()


@pytest_asyncio.fixture(scope="module")
async def settings(postgres, request) -> TenantsSettings:
    """Settings of a service with a migrated database of its own, one for each file of tests; its SETTINGS count."""
    settings = app.configured(
        {
            "MESH_MODE": "development",
            "RPC_PORT": "0",
            "OPS_PORT": "0",
            **await environment(postgres, **getattr(request.module, "SETTINGS", {})),
        }
    )
    async with schema(settings):
        return settings


@pytest_asyncio.fixture(scope="module")
async def database(settings) -> AsyncIterator[Database]:
    async with Database(settings.database) as database:
        yield database


@pytest_asyncio.fixture(scope="module")
async def opened(settings, database) -> AsyncIterator[tuple[Records, Tail]]:
    records, tail = app.opened(settings, database)
    async with tail:
        yield records, tail


@pytest.fixture(scope="module")
def records(opened) -> Records:
    return opened[0]


@pytest.fixture(scope="module")
def tail(opened) -> Tail:
    return opened[1]


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture(scope="module")
async def channel(settings, opened, clock) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the running service."""
    servicers = app.servicers(settings, *opened, clock)
    async with (
        running("tenants", servicers=servicers, settings=settings.server) as server,
        open_channel(server.address) as channel,
    ):
        yield channel


@pytest_asyncio.fixture(scope="module")
async def leads(channel) -> lead_rpc.LeadServiceStub:
    return lead_rpc.LeadServiceStub(channel)


@pytest_asyncio.fixture(scope="module")
async def tenants(channel) -> tenant_rpc.TenantServiceStub:
    return tenant_rpc.TenantServiceStub(channel)


@pytest_asyncio.fixture(scope="module")
async def events(channel) -> event_rpc.EventServiceStub:
    return event_rpc.EventServiceStub(channel)


@pytest_asyncio.fixture(scope="module")
async def catalog(channel) -> catalog_rpc.CatalogServiceStub:
    return catalog_rpc.CatalogServiceStub(channel)


@pytest_asyncio.fixture(scope="module")
async def subscriptions(channel) -> subscription_rpc.SubscriptionServiceStub:
    return subscription_rpc.SubscriptionServiceStub(channel)


@pytest_asyncio.fixture(scope="module")
async def outbox(channel) -> outbox_rpc.OutboxServiceStub:
    return outbox_rpc.OutboxServiceStub(channel)


@pytest.fixture
async def admin(settings):
    """A connection of the owner, to prepare and to look."""
    assert settings.database.admin_url is not None
    async with connected(settings.database.admin_url.reveal()) as connection:
        yield connection


@pytest.fixture
async def own_postgres(tmp_path):
    """A database server of this test's own, which it may stop, and an environment on it."""
    async with server(POSTGRES, tmp_path) as one:
        own = Postgres(one)
        async with connected(own.dsn) as connection:
            # As everywhere but in tests: what is acknowledged outlives a crash.
            await connection.execute("ALTER ROLE ALL SET synchronous_commit = on")
        yield own, await environment(own)


@pytest.fixture
def owner_of():
    """The same for an environment: `async with owner_of(environment) as owner`."""
    return lambda environment: connected(environment["ADMIN_DATABASE_URL"])


@pytest.fixture
def refused():
    """Holds a call to the fault it must end with: `async with refused("LEAD_NOT_FOUND", Kind.NOT_FOUND) as fault`."""

    @contextmanager
    def refused(reason: str, kind: Kind, **facts: str):
        caught = SimpleNamespace(fault=None)
        with pytest.raises(Fault) as raised, faults_raised():
            yield caught
        caught.fault = raised.value
        assert (raised.value.reason, raised.value.kind) == (reason, kind), raised.value
        assert facts.items() <= raised.value.facts.items()

    return refused


@pytest.fixture
def application():
    """Makes the request of a visitor nobody has seen yet."""

    def application(**more: Any) -> lead_pb.CreateLeadRequest:
        domain = f"{secrets.token_hex(6)}.example"
        return lead_pb.CreateLeadRequest(
            **{
                "email": f"ada@{domain}",
                "first_name": "Ada",
                "last_name": "Lovelace",
                "company_name": "Acme",
                "address": {"country": "CH", "city": "Bern"},
            }
            | more
        )

    return application


@pytest.fixture
def sign_up(leads, application):
    """Makes a lead and verifies it: answers the application, the lead's identifier and its token."""

    async def sign_up(**more: Any) -> SimpleNamespace:
        request = application(**more)
        lead = await leads.CreateLead(request)
        verified = await leads.VerifyLead(lead_pb.VerifyLeadRequest(lead_id=lead.lead_id, key=lead.key))
        return SimpleNamespace(
            email=request.email,
            domain=request.email.partition("@")[2],
            lead_id=lead.lead_id,
            key=lead.key,
            token=verified.token,
        )

    return sign_up


@pytest.fixture
def draft():
    """Makes the request of an operator for a tenant whose names nobody has."""

    def draft(**more: Any) -> tenant_pb.CreateTenantRequest:
        key = f"t{secrets.token_hex(6)}"
        contact = {"first_name": "Ada", "last_name": "Lovelace", "email": f"ada@{key}.example", "primary": True}
        return tenant_pb.CreateTenantRequest(
            **{
                "key": key,
                "display_name": "Acme",
                "tier": "TIER_POOLED",
                "contacts": [contact],
                "domains": [f"{key}.example"],
            }
            | more
        )

    return draft


@pytest.fixture
def made(tenants, draft):
    """Makes a tenant and takes it through some states."""

    async def made(*states: str, **more: Any) -> tenant_pb2.Tenant:
        tenant = (await tenants.CreateTenant(draft(**more))).tenant
        for state in states:
            failed = {"failed_step": "dns", "root_cause": "late"} if state.endswith("FAILED") else {}
            reason = {"suspension_reason": "billing"} if state == "SUSPENDED" or tenant.suspension_reason else {}
            answer = await tenants.TransitionTenant(
                tenant_pb.TransitionTenantRequest(
                    tenant_id=tenant.tenant_id, state=f"TENANT_STATE_{state}", **failed, **reason
                )
            )
            tenant = answer.tenant
        return tenant

    return made


@pytest.fixture
def plan(catalog):
    """Makes a plan whose key nobody has."""

    async def plan(**more: Any) -> plan_pb2.Plan:
        request = catalog_pb.CreatePlanRequest(
            **{
                "key": f"p{secrets.token_hex(6)}",
                "display_name": "Team",
                "tier": "TIER_POOLED",
                "price_minor_units": 9900,
                "currency": "EUR",
                "billing_cycle": "BILLING_CYCLE_YEARLY",
            }
            | more
        )
        return (await catalog.CreatePlan(request)).plan

    return plan


@pytest.fixture
def subscribed(subscriptions, made, plan):
    """Makes a subscription that is in force, of a tenant and a plan of its own where the test names none."""

    async def subscribed(**more: Any) -> subscription_pb2.Subscription:
        wanted = {
            "tenant_id": more.get("tenant_id") or (await made()).tenant_id,
            "plan_id": more.get("plan_id") or (await plan()).plan_id,
            "activate": True,
        }
        request = subscription_pb.CreateSubscriptionRequest(**wanted | more)
        return (await subscriptions.CreateSubscription(request)).subscription

    return subscribed


@pytest.fixture
def told(events):
    """What the events say of a subscription."""

    async def told(subscription: subscription_pb2.Subscription) -> list[str]:
        request = event_pb.ListEventsRequest(
            tenant_id=subscription.tenant_id,
            aggregate_type="subscription",
            aggregate_id=subscription.subscription_id,
        )
        return [event.event_type.removeprefix("subscription.") for event in (await events.ListEvents(request)).events]

    return told


@pytest.fixture
def standing(subscriptions, subscribed):
    """Makes a subscription past its end, and takes it to a state."""

    async def standing(state: str) -> subscription_pb2.Subscription:
        made = await subscribed(start_time=LONG_AGO, end_time=YESTERDAY, activate=False)
        for one in WAY[state]:
            await move(subscriptions, made, one)
        found = await read(subscriptions, made)
        assert subscription_pb2.Subscription.State.Name(found.state) == f"STATE_{state}"
        return found

    return standing


@pytest.fixture
def lead_tokens(settings, records, clock):
    """Tokens as the service itself signs them."""
    return app._lead_tokens(settings, records, clock)


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def auth(issuer, tmp_path_factory) -> AuthSettings:
    """Who is let in: bearers of the issuer's tokens."""
    jwks = tmp_path_factory.mktemp("issuer") / "jwks.json"
    jwks.write_bytes(issuer.jwks())
    return AuthSettings(jwks=str(jwks), issuer=issuer.issuer, audience=issuer.audience)


@pytest_asyncio.fixture(scope="module")
async def guarded(settings, opened, clock, auth) -> AsyncIterator[SimpleNamespace]:
    """A second replica on the same database that lets in nobody without a token of the issuer."""
    servicers = app.servicers(settings, *opened, clock)
    async with (
        running("tenants", servicers=servicers, settings=replace(settings.server, auth=auth)) as server,
        open_channel(server.address) as channel,
    ):
        yield SimpleNamespace(
            leads=lead_rpc.LeadServiceStub(channel),
            tenants=tenant_rpc.TenantServiceStub(channel),
            subscriptions=subscription_rpc.SubscriptionServiceStub(channel),
        )


@pytest.fixture
def bearer(issuer):
    """The metadata of a caller with these permissions, for one tenant where it is bound to one."""

    def bearer(*permissions: str, **claims: str) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {issuer.token(scope=' '.join(permissions), **claims)}"),)

    return bearer
