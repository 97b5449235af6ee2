"""The tenants service on a migrated database: its tables, its process, its callers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import grpc
import pytest
import pytest_asyncio

from chassis import running
from chassis.client import open_channel
from postgreskit import Database
from tenantmesh.tenants.v1 import lead_service_pb2_grpc as lead_rpc
from tenantmesh.tenants.v1 import tenant_service_pb2_grpc as tenant_rpc
from tenants_service import app
from tenants_service.migrations import Schema
from tenants_service.settings import TenantsSettings
from tenants_service.store import Records

ROLE = "tenants_app"
PASSWORD = "hunter2"


@dataclass
class Clock:
    """The service's time, which a test may put forward."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def forward(self, **span: float) -> None:
        self.ahead += timedelta(**span)


@pytest_asyncio.fixture(scope="session")
async def application_role(postgres):
    """The role the service works as; roles are shared by all databases of the server."""
    connection = await asyncpg.connect(postgres.dsn)
    try:
        await connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
    finally:
        await connection.close()
    return ROLE


@pytest_asyncio.fixture(scope="session")
async def environment(postgres, application_role):
    """Makes a fresh database, and answers the environment of a service that works on it."""

    async def environment(**more: str) -> dict[str, str]:
        owner = await postgres.database()
        parts = urlsplit(owner)
        address = urlunsplit(parts._replace(netloc=f"{application_role}:{PASSWORD}@{parts.hostname}:{parts.port}"))
        return {
            "MESH_MODE": "development",
            "RPC_PORT": "0",
            "OPS_PORT": "0",
            "TENANTS_SECRET": "a secret for tests, long enough to be one",
            "DATABASE_URL": address,
            "ADMIN_DATABASE_URL": owner,
            "LEAD_LIMIT_EMAIL": "1000",
            "LEAD_LIMIT_TRIES": "1000",
            **more,
        }

    return environment


@pytest_asyncio.fixture(scope="module")
async def settings(environment) -> TenantsSettings:
    """Settings of a service with a migrated database of its own, one for each file of tests."""
    settings = app.configured(await environment())
    async with Schema(settings):
        return settings


@pytest_asyncio.fixture(scope="module")
async def database(settings) -> AsyncIterator[Database]:
    async with Database(settings.database) as database:
        yield database


@pytest_asyncio.fixture(scope="module")
async def records(settings, database) -> Records:
    return app.records(settings, database)


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture(scope="module")
async def channel(settings, records, clock) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the running service."""
    servicers = app.servicers(settings, records, clock)
    async with (
        running("tenants", servicers=servicers, settings=settings.server) as server,
        open_channel(server.address) as channel,
    ):
        yield channel


@pytest.fixture(scope="module")
def leads(channel) -> lead_rpc.LeadServiceStub:
    return lead_rpc.LeadServiceStub(channel)


@pytest.fixture(scope="module")
def tenants(channel) -> tenant_rpc.TenantServiceStub:
    return tenant_rpc.TenantServiceStub(channel)


@pytest.fixture
async def admin(settings):
    """A connection of the owner, to prepare and to look."""
    assert settings.database.admin_url is not None
    connection = await asyncpg.connect(settings.database.admin_url.reveal())
    yield connection
    await connection.close()
