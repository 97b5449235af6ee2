"""The RPCs of events: translate, call, translate. Nothing is decided here."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import grpc

from faults import Invalid, Violation
from pagekit import PageTokens
from postgreskit import Column, Pages, Transaction
from tenantmesh.tenants.v1 import event_service_pb2 as pb
from tenantmesh.tenants.v1 import event_service_pb2_grpc as rpc
from tenants_service.events import translate
from tenants_service.events.model import Filter
from tenants_service.events.service import Reports
from tenants_service.events.store import TenantLog, read_page
from tenants_service.store import Records
from tenants_service.watching.service import Tail

Context = grpc.aio.ServicerContext[Any, Any]

_SILENCE: Final = timedelta(seconds=15)


class EventHandlers(rpc.EventServiceServicer):
    """EventService over the record of events, and its tail."""

    def __init__(self, records: Records, tail: Tail, tokens: PageTokens) -> None:
        self._records = records
        self._tail = tail
        self._tokens = tokens
        self._pages = Pages(tokens, "tenants.ListEvents", default=100, limit=500)

    async def AppendEvents(self, request: pb.AppendEventsRequest, context: Context) -> pb.AppendEventsResponse:
        """Put events of a tenant on record."""
        drafts, cause = translate.drafts_from(request), translate.cause_from(request.metadata)

        async def work(tx: Transaction) -> pb.AppendEventsResponse:
            kept, added = await Reports(TenantLog(tx)).append(UUID(request.tenant_id), drafts, cause)
            return pb.AppendEventsResponse(events=map(translate.event_to, kept), appended_count=added)

        return await self._records.write(request, pb.AppendEventsResponse, work, tenant_id=request.tenant_id)

    async def ListEvents(self, request: pb.ListEventsRequest, context: Context) -> pb.ListEventsResponse:
        """List events by position."""
        wanted = translate.filter_from(request)
        order = (Column("position", descending=request.order_by.endswith("desc")),)
        page = self._pages.open(
            size=request.page_size, token=request.page_token, order=order, scope=[json.dumps(wanted.scope())]
        )
        async with self._records.of_one_or_all(request.tenant_id) as tx:
            events, token = await read_page(tx, page, wanted)
        return pb.ListEventsResponse(events=map(translate.event_to, events), next_page_token=token)

    async def WatchEvents(
        self, request: pb.WatchEventsRequest, context: Context
    ) -> AsyncIterator[pb.WatchEventsResponse]:
        """Stream events as they are put on record."""
        wanted = translate.filter_from(request)
        scope = _scope(wanted)
        after = None if request.only_new else self._start(request, scope)
        silence = request.heartbeat_interval.ToTimedelta() if request.HasField("heartbeat_interval") else _SILENCE
        async with aclosing(self._tail.watch(wanted, after=after, silence=silence)) as sightings:
            async for sighting in sightings:
                yield translate.sighting_to(sighting, self._tokens.sign([sighting.position], scope=scope))

    def _start(self, request: pb.WatchEventsRequest, scope: str) -> int:
        try:
            place = self._tokens.open(request.resume_token, scope=scope)
        except Invalid:
            raise Invalid(
                "The resume token was not given out for this stream. Begin at a position instead.",
                reason="RESUME_TOKEN_INVALID",
                violations=[Violation("resume_token", "must be one of the last stream, of the same filter")],
            ) from None
        return request.after_position if place is None else int(str(place[0]))


def _scope(wanted: Filter) -> str:
    return json.dumps(["tenants.WatchEvents", *wanted.scope()])
