"""The RPCs of the outbox: translate, call, translate. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import grpc

from chassis import context as calls
from pagekit import PageTokens
from postgreskit import Column, Order, Pages, Transaction
from tenantmesh.tenants.v1 import outbox_service_pb2 as pb
from tenantmesh.tenants.v1 import outbox_service_pb2_grpc as rpc
from tenants_service.outbox.model import Entry
from tenants_service.outbox.ports import Subscriptions
from tenants_service.outbox.service import Outbox
from tenants_service.outbox.store import EntryStore, claim, read_page
from tenants_service.outbox.translate import claim_from, entry_to, state_from, wish_from
from tenants_service.store import Records
from tenants_service.tenants.store import TenantStore

Context = grpc.aio.ServicerContext[Any, Any]
Change: TypeAlias = (
    pb.CompleteOutboxEntryRequest
    | pb.DeferOutboxEntryRequest
    | pb.RequeueOutboxEntryRequest
    | pb.CancelOutboxEntryRequest
)
M = TypeVar(
    "M",
    pb.CompleteOutboxEntryResponse,
    pb.DeferOutboxEntryResponse,
    pb.RequeueOutboxEntryResponse,
    pb.CancelOutboxEntryResponse,
)

_ORDER: Order = (Column("create_time"), Column("outbox_entry_id"))


class OutboxHandlers(rpc.OutboxServiceServicer):
    """OutboxService over the records. The time is the database's: it is the one clock all replicas share."""

    def __init__(
        self, records: Records, tokens: PageTokens, *, subscriptions: Callable[[Transaction], Subscriptions]
    ) -> None:
        self._records = records
        self._pages = Pages(tokens, "tenants.ListOutboxEntries", default=100, limit=500)
        self._subscriptions = subscriptions

    async def CreateOutboxEntry(
        self, request: pb.CreateOutboxEntryRequest, context: Context
    ) -> pb.CreateOutboxEntryResponse:
        """Accept a request to work on a tenant."""
        wish, wanted = wish_from(request), claim_from(request) if request.claim_id else None
        call = calls.current()
        principal = call.principal.name if call and call.principal else ""

        async def work(tx: Transaction) -> pb.CreateOutboxEntryResponse:
            entry_id = await tx.fetchval("SELECT uuidv7()")
            outbox = await self._outbox(tx, wish.tenant_id)
            entry, created = await outbox.accept(entry_id, wish, wanted, principal)
            return pb.CreateOutboxEntryResponse(outbox_entry=entry_to(entry), created=created)

        return await self._records.write(request, pb.CreateOutboxEntryResponse, work, tenant_id=request.tenant_id)

    async def ClaimOutboxEntries(
        self, request: pb.ClaimOutboxEntriesRequest, context: Context
    ) -> pb.ClaimOutboxEntriesResponse:
        """Claim entries that are due."""
        async with self._records.of_mesh() as tx:
            entries = await claim(tx, claim_from(request), request.limit)
        return pb.ClaimOutboxEntriesResponse(outbox_entries=map(entry_to, entries))

    async def CompleteOutboxEntry(
        self, request: pb.CompleteOutboxEntryRequest, context: Context
    ) -> pb.CompleteOutboxEntryResponse:
        """Note that an operation was started."""
        entry_id, claim_id = UUID(request.outbox_entry_id), UUID(request.claim_id)
        return await self._change(
            request, pb.CompleteOutboxEntryResponse, lambda outbox: outbox.complete(entry_id, claim_id)
        )

    async def DeferOutboxEntry(
        self, request: pb.DeferOutboxEntryRequest, context: Context
    ) -> pb.DeferOutboxEntryResponse:
        """Note that starting failed."""
        entry_id, claim_id = UUID(request.outbox_entry_id), UUID(request.claim_id)
        return await self._change(
            request, pb.DeferOutboxEntryResponse, lambda outbox: outbox.defer(entry_id, claim_id, request.error)
        )

    async def RequeueOutboxEntry(
        self, request: pb.RequeueOutboxEntryRequest, context: Context
    ) -> pb.RequeueOutboxEntryResponse:
        """Make an entry due now."""
        entry_id = UUID(request.outbox_entry_id)
        return await self._change(request, pb.RequeueOutboxEntryResponse, lambda outbox: outbox.requeue(entry_id))

    async def CancelOutboxEntry(
        self, request: pb.CancelOutboxEntryRequest, context: Context
    ) -> pb.CancelOutboxEntryResponse:
        """Give up an entry."""
        entry_id, claim_id = UUID(request.outbox_entry_id), UUID(request.claim_id) if request.claim_id else None
        return await self._change(
            request, pb.CancelOutboxEntryResponse, lambda outbox: outbox.cancel(entry_id, claim_id, request.reason)
        )

    async def ListOutboxEntries(
        self, request: pb.ListOutboxEntriesRequest, context: Context
    ) -> pb.ListOutboxEntriesResponse:
        """List entries, the oldest first."""
        scope = [request.tenant_id, str(request.state), request.operation_id]
        page = self._pages.open(size=request.page_size, token=request.page_token, order=_ORDER, scope=scope)
        async with self._records.of_one_or_all(request.tenant_id) as tx:
            entries, token = await read_page(tx, page, state_from(request.state), request.operation_id)
        return pb.ListOutboxEntriesResponse(outbox_entries=map(entry_to, entries), next_page_token=token)

    async def _change(self, request: Change, answer: type[M], change: Callable[[Outbox], Awaitable[Entry]]) -> M:
        async def work(tx: Transaction) -> M:
            return answer(outbox_entry=entry_to(await change(await self._outbox(tx, UUID(request.tenant_id)))))

        return await self._records.write(request, answer, work, tenant_id=request.tenant_id)

    async def _outbox(self, tx: Transaction, tenant_id: UUID) -> Outbox:
        now = await tx.fetchval("SELECT now()")
        tenants = TenantStore(tx, self._records)
        return Outbox(tenant_id, EntryStore(tx, tenant_id), tenants, self._subscriptions(tx), now=now)
