"""The suite runs over every provider in the registry; PostgreSQL as a superuser, and as the role a cloud would give."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from tests.fixtures.databases import administrator

from settingskit import Secret
from storage_service.blueprint.providers.folder import BlueprintSettings, load
from storage_service.schemas.model import Limits, Tenant, Tier
from storage_service.schemas.providers.memory import MemoryDatabases, MemorySettings
from storage_service.schemas.providers.postgres import PostgresDatabases, PostgresSettings
from storage_service.schemas.service import Rules, Schemas
from storage_service.servers.providers.settings import ServersSettings

LIMITS = Limits(20, timedelta(minutes=1), timedelta(minutes=5))
_numbers = count(1)


class World:
    """A provider, the schemas over it, and what a test puts there behind their back."""

    def __init__(self, databases, make_foreign):
        self.databases = databases
        self.make_foreign = make_foreign
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.schemas = Schemas(
            databases, load(BlueprintSettings()), Rules(LIMITS, reserved=databases.reserved), clock=lambda: self.now
        )

    def tenant(self, tier=Tier.BRIDGE, **changes):
        """A tenant nobody has heard of."""
        return Tenant(**{"tenant_id": str(uuid4()), "key": f"contract-{next(_numbers)}", "tier": tier} | changes)


@asynccontextmanager
async def memory(_):
    databases = MemoryDatabases(MemorySettings())

    async def make_foreign(name):
        databases._shelf.foreign |= {name}

    async with databases:
        yield World(databases, make_foreign)


@asynccontextmanager
async def postgres_as(address, superuser, **changes):
    async def make_foreign(name):
        connection = await asyncpg.connect(superuser)
        await connection.execute(f'CREATE SCHEMA "{name}"')
        await connection.close()

    # Roles belong to the server, which other tests share.
    settings = PostgresSettings(
        servers=ServersSettings(url=Secret(address)), pooled_role=f"pooled_{uuid4().hex[:8]}", **changes
    )
    async with PostgresDatabases(settings) as databases:
        yield World(databases, make_foreign)


@asynccontextmanager
async def as_superuser(postgres):
    address = await postgres.database()
    async with postgres_as(address, address) as world:
        yield world


@asynccontextmanager
async def as_administrator(postgres):
    """As managed PostgreSQL gives it: may make roles and databases, owns its database, and is no superuser."""
    superuser = await postgres.database()
    async with postgres_as(await administrator(superuser), superuser) as world:
        yield world


@asynccontextmanager
async def with_own_databases(postgres):
    superuser = await postgres.database()
    async with postgres_as(await administrator(superuser), superuser, own_databases=True) as world:
        yield world


OPENERS = {
    "memory": memory,
    "postgres": as_superuser,
    "postgres as administrator": as_administrator,
    "postgres with own databases": with_own_databases,
}


@pytest_asyncio.fixture(scope="module", params=OPENERS)
async def world(request, postgres):
    async with OPENERS[request.param](postgres) as world:
        yield world


@pytest.fixture
def schemas(world):
    return world.schemas
