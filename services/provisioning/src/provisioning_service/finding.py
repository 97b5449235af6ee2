"""Finding operations, and watching one: at Temporal, or in the outbox where they wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Final

import faults
from faults import Fault, Invalid, NotFound
from pagekit import PageTokens, page_size
from provisioning_service import model, translate
from provisioning_service.engine import Engine
from provisioning_service.model import KINDS
from provisioning_service.records import Records
from tenantmesh.provisioning.v1 import operation_requests_pb2 as pb
from tenantmesh.provisioning.v1.operation_pb2 import Operation
from tenantmesh.provisioning.v1.origin_pb2 import Origin

_PAGE_SIZE: Final = 50
_PAGE_LIMIT: Final = 200
_SIGN_OF_LIFE: Final = 20.0


class Finding:
    """Operations, as they stand."""

    def __init__(self, engine: Engine, records: Records, tokens: PageTokens, watch_interval: timedelta) -> None:
        """Look at the engine first."""
        self._engine = engine
        self._records = records
        self._tokens = tokens
        self._interval = watch_interval.total_seconds()

    async def find(self, operation_id: str, run_id: str = "", *, tenant_id: str = "") -> Operation:
        """An operation, if it is the tenant's.

        Raises:
            Fault: OPERATION_NOT_FOUND; Temporal is away and the operation does not wait for it.
        """
        operation = (await self._seen(operation_id, run_id))[0]
        if tenant_id and operation.tenant_id != tenant_id.lower():
            raise model.not_found(operation_id)
        return operation

    async def list(self, request: pb.ListOperationsRequest) -> tuple[Sequence[Operation], str]:
        """A page of operations, the newest first."""
        scope = translate.scope_of(request)
        position = self._tokens.open(request.page_token, scope=scope)
        size = page_size(request.page_size, default=_PAGE_SIZE, limit=_PAGE_LIMIT)
        token = str(position[0]) if position else ""
        found, following = await self._engine.list(translate.query_from(request), size, token)
        return found, self._tokens.sign([following], scope=scope) if following else ""

    async def watch(self, request: pb.WatchOperationRequest) -> AsyncIterator[pb.WatchOperationResponse]:
        """How an operation stands, and every change, until it has ended. Temporal and workers may go and come."""
        scope = f"provisioning.WatchOperation|{request.operation_id}"
        run_id, shown = self._resumed(request, scope)
        await self.find(request.operation_id, run_id, tenant_id=request.tenant_id)
        last_word = time.monotonic()
        while True:
            try:
                operation, revision = await self._seen(request.operation_id, run_id)
            except faults.Unavailable:
                operation, revision = None, shown
            if operation is not None and (operation.state in translate.FINAL or _is_news(operation, revision, shown)):
                run_id, shown, last_word = operation.run_id or run_id, revision, time.monotonic()
                token = self._tokens.sign([run_id, revision], scope=scope)
                yield pb.WatchOperationResponse(operation=operation, resume_token=token)
                if operation.state in translate.FINAL:
                    return
            elif time.monotonic() - last_word > _SIGN_OF_LIFE:
                last_word = time.monotonic()
                yield pb.WatchOperationResponse()
            await asyncio.sleep(self._interval)

    def _resumed(self, request: pb.WatchOperationRequest, scope: str) -> tuple[str, int]:
        try:
            position = self._tokens.open(request.resume_token, scope=scope)
        except Invalid:
            facts = {"operation_id": request.operation_id}
            raise Invalid("The resume token is not ours.", reason="RESUME_TOKEN_INVALID", facts=facts) from None
        if position is None:
            return request.run_id, -1
        return str(position[0]), int(position[1] or 0)

    async def _seen(self, operation_id: str, run_id: str) -> tuple[Operation, int]:
        try:
            return await self._engine.seen(operation_id, run_id)
        except (NotFound, faults.Unavailable):
            waiting = await self._waiting(operation_id) if not run_id else None
            if waiting is None:
                raise
            return waiting, 0

    async def _waiting(self, operation_id: str) -> Operation | None:
        """The operation as it waits in the outbox."""
        kind = next((kind for kind in KINDS.values() if operation_id.startswith(f"{kind.prefix}-")), None)
        if kind is None:
            return None
        tenant_id = operation_id.removeprefix(f"{kind.prefix}-")
        try:
            entry = await self._records.waiting(tenant_id, operation_id)
        except Fault:
            return None
        if entry is None:
            return None
        who = Origin(principal=entry.principal, request_time=entry.create_time)
        return translate.pending(kind, operation_id, tenant_id, who)


def _is_news(operation: Operation, revision: int, shown: int) -> bool:
    """Whether there is something to show: where no worker could say more, that only repeats what is known, as less."""
    return revision != shown and (bool(operation.steps) or shown < 0)
