import asyncio
import dataclasses
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from tests.fixtures.faultproxy import fault_proxy
from tests.fixtures.servers import Postgres, server

from localstack.servers.postgres import POSTGRES
from postgreskit import Database, DatabaseSettings
from settingskit import Secret

ROLE_PASSWORD = "hunter2"


def through(address, port):
    """The address, leading through a port in front of the server."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))


@pytest.fixture
def until():
    """Waits for a condition in another process: `await until(is_so)`."""

    async def until(condition):
        async with asyncio.timeout(20):
            while not await condition():  # noqa: ASYNC110 - no event crosses the process
                await asyncio.sleep(0.01)

    return until


@pytest.fixture
async def owner(postgres):
    """The superuser's address of a fresh database: who owns the tables and migrates."""
    return await postgres.database()


@pytest.fixture
async def admin(owner):
    """A connection of the owner, to prepare and to look."""
    connection = await asyncpg.connect(owner)
    yield connection
    await connection.close()


@pytest.fixture
async def role(admin):
    """The name of an application role that may do nothing yet."""
    name = f"app_{await admin.fetchval('SELECT current_database()')}"
    await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{ROLE_PASSWORD}'")
    return name


@pytest.fixture
async def address(owner, role):
    """The application role's address of the same database."""
    parts = urlsplit(owner)
    return urlunsplit(parts._replace(netloc=f"{role}:{ROLE_PASSWORD}@{parts.hostname}:{parts.port}"))


@pytest.fixture
def settings(address):
    return DatabaseSettings(url=Secret(address), pool_max=4)


@pytest.fixture
async def database(settings):
    async with Database(settings) as database:
        yield database


@pytest.fixture
async def distant(address, settings):
    """A network that can fail, and settings that lead through it."""
    parts = urlsplit(address)
    async with fault_proxy(f"{parts.hostname}:{parts.port}") as proxy:
        yield proxy, dataclasses.replace(settings, url=Secret(through(address, proxy.port)))


@pytest.fixture
def proxied(distant):
    """The database behind a network that can fail."""

    @asynccontextmanager
    async def proxied(**changes):
        proxy, settings = distant
        async with Database(dataclasses.replace(settings, **changes)) as database:
            yield proxy, database

    return proxied


@pytest.fixture
async def notes(admin, role):
    """A table of tenants, as a service would have it."""
    await admin.execute(f"""
        CREATE TABLE notes (
            tenant_id uuid NOT NULL,
            note_id   uuid NOT NULL DEFAULT uuidv7(),
            text      text NOT NULL CONSTRAINT notes_text_not_empty CHECK (text <> ''),
            PRIMARY KEY (tenant_id, note_id),
            CONSTRAINT notes_text_key UNIQUE (tenant_id, text) DEFERRABLE INITIALLY IMMEDIATE
        );
        ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
        ALTER TABLE notes FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant ON notes USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
        GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO {role};
    """)


@pytest.fixture
async def own_postgres(tmp_path):
    """A server of this test's own, which it may kill."""
    async with server(POSTGRES, tmp_path) as one:
        yield Postgres(one)
