"""The RPCs of leads: translate, call, translate. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from chassis import context as call
from pagekit import PageTokens
from postgreskit import Column, Order, Pages, Session, Transaction
from tenantmesh.tenants.v1 import lead_service_pb2 as pb
from tenantmesh.tenants.v1 import lead_service_pb2_grpc as rpc
from tenants_service.filters import Field, equal, identifier, moment, one_of, where
from tenants_service.leads.model import Lead, State
from tenants_service.leads.service import LeadRecords
from tenants_service.leads.store import LeadStore, read, read_page
from tenants_service.leads.tokens import LeadTokens
from tenants_service.leads.translate import application_from, conversion_from, converted_to, jwk_of, lead_to
from tenants_service.limits.model import Charge, Limit
from tenants_service.limits.store import Limiter
from tenants_service.limits.translate import Origins
from tenants_service.names.store import NameStore
from tenants_service.store import Records, Spend
from tenants_service.tenants.model import Tier
from tenants_service.tenants.service import TenantRecords
from tenants_service.tenants.store import TenantStore
from tenants_service.translate import time_to

Context = grpc.aio.ServicerContext[Any, Any]

TRUSTED = "tenants.lead_keys.read"
"""Who holds it brings keys to their addresses; everybody else never sees one."""

_PAGE_SIZE, _PAGE_LIMIT = 100, 500
_ORDER: Order = (Column("create_time", descending=True), Column("lead_id", descending=True))
_FILTER = {
    "state": one_of("state", State),
    "email": Field("email = {value}", lambda text: text.strip().lower()),
    "company_name": equal("company_name"),
    "tenant_id": identifier("converted_tenant_id"),
    "create_time": moment("create_time"),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say about leads."""

    tier: Tier = Tier.POOLED
    key_life: timedelta = timedelta(minutes=5)
    reserved_keys: frozenset[str] = frozenset()
    public_domains: tuple[str, ...] = ()
    network: Limit = field(default_factory=lambda: Limit("leads_of_network", 60))
    email: Limit = field(default_factory=lambda: Limit("keys_of_email", 5))
    lead: Limit = field(default_factory=lambda: Limit("tries_of_lead", 10))


class LeadHandlers(rpc.LeadServiceServicer):
    """LeadService over the records."""

    def __init__(
        self,
        records: Records,
        tokens: PageTokens,
        *,
        lead_tokens: LeadTokens,
        limiter: Limiter,
        origins: Origins,
        rules: Rules,
        clock: Callable[[], datetime],
    ) -> None:
        self._records = records
        self._pages = Pages(tokens, "tenants.ListLeads", _PAGE_SIZE, _PAGE_LIMIT)
        self._lead_tokens = lead_tokens
        self._limiter = limiter
        self._origins = origins
        self._rules = rules
        self._clock = clock

    async def CreateLead(self, request: pb.CreateLeadRequest, context: Context) -> pb.CreateLeadResponse:
        """Note who asks for a tenant."""
        application = application_from(request)
        limit = self._limit(*self._network(context), Charge(self._rules.email, application.email, "email"))

        async def work(tx: Transaction) -> pb.CreateLeadResponse:
            lead, key = await self._leads(tx).create(application)
            return pb.CreateLeadResponse(lead_id=str(lead.lead_id), key=_shown(key), key_expire_time=_expiry(lead))

        return await self._records.write(request, pb.CreateLeadResponse, work, limit=limit)

    async def ResendLeadKey(self, request: pb.ResendLeadKeyRequest, context: Context) -> pb.ResendLeadKeyResponse:
        """Make another validation key."""
        lead_id = UUID(request.lead_id)

        async def limit(session: Session) -> None:
            await self._limiter.spend(session, self._network(context))
            async with session.transaction() as tx:
                email = (await read(tx, lead_id)).email
            await self._limiter.spend(session, [Charge(self._rules.email, email, "email")])

        async def work(tx: Transaction) -> pb.ResendLeadKeyResponse:
            lead, key = await self._leads(tx).renew_key(lead_id)
            return pb.ResendLeadKeyResponse(lead_id=str(lead.lead_id), key=_shown(key), key_expire_time=_expiry(lead))

        return await self._records.write(request, pb.ResendLeadKeyResponse, work, limit=limit)

    async def VerifyLead(self, request: pb.VerifyLeadRequest, context: Context) -> pb.VerifyLeadResponse:
        """Use up a validation key."""
        lead_id = UUID(request.lead_id)
        # In the request it counts for what the request is: a repeat with another key is another request.
        request.key = request.key or _bearer(context)
        limit = self._limit(*self._network(context), Charge(self._rules.lead, request.lead_id, "lead"))
        token, expires = await self._lead_tokens.issue(lead_id)

        async def work(tx: Transaction) -> pb.VerifyLeadResponse:
            await self._leads(tx).verify(lead_id, request.key)
            return pb.VerifyLeadResponse(lead_id=request.lead_id, token=token, token_expire_time=time_to(expires))

        return await self._records.write(request, pb.VerifyLeadResponse, work, limit=limit)

    async def ConvertLead(self, request: pb.ConvertLeadRequest, context: Context) -> pb.ConvertLeadResponse:
        """Make the tenant of a verified lead."""
        lead_id = UUID(request.lead_id)
        request.token = request.token or _bearer(context)
        await self._lead_tokens.check(request.token, lead_id)
        conversion = conversion_from(request)

        async def work(tx: Transaction) -> pb.ConvertLeadResponse:
            tenants = TenantRecords(
                TenantStore(tx, self._records),
                NameStore(tx),
                now=self._clock(),
                reserved_keys=self._rules.reserved_keys,
            )
            return converted_to(await self._leads(tx).convert(lead_id, conversion, tenants, self._rules.tier))

        return await self._records.write(request, pb.ConvertLeadResponse, work)

    async def GetLead(self, request: pb.GetLeadRequest, context: Context) -> pb.GetLeadResponse:
        """Read a lead."""
        async with self._records.of_mesh() as tx:
            return pb.GetLeadResponse(lead=lead_to(await read(tx, UUID(request.lead_id))))

    async def ListLeads(self, request: pb.ListLeadsRequest, context: Context) -> pb.ListLeadsResponse:
        """List leads, the newest first."""
        condition, arguments = where(request.filter, _FILTER)
        page = self._pages.open(size=request.page_size, token=request.page_token, order=_ORDER, scope=[request.filter])
        async with self._records.of_mesh() as tx:
            leads, token = await read_page(tx, page, condition, arguments)
        return pb.ListLeadsResponse(leads=map(lead_to, leads), next_page_token=token)

    async def GetSigningKeys(self, request: pb.GetSigningKeysRequest, context: Context) -> pb.GetSigningKeysResponse:
        """Publish the public keys of lead tokens."""
        return pb.GetSigningKeysResponse(keys=map(jwk_of, await self._lead_tokens.public_keys()))

    def _leads(self, tx: Transaction) -> LeadRecords:
        now = self._clock()
        rules = self._rules
        return LeadRecords(LeadStore(tx, now), now=now, key_life=rules.key_life, public_domains=rules.public_domains)

    def _limit(self, *charges: Charge) -> Spend:
        return lambda session: self._limiter.spend(session, charges)

    def _network(self, context: Context) -> list[Charge]:
        """The charge of the visitor's network; whoever is trusted with keys speaks for many visitors."""
        if _trusted():
            return []
        return [Charge(self._rules.network, self._origins.network_of(context), "network")]


def _trusted() -> bool:
    facts = call.current()
    return bool(facts and facts.principal and TRUSTED in facts.principal.permissions)


def _shown(key: str) -> str:
    return key if _trusted() else ""


def _expiry(lead: Lead) -> Timestamp | None:
    return time_to(lead.key.expire_time if lead.key else None)


def _bearer(context: Context) -> str:
    """The bearer token of the call, which stands for a key or a token the request leaves out."""
    for name, value in context.invocation_metadata() or ():
        if name == "authorization" and isinstance(value, str) and value[:7].lower() == "bearer ":
            return value[7:].strip()
    return ""
