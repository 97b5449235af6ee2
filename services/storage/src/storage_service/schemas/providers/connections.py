"""The connections to one database server, which hand out nothing but transactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self
from urllib.parse import quote as quote_url
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from faults import Timeout, Unavailable
from postgreskit import Migration, Target, Transaction, load_migrations, migrate_on
from postgreskit.identifiers import quote
from settingskit import Problem, Secret, SettingsInvalid, setting
from storage_service.schemas.providers.errors import away, not_writable, translated

CONTROL = "tenantmesh"
"""The schema of the mesh's own tables."""

# Roles belong to the whole server, where others may be making the same at the same time. Who makes it may act as it.
_ROLE = """
DO $$ BEGIN
    CREATE ROLE {role} NOLOGIN;
    GRANT {role} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$"""


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """How much of a database server one process may hold."""

    pool_max: int = setting(
        "TENANT_DATABASE_POOL_MAX", default=16, minimum=2, help="Connections one process holds to each server."
    )
    max_statements: int = setting(
        "TENANT_DATABASE_MAX_STATEMENTS",
        default=5000,
        minimum=1,
        help="A connection is replaced after so many: its server process grows with every table it has touched.",
    )
    max_idle: timedelta = setting(
        "TENANT_DATABASE_MAX_IDLE", default=timedelta(minutes=1), help="Idle connections are closed after this."
    )
    connect_timeout: timedelta = setting(
        "TENANT_DATABASE_CONNECT_TIMEOUT",
        default=timedelta(seconds=5),
        minimum=timedelta(milliseconds=1),
        help="The longest one attempt to connect may take.",
    )
    statement_timeout: timedelta = setting(
        "TENANT_DATABASE_COMMAND_TIMEOUT",
        default=timedelta(minutes=1),
        minimum=timedelta(milliseconds=1),
        help="The longest one statement of the service may take.",
    )
    lock_timeout: timedelta = setting(
        "TENANT_DATABASE_LOCK_TIMEOUT",
        default=timedelta(seconds=10),
        minimum=timedelta(milliseconds=1),
        help="How long a call waits for another one that changes the same schema.",
    )


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is, and as whom the service signs in."""

    url: Secret

    def __post_init__(self) -> None:
        """Refuse what is no address; the driver's own complaint would quote the password."""
        try:
            parts = urlsplit(self.url.reveal())
            valid = parts.scheme in {"postgresql", "postgres"} and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            valid = False
        if not valid:
            problem = "must be an address such as postgresql://user:password@host:5432/database"
            raise SettingsInvalid([Problem("TENANT_DATABASE_URL", problem)])

    @property
    def host(self) -> str:
        """The server's name or address."""
        return urlsplit(self.url.reveal()).hostname or ""

    @property
    def port(self) -> int:
        """Its port."""
        return urlsplit(self.url.reveal()).port or 5432

    def at(self, database: str) -> Address:
        """Another database of the same server."""
        parts = urlsplit(self.url.reveal())
        return Address(Secret(urlunsplit(parts._replace(path=f"/{quote_url(database, safe='')}"))))

    @property
    def database(self) -> str:
        """The database."""
        return unquote(urlsplit(self.url.reveal()).path.removeprefix("/")) or "postgres"


class Connections:
    """A pool of connections to one database, which is prepared before the first use."""

    def __init__(self, server: str, address: Address, settings: ConnectionSettings, *, pooled_role: str) -> None:
        """Describe it; nothing is opened yet.

        Args:
            server: its name in the settings.
            address: where it is.
            settings: how much of it to hold.
            pooled_role: the role that reads and writes the shared schema.
        """
        self.server = server
        self.address = address
        self._settings = settings
        self._pooled_role = pooled_role
        self._stack = AsyncExitStack()
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._preparing = asyncio.Lock()
        self._prepared = False

    async def __aenter__(self) -> Self:
        pool = asyncpg.create_pool(
            self.address.url.reveal(),
            min_size=0,  # a server that is away is no reason not to start
            max_size=self._settings.pool_max,
            max_queries=self._settings.max_statements,
            max_inactive_connection_lifetime=self._settings.max_idle.total_seconds(),
            timeout=self._settings.connect_timeout.total_seconds(),
            command_timeout=self._settings.statement_timeout.total_seconds(),
            server_settings={"application_name": "tenantmesh-storage"},
            reset=_nothing_to_reset,
        )
        self._pool = await self._stack.enter_async_context(pool)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def transaction(self, schema: str = "", *, readonly: bool = False) -> AsyncIterator[Transaction]:
        """A transaction; what fails in it leaves it as a fault about that schema."""
        with translated(self.server, schema):
            await self._prepare()
            async with self._opened().acquire() as connection, connection.transaction(readonly=readonly):
                yield connection

    async def value(self, query: str, *arguments: object) -> Any:
        """The answer to one question, in one round trip."""
        with translated(self.server):
            await self._prepare()
            async with self._opened().acquire() as connection:
                return await connection.fetchval(query, *arguments)

    def to(self, database: str) -> Connections:
        """Connections to another database of the same server, to be entered."""
        return Connections(self.server, self.address.at(database), self._settings, pooled_role=self._pooled_role)

    async def check_writable(self) -> None:
        """Raise a fault when nothing can be written there now."""
        async with self.transaction() as tx:
            if await tx.fetchval("SELECT current_setting('transaction_read_only')::boolean"):
                raise not_writable(self.server, "read_only")

    @property
    def lock_timeout(self) -> int:
        """How long to wait for a lock, in milliseconds."""
        return int(self._settings.lock_timeout / timedelta(milliseconds=1))

    def _opened(self) -> asyncpg.Pool[asyncpg.Record]:
        if self._pool is None:
            raise RuntimeError(f"{self.server} is not open: enter it with `async with`")
        return self._pool

    async def _prepare(self) -> None:
        """Make the mesh's own tables and roles, once."""
        if self._prepared:
            return
        async with self._preparing:
            if not self._prepared:
                try:
                    async with self._opened().acquire() as connection:
                        await prepare(connection, self._pooled_role)
                except (Unavailable, Timeout) as fault:
                    raise away(self.server) from fault
                self._prepared = True


async def prepare(connection: Transaction, pooled_role: str) -> None:
    """Bring the mesh's own part of a database up to date."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('tenantmesh', 0))")
        await connection.execute(_ROLE.format(role=quote(pooled_role)))
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(CONTROL)}")
    target = Target(schema=CONTROL, identifiers={"pooled_role": pooled_role})
    await migrate_on(connection, _control(), target)  # type: ignore[arg-type] # the proxy has all of a connection


def _control() -> tuple[Migration, ...]:
    return load_migrations("storage_service.schemas.providers.control")


async def _nothing_to_reset(_: asyncpg.Connection[asyncpg.Record]) -> None:
    """Spare the round trip: only transactions are handed out, and what they set ends with them."""
