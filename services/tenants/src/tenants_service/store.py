"""Whose rows a transaction sees, and doing a request once.

async with records.of(tenant_id) as tx: ...   # one tenant's rows
async with records.of_mesh() as tx: ...       # the mesh's own: leads, limits, claims on names
async with records.of_all() as tx: ...        # everybody's, to read
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from itertools import accumulate
from typing import TypeVar
from uuid import UUID

import asyncpg
from google.protobuf.message import Message

from chassis import context
from faults import Exhausted
from postgreskit import (
    Database,
    OpenPage,
    Page,
    RequestKey,
    Session,
    Transaction,
    answered,
    once,
    request_key,
    retrying,
)
from postgreskit.seal import Seal

MESH = UUID(int=0)
"""The tenant that owns what belongs to no tenant."""


M = TypeVar("M", bound=Message)

Spend = Callable[[Session], Awaitable[None]]
"""Counts a call in transactions of its own, or refuses it."""

_PAGE_TEXT = 512 * 1024
"""Characters of long texts in one page. As a message they are up to four times as many bytes; clients take 4 MiB."""

_ENTER = "SELECT current_setting('app.tenant_id', true), set_config('app.tenant_id', $1, true)"
_LEAVE = "SELECT set_config('app.tenant_id', $1, true)"


class Records:
    """The database of the service, as its handlers use it."""

    def __init__(
        self, database: Database, seal: Seal, *, operator_role: str, wake: Callable[[], None] = lambda: None
    ) -> None:
        """Describe it.

        Args:
            database: where it is.
            seal: hides what is kept to answer repeated requests.
            operator_role: the role that reads everybody's rows.
            wake: called after each write: there may be events for those who watch.
        """
        self._database = database
        self._seal = seal
        self._wake = wake
        self._become_operator = 'SET LOCAL ROLE "{}"'.format(operator_role.replace('"', '""'))

    def of(self, tenant_id: str | UUID) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that sees one tenant's rows."""
        return self._database.tenant(tenant_id).transaction()

    def of_mesh(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that sees what belongs to no tenant."""
        return self._database.transaction()

    def session(self) -> Session:
        """A connection for transactions that follow each other."""
        return self._database.session()

    @asynccontextmanager
    async def of_all(self) -> AsyncIterator[Transaction]:
        """A transaction that sees everybody's rows, and can write none."""
        async with self._database.transaction(readonly=True) as tx:
            await tx.execute(self._become_operator)
            yield tx

    def of_one_or_all(self, tenant_id: str) -> AbstractAsyncContextManager[Transaction]:
        """A transaction to read one tenant's rows; everybody's where none is named."""
        return self.of(tenant_id) if tenant_id else self.of_all()

    @asynccontextmanager
    async def everybodys(self, tx: Transaction) -> AsyncIterator[None]:
        """Let a transaction read everybody's rows inside the block, and write none."""
        await tx.execute(self._become_operator)
        yield
        await tx.execute("SET LOCAL ROLE NONE")

    async def write(
        self,
        request: Message,
        answer: type[M],
        work: Callable[[Transaction], Awaitable[M]],
        *,
        tenant_id: str = "",
        limit: Spend | None = None,
    ) -> M:
        """Do the work of a request in one transaction, and once however often the request is sent.

        Args:
            request: the message; a `request_id` in it makes a repeat answer what the first time did, `validate_only`
                takes everything back and answers what would be.
            answer: the type of the response.
            work: has all its effects in the transaction it is given.
            tenant_id: whose rows the transaction sees; empty for what belongs to no tenant.
            limit: refuses one call too many, but no repeat of what was answered already.
        """
        if getattr(request, "validate_only", False):
            return await self._rehearse(work, tenant_id)
        key = _key(request, tenant_id)
        whose = UUID(tenant_id) if tenant_id else None
        async with self.session() as session:
            if limit is not None:
                await _within(session, limit, key, whose)

            async def attempt() -> M:
                async with session.transaction(whose) as tx:
                    return await (self._once(tx, key, answer, work) if key else work(tx))

            done = await retrying(attempt)
        self._wake()
        return done

    async def _once(
        self, tx: Transaction, key: RequestKey, answer: type[M], work: Callable[[Transaction], Awaitable[M]]
    ) -> M:
        async def sealed() -> bytes:
            # Some answers hold a key or a token.
            return self._seal.close((await work(tx)).SerializeToString())

        return answer.FromString(self._seal.open(await once(tx, key, sealed)))

    async def _rehearse(self, work: Callable[[Transaction], Awaitable[M]], tenant_id: str) -> M:
        async with self.of(tenant_id) if tenant_id else self.of_mesh() as tx:
            rehearsal = tx.transaction()
            await rehearsal.start()
            answer = await work(tx)
            await rehearsal.rollback()
        return answer


def _key(request: Message, tenant_id: str) -> RequestKey | None:
    """Which request this is, where it says."""
    request_id: str = getattr(request, "request_id", "")
    if not request_id:
        return None
    call, asked = context.current(), type(request)()
    asked.CopyFrom(request)
    asked.ClearField("request_id")  # a UUID is the same one however it is written
    return request_key(
        caller=call.principal.name if call and call.principal else "",
        method=request.DESCRIPTOR.full_name,
        request_id=request_id,
        payload=asked.SerializeToString(deterministic=True),
        tenant_id=tenant_id or MESH,
    )


async def _within(session: Session, limit: Spend, key: RequestKey | None, whose: UUID | None) -> None:
    """Spend on a request; what was answered already is beyond every limit."""
    try:
        await limit(session)
    except Exhausted:
        async with session.transaction(whose) as tx:
            if not await answered(tx, key):
                raise


def close_fitting(page: OpenPage, rows: Sequence[asyncpg.Record], size: Callable[[asyncpg.Record], int]) -> Page:
    """The page that rows of `page.select` are, cut where one message ends; the first row always fits."""
    sizes = accumulate(map(size, rows[: page.size]))
    return replace(page, size=max(1, sum(one <= _PAGE_TEXT for one in sizes))).close(list(rows))


@asynccontextmanager
async def seen_by(tx: Transaction, tenant_id: UUID) -> AsyncIterator[None]:
    """Let the transaction see one tenant's rows inside the block, MESH for the mesh's own, and what it saw after it.

    An error leaves it as it is: the transaction is lost anyway.
    """
    scope = "" if tenant_id == MESH else str(tenant_id)
    before = await tx.fetchval(_ENTER, scope) or ""
    yield
    if before != scope:
        await tx.execute(_LEAVE, before)
