"""Opening asyncpg's pool, and taking connections from it and giving them back, with every failure a fault."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from faults import Exhausted, Fault, Kind
from postgreskit.errors import DOMAIN, describe, fault_of, log
from postgreskit.settings import DatabaseSettings

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
PooledConnection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

FIRST_PAUSE: Final = timedelta(milliseconds=100)
LONGEST_PAUSE: Final = timedelta(seconds=2)
CLOSE_PATIENCE: Final = timedelta(seconds=5)

CONNECTION_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What the driver raises, also while it connects; TimeoutError is an OSError."""


@dataclass(frozen=True, slots=True)
class PoolStats:
    """How full the pool is."""

    open: int
    idle: int
    max: int


@asynccontextmanager
async def opened(settings: DatabaseSettings, *, name: str, application: str) -> AsyncIterator[Pool]:
    """A pool that is open inside the block."""
    pool = await _open(settings, name, application)
    renewal = asyncio.create_task(_renew(pool, settings.max_age), name=f"{name} renewal")
    try:
        yield pool
    finally:
        renewal.cancel()
        await asyncio.gather(renewal, return_exceptions=True)
        await _close(pool, name)


async def acquire(pool: Pool, patience: timedelta, name: str) -> PooledConnection:
    """Take a connection, or raise the fault that says why there is none."""
    try:
        return await pool.acquire(timeout=patience.total_seconds())
    except TimeoutError as error:
        raise (_saturated(pool, name) or fault_of(ConnectionError("no connection in time"), name)) from error
    except CONNECTION_ERRORS as error:
        raise fault_of(error, name).with_traceback(error.__traceback__) from None


async def release(pool: Pool, connection: PooledConnection, name: str) -> None:
    """Give a connection back. The work on it is done, so a connection that breaks now is no failure of that work."""
    try:
        await pool.release(connection)
    except CONNECTION_ERRORS as error:
        log.info("%s: a connection broke when it was given back: %s", name, describe(error))


def is_gone(connection: PooledConnection) -> bool:
    """Whether it broke: the driver takes a broken connection away from its holder, or says that it is closed."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


async def _open(settings: DatabaseSettings, name: str, application: str) -> Pool:
    """Open a pool, trying again while the database comes up, at most for the patience of the settings."""
    give_up = monotonic() + settings.start_patience.total_seconds()
    pause = FIRST_PAUSE
    while True:
        try:
            return await _create(settings, application)
        except CONNECTION_ERRORS as error:
            fault = fault_of(error, name)
            last = fault.kind is Kind.INTERNAL or monotonic() + pause.total_seconds() > give_up
        if last:
            raise fault
        await asyncio.sleep(pause.total_seconds())
        pause = min(2 * pause, LONGEST_PAUSE)


async def _renew(pool: Pool, age: timedelta) -> None:
    """Replace every connection once in that time, for ever; not at the same moment in every replica."""
    while True:
        await asyncio.sleep(age.total_seconds() * random.uniform(0.8, 1))  # noqa: S311 - not for secrecy
        await pool.expire_connections()


async def _close(pool: Pool, name: str) -> None:
    """Close the pool: wait for transactions that are at work, then cut what is left."""
    try:
        async with asyncio.timeout(CLOSE_PATIENCE.total_seconds()):
            await pool.close()
    except TimeoutError:
        log.warning("%s: connections still in use were cut", name)


async def _create(settings: DatabaseSettings, application: str) -> Pool:
    return await asyncpg.create_pool(
        settings.url.reveal(),
        min_size=settings.pool_min,
        max_size=settings.pool_max,
        max_queries=sys.maxsize,  # replaced by age, not by use
        max_inactive_connection_lifetime=settings.max_idle.total_seconds(),
        statement_cache_size=settings.statement_cache,
        command_timeout=settings.command_timeout.total_seconds(),
        timeout=settings.connect_timeout.total_seconds(),
        server_settings={"application_name": application},
        reset=_nothing_to_reset,
    )


async def _nothing_to_reset(_: asyncpg.Connection) -> None:
    """Spare the round trip: only transactions are handed out, and what they set ends with them."""


def _saturated(pool: Pool, name: str) -> Fault | None:
    if pool.get_size() < pool.get_max_size() or pool.get_idle_size():
        return None
    return Exhausted(
        "Every database connection of this process is in use.",
        reason="OVERLOADED",
        facts={"dependency": name, "limit": pool.get_max_size()},
        retry_after=timedelta(seconds=1),
        domain=DOMAIN,
    )
