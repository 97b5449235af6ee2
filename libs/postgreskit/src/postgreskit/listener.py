"""Waking up when another process has work: LISTEN and NOTIFY, many wake-ups made one, over a connection of its own.

A wake-up says "look now", never what there is to see: it can be lost with the connection, so the tables stay the truth,
and a listener also wakes up by itself from time to time. It is sent after the commit, not inside the transaction, since
a NOTIFY makes commits of the whole database wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import Final, Self, TypeAlias

import asyncpg

from faults import Unavailable
from postgreskit.errors import DOMAIN, describe, log
from postgreskit.identifiers import quote
from postgreskit.pool import CONNECTION_ERRORS
from postgreskit.settings import DatabaseSettings

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

FIRST_PAUSE: Final = timedelta(milliseconds=50)
LONGEST_PAUSE: Final = timedelta(seconds=5)
ANSWER_PATIENCE: Final = timedelta(seconds=5)


class Listener:
    """Wake-ups of one channel, sent and received. A resource: it connects again for as long as it is open."""

    def __init__(
        self,
        settings: DatabaseSettings,
        channel: str,
        *,
        debounce: timedelta = timedelta(milliseconds=20),
        every: timedelta = timedelta(seconds=10),
    ) -> None:
        """Describe the channel; nothing is opened yet.

        Args:
            settings: where the database is; `direct_url` where a pooler stands before it.
            channel: what listeners and senders agree on.
            debounce: how long wake-ups gather before they count as one, when received and when sent.
            every: a wake-up comes at least this often, and as often the connection is tried for being alive.
        """
        self.name = f"listener {channel}"
        self._address = settings.direct_url or settings.url
        self._channel = channel
        self._debounce = debounce.total_seconds()
        self._every = every.total_seconds()
        self._hearing: set[asyncio.Event] = set()
        self._asked = asyncio.Event()
        self._connected = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._in_background())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def _in_background(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._stay_connected(), name=self.name)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def check(self) -> None:
        """Raise a fault while there is no connection: wake-ups then come from the clock alone."""
        if not self._connected.is_set():
            message, facts = "The wake-ups' connection is away.", {"dependency": self.name}
            raise Unavailable(message, reason="DEPENDENCY_UNAVAILABLE", facts=facts, domain=DOMAIN)

    def wake(self) -> None:
        """Have every listener of the channel wake up soon. Call it after the commit; it never waits and never fails."""
        self._asked.set()

    async def wakeups(self) -> AsyncIterator[None]:
        """One item at the start, one after each burst of wake-ups, after each new connection, and every so often."""
        heard = asyncio.Event()
        self._hearing.add(heard)
        try:
            while True:
                heard.clear()  # before the caller looks: what comes while it does counts
                yield
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._every):
                        await heard.wait()
                        await asyncio.sleep(self._debounce)
        finally:
            self._hearing.discard(heard)

    def _hear(self) -> None:
        for heard in self._hearing:
            heard.set()

    async def _stay_connected(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                connection = await self._connect()
            except CONNECTION_ERRORS as error:
                log.warning("%s: no connection: %s", self.name, describe(error))
                await asyncio.sleep(pause.total_seconds())
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            try:
                await self._serve(connection)
            except CONNECTION_ERRORS as error:
                log.warning("%s: the connection broke: %s", self.name, describe(error))
            finally:
                self._connected.clear()
                connection.terminate()

    async def _connect(self) -> Connection:
        patience = ANSWER_PATIENCE.total_seconds()
        return await asyncpg.connect(
            self._address.reveal(),
            timeout=patience,
            command_timeout=patience,
            server_settings={"application_name": self.name},
        )

    async def _serve(self, connection: Connection) -> None:
        """Listen, and send what is asked for, until the connection breaks."""
        # So that a cut is seen at once, and what was being sent then is sent again.
        connection.add_termination_listener(lambda _: self._asked.set())
        await connection.add_listener(self._channel, lambda *_: self._hear())
        self._connected.set()
        self._hear()  # whatever was sent before is lost
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._asked.wait()
            if not self._asked.is_set():
                await connection.execute("SELECT 1")  # a connection cut without a word is found out
                continue
            self._asked.clear()
            await connection.execute(f"NOTIFY {quote(self._channel)}")
            await asyncio.sleep(self._debounce)
