"""The RPCs of tenants: translate, call, translate. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import grpc

from faults import Invalid
from pagekit import PageTokens
from postgreskit import Column, Order, Pages, Transaction, parse_order
from tenantmesh.tenants.v1 import tenant_service_pb2 as pb
from tenantmesh.tenants.v1 import tenant_service_pb2_grpc as rpc
from tenants_service.filters import Field, equal, identifier, moment, one_of, where
from tenants_service.lifecycle.service import Lifecycle
from tenants_service.lifecycle.store import read_transitions
from tenants_service.lifecycle.translate import move_from, transition_to
from tenants_service.limits.model import Charge, Limit
from tenants_service.limits.store import Limiter
from tenants_service.limits.translate import Origins
from tenants_service.names.store import NameStore
from tenants_service.store import Records
from tenants_service.tenants.model import State, Tier
from tenants_service.tenants.service import TenantRecords
from tenants_service.tenants.store import TenantStore, read, read_by_domain, read_by_key, read_page
from tenants_service.tenants.translate import changes_from, check_to, draft_from, tenant_to, tier_from
from tenants_service.translate import domain_from

Context = grpc.aio.ServicerContext[Any, Any]

_PAGE_SIZE, _PAGE_LIMIT = 100, 500
_ORDERS = {name: Column(name) for name in ("create_time", "update_time", "key", "display_name")}
_IDENTITY = Column("tenant_id")
_HISTORY: Order = (Column("sequence"),)


def _host(text: str) -> str:
    try:
        return domain_from(text, "filter")
    except Invalid as none:
        raise ValueError(text) from none


_FILTER = {
    "state": one_of("state", State),
    "tier": one_of("tier", Tier),
    "key": equal("key"),
    "parent_tenant_id": identifier("parent_tenant_id"),
    "domain": Field(
        "tenant_id IN (SELECT d.tenant_id FROM tenant_domains AS d WHERE d.domain = {value})", _host, "a host name"
    ),
    "tag": Field("tags @> ARRAY[{value}]"),
    "operation_id": equal("operation_id"),
    "create_time": moment("create_time"),
    "update_time": moment("update_time"),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say about tenants."""

    reserved_keys: frozenset[str] = frozenset()
    quarantine: timedelta = timedelta(days=30)
    key_checks_an_hour: int = 600


class TenantHandlers(rpc.TenantServiceServicer):
    """TenantService over the records."""

    def __init__(
        self,
        records: Records,
        tokens: PageTokens,
        *,
        limiter: Limiter,
        origins: Origins,
        rules: Rules,
        clock: Callable[[], datetime],
    ) -> None:
        self._records = records
        self._pages = Pages(tokens, "tenants.ListTenants", _PAGE_SIZE, _PAGE_LIMIT)
        self._history = Pages(tokens, "tenants.ListTransitions", _PAGE_SIZE, _PAGE_LIMIT)
        self._limiter = limiter
        self._origins = origins
        self._rules = rules
        self._key_checks = Limit("key_checks", rules.key_checks_an_hour)
        self._clock = clock

    async def CreateTenant(self, request: pb.CreateTenantRequest, context: Context) -> pb.CreateTenantResponse:
        """Make a tenant."""
        draft = draft_from(request)

        async def work(tx: Transaction) -> pb.CreateTenantResponse:
            return pb.CreateTenantResponse(tenant=tenant_to(await self._tenants(tx).create(draft)))

        return await self._records.write(request, pb.CreateTenantResponse, work)

    async def GetTenant(self, request: pb.GetTenantRequest, context: Context) -> pb.GetTenantResponse:
        """Read a tenant."""
        async with self._records.of(request.tenant_id) as tx:
            return pb.GetTenantResponse(tenant=tenant_to(await read(tx, UUID(request.tenant_id))))

    async def GetTenantByKey(self, request: pb.GetTenantByKeyRequest, context: Context) -> pb.GetTenantByKeyResponse:
        """Read the tenant of a key."""
        async with self._records.of_all() as tx:
            return pb.GetTenantByKeyResponse(tenant=tenant_to(await read_by_key(tx, request.key)))

    async def GetTenantByDomain(
        self, request: pb.GetTenantByDomainRequest, context: Context
    ) -> pb.GetTenantByDomainResponse:
        """Read the tenant of a host name."""
        domain = domain_from(request.domain, "domain")
        async with self._records.of_all() as tx:
            tenant = await read_by_domain(tx, domain)
        verified = domain in tenant.verified_domains
        return pb.GetTenantByDomainResponse(tenant=tenant_to(tenant), domain_verified=verified)

    async def CheckTenantKey(self, request: pb.CheckTenantKeyRequest, context: Context) -> pb.CheckTenantKeyResponse:
        """Say whether a key can be had."""
        charge = Charge(self._key_checks, self._origins.network_of(context), "network")
        async with self._records.session() as session:
            await self._limiter.spend(session, [charge])
            async with session.transaction() as tx:
                return check_to(await self._tenants(tx).check_key(request.key))

    async def ListTenants(self, request: pb.ListTenantsRequest, context: Context) -> pb.ListTenantsResponse:
        """List tenants."""
        condition, arguments = where(request.filter, _FILTER)
        page = self._pages.open(
            size=request.page_size,
            token=request.page_token,
            order=parse_order(request.order_by, _ORDERS, unique=_IDENTITY, default="create_time desc"),
            scope=[request.filter, str(request.show_deleted)],
        )
        async with self._records.of_all() as tx:
            tenants, token = await read_page(tx, page, condition, arguments, show_deleted=request.show_deleted)
        return pb.ListTenantsResponse(tenants=map(tenant_to, tenants), next_page_token=token)

    async def UpdateTenant(self, request: pb.UpdateTenantRequest, context: Context) -> pb.UpdateTenantResponse:
        """Change what is kept about a tenant."""
        changes = changes_from(request)

        async def work(tx: Transaction) -> pb.UpdateTenantResponse:
            tenant = await self._tenants(tx).update(UUID(request.tenant_id), changes, etag=request.etag)
            return pb.UpdateTenantResponse(tenant=tenant_to(tenant))

        return await self._records.write(request, pb.UpdateTenantResponse, work, tenant_id=request.tenant_id)

    async def RecordTenantTier(
        self, request: pb.RecordTenantTierRequest, context: Context
    ) -> pb.RecordTenantTierResponse:
        """Note the tier an operation has moved a tenant to."""

        async def work(tx: Transaction) -> pb.RecordTenantTierResponse:
            tenant = await self._lifecycle(tx).record_tier(
                UUID(request.tenant_id),
                tier_from(request.tier),
                operation_id=request.operation_id,
                etag=request.etag,
            )
            return pb.RecordTenantTierResponse(tenant=tenant_to(tenant))

        return await self._records.write(request, pb.RecordTenantTierResponse, work, tenant_id=request.tenant_id)

    async def TransitionTenant(
        self, request: pb.TransitionTenantRequest, context: Context
    ) -> pb.TransitionTenantResponse:
        """Take a tenant to another state."""

        async def work(tx: Transaction) -> pb.TransitionTenantResponse:
            tenant, changed = await self._lifecycle(tx).move(
                UUID(request.tenant_id), move_from(request), etag=request.etag
            )
            return pb.TransitionTenantResponse(tenant=tenant_to(tenant), changed=changed)

        return await self._records.write(request, pb.TransitionTenantResponse, work, tenant_id=request.tenant_id)

    async def ListTransitions(self, request: pb.ListTransitionsRequest, context: Context) -> pb.ListTransitionsResponse:
        """List how a tenant came to its state."""
        page = self._history.open(
            size=request.page_size, token=request.page_token, order=_HISTORY, scope=[request.tenant_id]
        )
        async with self._records.of(request.tenant_id) as tx:
            transitions, token = await read_transitions(tx, page, UUID(request.tenant_id))
        return pb.ListTransitionsResponse(transitions=map(transition_to, transitions), next_page_token=token)

    async def SetTenantProtection(
        self, request: pb.SetTenantProtectionRequest, context: Context
    ) -> pb.SetTenantProtectionResponse:
        """Protect a tenant, or lift the protection."""

        async def work(tx: Transaction) -> pb.SetTenantProtectionResponse:
            tenant = await self._tenants(tx).protect(
                UUID(request.tenant_id), protected=request.protected, reason=request.reason, etag=request.etag
            )
            return pb.SetTenantProtectionResponse(tenant=tenant_to(tenant))

        return await self._records.write(request, pb.SetTenantProtectionResponse, work, tenant_id=request.tenant_id)

    async def DeleteTenant(self, request: pb.DeleteTenantRequest, context: Context) -> pb.DeleteTenantResponse:
        """Hide a tenant that owns nothing any more."""

        async def work(tx: Transaction) -> pb.DeleteTenantResponse:
            tenant = await self._tenants(tx).delete(UUID(request.tenant_id), etag=request.etag)
            return pb.DeleteTenantResponse(tenant=tenant_to(tenant))

        return await self._records.write(request, pb.DeleteTenantResponse, work, tenant_id=request.tenant_id)

    async def RestoreTenant(self, request: pb.RestoreTenantRequest, context: Context) -> pb.RestoreTenantResponse:
        """Show a deleted tenant again."""

        async def work(tx: Transaction) -> pb.RestoreTenantResponse:
            tenant = await self._tenants(tx).restore(UUID(request.tenant_id), etag=request.etag)
            return pb.RestoreTenantResponse(tenant=tenant_to(tenant))

        return await self._records.write(request, pb.RestoreTenantResponse, work, tenant_id=request.tenant_id)

    def _tenants(self, tx: Transaction) -> TenantRecords:
        return TenantRecords(
            TenantStore(tx, self._records),
            NameStore(tx),
            now=self._clock(),
            reserved_keys=self._rules.reserved_keys,
        )

    def _lifecycle(self, tx: Transaction) -> Lifecycle:
        return Lifecycle(
            TenantStore(tx, self._records), NameStore(tx), now=self._clock(), quarantine=self._rules.quarantine
        )
