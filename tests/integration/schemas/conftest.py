"""Tenants' schemas on a real server, and what that server itself says of them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from tests.fixtures.faultproxy import CHUNK, FaultProxy

from settingskit import Secret
from storage_service.blueprint.model import Blueprint
from storage_service.blueprint.providers.folder import BlueprintSettings, load
from storage_service.schemas import tokens
from storage_service.schemas.model import Limits, Tenant, Tier
from storage_service.schemas.providers.connections import ConnectionSettings
from storage_service.schemas.providers.postgres import PostgresDatabases, PostgresSettings
from storage_service.schemas.service import Rules, Schemas
from storage_service.servers.providers.settings import ServersSettings

LIMITS = Limits(20, timedelta(minutes=1), timedelta(minutes=5))
NOTHING = Limits()
COMPANY = {"company_name": "Acme"}
BUILT_IN = Path(load.__code__.co_filename).parent / "default"
_numbers = count(1)

# Everything in a server that could be left behind. Names only: what is in them is not compared.
LEFT = """
SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname ~ $1
UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname ~ $1
UNION ALL SELECT 'database ' || datname FROM pg_database WHERE datname ~ $1
UNION ALL SELECT 'settings ' || s.setrole FROM pg_db_role_setting AS s LEFT JOIN pg_roles AS r ON r.oid = s.setrole
    WHERE s.setrole <> 0 AND r.oid IS NULL
UNION ALL SELECT 'membership ' || roleid FROM pg_auth_members WHERE roleid NOT IN (SELECT oid FROM pg_roles)
UNION ALL SELECT 'privilege ' || oid FROM pg_default_acl WHERE defaclnamespace NOT IN (SELECT oid FROM pg_namespace)
UNION ALL SELECT 'place ' || schema_name || tenant_id FROM tenantmesh.places WHERE tenant_key ~ $2
UNION ALL SELECT 'own database ' || name FROM tenantmesh.own_databases WHERE name ~ $1
UNION ALL SELECT 'applied ' || schema_name || version FROM tenantmesh.applied_migrations WHERE schema_name ~ $1
ORDER BY 1"""


@dataclass(frozen=True, slots=True)
class World:
    """The schemas of one database, and a look past the service."""

    schemas: Schemas
    databases: PostgresDatabases
    settings: PostgresSettings
    superuser: str
    blueprint: Blueprint

    def tenant(self, tier=Tier.BRIDGE, **changes) -> Tenant:
        return Tenant(**{"tenant_id": str(uuid4()), "key": f"tenant-{next(_numbers)}", "tier": tier} | changes)

    async def made(self, tier=Tier.BRIDGE, *, seeded=False, **changes) -> Tenant:
        tenant = self.tenant(tier, **changes)
        await self.ensure(tenant)
        if seeded:
            await self.seed(tenant)
        return tenant

    async def ensure(self, tenant, **changes):
        return await self.schemas.ensure(tenant, **{"operation_id": "provision-1", "limits": NOTHING} | changes)

    async def seed(self, tenant, template="", **variables):
        return await self.schemas.seed(tenant, template=template, variables=COMPANY | variables)

    @asynccontextmanager
    async def connected(self, address="") -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(address or self.superuser)
        try:
            yield connection
        finally:
            await connection.close()

    async def signed_in(self, tenant) -> str:
        """The address at which the tenant signs in, with a password that it claimed."""
        token = tokens.new_token(tenant)
        await self.schemas.stage_claim(tenant, digest=tokens.digest_of(token))
        given = await self.schemas.claim(tenant, digest=tokens.digest_of(token), password=tokens.new_password())
        location = given.location
        return f"postgresql://{location.role}:{given.password}@{given.host}:{given.port}/{location.database}"

    async def left(self, tenant) -> list[str]:
        """What the server still holds of a tenant."""
        async with self.connected() as connection:
            rows = await connection.fetch(LEFT, f"^{tenant.own_name}$", f"^{tenant.key}$")
            shared = []
            if await connection.fetchval("SELECT to_regnamespace('tenants_pooled')"):
                for (table,) in await connection.fetch(
                    "SELECT relname FROM pg_class WHERE relnamespace = 'tenants_pooled'::regnamespace AND relkind = 'r'"
                ):
                    if await connection.fetchval(
                        f'SELECT 1 FROM tenants_pooled."{table}" WHERE tenant_id = $1 LIMIT 1', tenant.tenant_id
                    ):
                        shared.append(f"rows in {table}")
        return [row[0] for row in rows] + shared


@asynccontextmanager
async def world_of(
    superuser, *, address="", blueprint=None, connections=None, pooled_role="", own_databases=False
) -> AsyncIterator[World]:
    settings = PostgresSettings(
        servers=ServersSettings(url=Secret(address or superuser)),
        pooled_role=pooled_role or f"pooled_{uuid4().hex[:8]}",  # roles belong to the server, which other tests share
        own_databases=own_databases,
        connections=connections or ConnectionSettings(lock_timeout=timedelta(seconds=30)),
    )
    blueprint = blueprint or load(BlueprintSettings())
    async with PostgresDatabases(settings) as databases:
        schemas = Schemas(databases, blueprint, Rules(LIMITS, reserved=databases.reserved))
        yield World(schemas, databases, settings, superuser, blueprint)


@pytest_asyncio.fixture(scope="module")
async def world(postgres) -> AsyncIterator[World]:
    async with world_of(await postgres.database()) as world:
        yield world


@dataclass(slots=True)
class StatementProxy(FaultProxy):
    """Does something at one of the pieces that go to the server, which are its statements: it cuts, or tells."""

    cut_at: int = 0
    """Which piece; 0 cuts none."""
    answered: bool = False
    """Whether it still arrives and has its effect, and only the answer is lost."""
    pieces: int = 0
    reached: asyncio.Event | None = None
    """Told instead, where somebody waits for it."""

    async def _pump(self, reader, writer, *, reply):
        while data := await reader.read(CHUNK):
            self.pieces += not reply
            if self.cut_at and self.pieces >= self.cut_at and reply is self.answered:
                if self.reached is None:
                    self.cut()
                    return
                self.reached.set()
            writer.write(data)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()


@pytest_asyncio.fixture(scope="module")
async def proxied(postgres, world):
    """The world through a proxy that can cut: the world, and the proxy."""
    with socket.socket() as chooser:
        chooser.bind(("127.0.0.1", 0))
        port = chooser.getsockname()[1]
    proxy = StatementProxy("127.0.0.1", port, ("127.0.0.1", postgres.port))
    await proxy.heal()
    address = world.superuser.replace(f":{postgres.port}/", f":{port}/")
    async with world_of(world.superuser, address=address, pooled_role=world.settings.pooled_role) as through:
        yield through, proxy
    await proxy.close()


@pytest.fixture
def folder(tmp_path):
    """A blueprint of somebody's own: `folder(migrations={file: sql}, seeds={template: {file: text}})`."""

    def folder(migrations=None, seeds=None) -> Blueprint:
        root = tmp_path / uuid4().hex
        built_in = {path.name: path.read_text() for path in (BUILT_IN / "migrations").iterdir()}
        files = {f"migrations/{name}": text for name, text in (migrations or built_in).items()}
        templates = {"default": {"template.toml": 'version = "1"'}} | (seeds or {})
        files |= {f"seeds/{name}/{file}": text for name, texts in templates.items() for file, text in texts.items()}
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return load(BlueprintSettings(folder=root))

    return folder


@pytest.fixture
def with_blueprint():
    """The same database, and another blueprint."""

    def with_blueprint(world, blueprint) -> World:
        schemas = Schemas(world.databases, blueprint, Rules(LIMITS, reserved=world.databases.reserved))
        return replace(world, schemas=schemas, blueprint=blueprint)

    return with_blueprint
