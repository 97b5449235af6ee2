"""The RPCs of the contract: translate, call, translate. Nothing is decided here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc

from dns_service import translate
from dns_service.model import RecordKey, RecordType
from dns_service.service import Records
from pagekit import PageTokens, page_size
from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc

_PAGE_SIZE = 100
_PAGE_LIMIT = 500

Context = grpc.aio.ServicerContext[Any, Any]


class DnsHandlers(rpc.DnsServiceServicer):
    """DnsService over whichever provider `records` stand at."""

    def __init__(self, records: Records, tokens: PageTokens) -> None:
        self._records = records
        self._tokens = tokens

    async def EnsureRecord(self, request: pb.EnsureRecordRequest, context: Context) -> pb.EnsureRecordResponse:
        """Make a record, or confirm that it is so."""
        key = translate.key_from(request)
        record, created = await self._records.ensure(
            key,
            translate.data_from(request, key),
            tenant_id=translate.tenant_from(request),
            operation_id=request.operation_id,
            validate_only=request.validate_only,
        )
        return pb.EnsureRecordResponse(record=translate.record_to(record), created=created)

    async def GetRecord(self, request: pb.GetRecordRequest, context: Context) -> pb.GetRecordResponse:
        """Read a record from its provider."""
        record = await self._records.get(translate.key_from(request), tenant_id=translate.tenant_from(request))
        return pb.GetRecordResponse(record=translate.record_to(record))

    async def ListRecords(self, request: pb.ListRecordsRequest, context: Context) -> pb.ListRecordsResponse:
        """List what the mesh made."""
        tenant_id = translate.tenant_from(request)
        scope = f"dns.ListRecords|{tenant_id}|{request.operation_id}"
        page = await self._records.list(
            tenant_id=tenant_id,
            operation_id=request.operation_id,
            after=_key_from(self._tokens.open(request.page_token, scope=scope)),
            size=page_size(request.page_size, default=_PAGE_SIZE, limit=_PAGE_LIMIT),
        )
        return pb.ListRecordsResponse(
            records=map(translate.record_to, page.records),
            next_page_token=self._tokens.sign((page.last.name, page.last.type.name), scope=scope) if page.last else "",
        )

    async def DeleteRecord(self, request: pb.DeleteRecordRequest, context: Context) -> pb.DeleteRecordResponse:
        """Remove a record, or confirm that there is none."""
        existed = await self._records.delete(
            translate.key_from(request), tenant_id=translate.tenant_from(request), operation_id=request.operation_id
        )
        return pb.DeleteRecordResponse(existed=existed)

    async def VerifyRecord(
        self, request: pb.VerifyRecordRequest, context: Context
    ) -> AsyncIterator[pb.VerifyRecordResponse]:
        """Ask the name servers, and stream each round."""
        patience = request.patience.ToTimedelta() if request.HasField("patience") else timedelta()
        key = translate.key_from(request)
        async for verification in self._records.verify(
            key, tenant_id=translate.tenant_from(request), patience=patience
        ):
            yield pb.VerifyRecordResponse(verification=translate.verification_to(verification))

    async def SweepRecords(
        self, request: pb.SweepRecordsRequest, context: Context
    ) -> AsyncIterator[pb.SweepRecordsResponse]:
        """Find what dangles, and stream each finding."""
        async for finding in self._records.sweep(
            tenant_id=translate.tenant_from(request),
            older_than=translate.older_than_from(request),
            validate_only=request.validate_only,
        ):
            yield translate.finding_to(finding)


def _key_from(position: tuple[object, ...] | None) -> RecordKey | None:
    return None if position is None else RecordKey(str(position[0]), RecordType[str(position[1])])
