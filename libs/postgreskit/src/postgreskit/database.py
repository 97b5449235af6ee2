"""One database, and the transactions a service does its work in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias
from uuid import UUID

from postgreskit import pool as pools
from postgreskit.errors import NO_CONSTRAINTS, Constraints, translated
from postgreskit.settings import DatabaseSettings

Transaction: TypeAlias = pools.PooledConnection
"""asyncpg's connection with a transaction open on it; `async with tx.transaction():` inside it is a savepoint."""

Isolation = Literal["read_committed", "repeatable_read", "serializable"]

CHECK_PATIENCE: Final = timedelta(seconds=2)


class Database:
    """The connections one process holds to one database.

    A resource: `async with Database(settings) as database`, or one of the resources of a server. It opens when the
    database answers and gives up after `start_patience`. It hands out nothing but transactions, so it works the same
    behind a transaction-mode pooler, where nothing else belongs to one client.
    """

    def __init__(self, settings: DatabaseSettings, *, name: str = "postgres", application: str = "tenantmesh") -> None:
        """Describe the database; nothing is opened yet.

        Args:
            settings: where it is, and how much of it to hold.
            name: what health answers and faults call it.
            application: what the server's activity view calls this process.
        """
        self.name = name
        self._settings = settings
        self._application = application
        self._pool: pools.Pool | None = None
        self._stack = AsyncExitStack()

    def __repr__(self) -> str:
        return f"Database(name={self.name!r})"

    async def __aenter__(self) -> Self:
        opened = pools.opened(self._settings, name=self.name, application=self._application)
        self._pool = await self._stack.enter_async_context(opened)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pool = None  # nothing new begins
        await self._stack.aclose()

    async def check(self) -> None:
        """Raise a fault when the database does not answer."""
        async with Session(self._opened(), CHECK_PATIENCE, self.name) as session:
            await session.check()

    def stats(self) -> pools.PoolStats:
        """How full the pool is now, for a metrics callback."""
        pool = self._opened()
        return pools.PoolStats(pool.get_size(), pool.get_idle_size(), pool.get_max_size())

    def transaction(
        self,
        *,
        constraints: Constraints = NO_CONSTRAINTS,
        isolation: Isolation | None = None,
        readonly: bool = False,
    ) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that belongs to no tenant: row-level security shows it no tenant's rows.

        It is committed when the block ends and rolled back when the block raises. Driver errors leave it as faults.

        Args:
            constraints: the faults of changes that break a constraint, by the constraint's name.
            isolation: the server's default when not given.
            readonly: whether the server should refuse to write.
        """
        return self._transaction(None, constraints, isolation, readonly)

    def session(self) -> Session:
        """One connection for transactions that follow each other: `async with database.session() as session`."""
        return Session(self._opened(), self._settings.pool_wait, self.name)

    def tenant(self, tenant_id: str | UUID) -> TenantDatabase:
        """The same database as one tenant sees it. A ValueError says that the id is no UUID."""
        return TenantDatabase(self, tenant_id if isinstance(tenant_id, UUID) else UUID(tenant_id))

    @asynccontextmanager
    async def _transaction(
        self,
        tenant_id: UUID | None,
        constraints: Constraints,
        isolation: Isolation | None,
        readonly: bool,  # noqa: FBT001 - private, handed through
    ) -> AsyncIterator[Transaction]:
        async with (
            self.session() as session,
            session.transaction(tenant_id, constraints=constraints, isolation=isolation, readonly=readonly) as tx,
        ):
            yield tx

    def _opened(self) -> pools.Pool:
        if self._pool is None:
            msg = f"{self.name} is not open: enter it with `async with`"
            raise RuntimeError(msg)
        return self._pool


class Session:
    """One connection, taken from the pool and given back once, which costs about as much as a statement.

    Like a database it hands out nothing but transactions, here one after the other.
    """

    __slots__ = ("_connection", "_name", "_patience", "_pool")

    def __init__(self, pool: pools.Pool, patience: timedelta, name: str) -> None:
        self._pool = pool
        self._patience = patience
        self._name = name
        self._connection: Transaction

    async def __aenter__(self) -> Self:
        self._connection = await pools.acquire(self._pool, self._patience, self._name)
        return self

    async def __aexit__(self, *_: object) -> None:
        await pools.release(self._pool, self._connection, self._name)

    def transaction(
        self,
        tenant_id: UUID | None = None,
        *,
        constraints: Constraints = NO_CONSTRAINTS,
        isolation: Isolation | None = None,
        readonly: bool = False,
    ) -> AbstractAsyncContextManager[Transaction]:
        """A transaction, of a tenant if one is named; otherwise as `Database.transaction`."""
        return _Transaction(self._connection, tenant_id, self._translated(constraints), isolation, readonly)

    async def check(self) -> None:
        """Raise a fault when the database does not answer."""
        with self._translated(NO_CONSTRAINTS):
            # A statement without arguments is one round trip, so a pooler cannot cut it in two.
            await self._connection.execute("SELECT 1", timeout=self._patience.total_seconds())

    def _translated(self, constraints: Constraints) -> translated:
        return translated(self._name, constraints, lost=lambda: pools.is_gone(self._connection))


class _Transaction:
    """The block of a transaction: written out, since every call has one, and a generator takes four times as long."""

    __slots__ = ("_connection", "_isolation", "_opened", "_readonly", "_tenant_id", "_translated")

    def __init__(
        self,
        connection: Transaction,
        tenant_id: UUID | None,
        faults: translated,
        isolation: Isolation | None,
        readonly: bool,  # noqa: FBT001 - private, handed through
    ) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._translated = faults
        self._isolation = isolation
        self._readonly = readonly

    async def __aenter__(self) -> Transaction:
        with self._translated:
            self._opened = self._connection.transaction(isolation=self._isolation, readonly=self._readonly)
            await self._opened.__aenter__()
            if self._tenant_id is not None:
                try:
                    # LOCAL: it ends with the transaction. The text of a UUID needs no quoting.
                    await self._connection.execute(f"SET LOCAL app.tenant_id = '{self._tenant_id}'")
                except BaseException as error:
                    await self._opened.__aexit__(type(error), error, error.__traceback__)
                    raise
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._translated:
            await self._opened.__aexit__(kind, error, trace)
        self._translated.__exit__(kind, error, trace)


@dataclass(frozen=True, slots=True)
class TenantDatabase:
    """A database as one tenant sees it: row-level security shows its transactions that tenant's rows alone."""

    database: Database
    tenant_id: UUID

    def transaction(
        self,
        *,
        constraints: Constraints = NO_CONSTRAINTS,
        isolation: Isolation | None = None,
        readonly: bool = False,
    ) -> AbstractAsyncContextManager[Transaction]:
        """A transaction of this tenant; otherwise as `Database.transaction`."""
        return self.database._transaction(self.tenant_id, constraints, isolation, readonly)  # noqa: SLF001 - one unit
