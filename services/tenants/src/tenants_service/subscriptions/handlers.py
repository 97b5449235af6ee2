"""The RPCs of subscriptions and quotas: translate, call, translate. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import grpc

from pagekit import PageTokens
from postgreskit import Column, Order, Pages, Transaction
from tenantmesh.tenants.v1 import subscription_service_pb2 as pb
from tenantmesh.tenants.v1 import subscription_service_pb2_grpc as rpc
from tenants_service.plans.store import PlanStore
from tenants_service.quotas.service import Metering
from tenants_service.quotas.store import CountStore
from tenants_service.quotas.store import read_page as read_quotas
from tenants_service.quotas.translate import usage_to
from tenants_service.store import Records
from tenants_service.subscriptions.model import State, Subscription
from tenants_service.subscriptions.service import Agreements
from tenants_service.subscriptions.store import SubscriptionStore, read, read_ending, read_page
from tenants_service.subscriptions.translate import changes_from, draft_from, state_from, subscription_to
from tenants_service.tenants.store import TenantStore
from tenants_service.translate import id_from

Context = grpc.aio.ServicerContext[Any, Any]
Change: TypeAlias = (
    pb.UpdateSubscriptionRequest
    | pb.ActivateSubscriptionRequest
    | pb.DeactivateSubscriptionRequest
    | pb.CancelSubscriptionRequest
    | pb.RecordExpiryNoticeRequest
)
M = TypeVar(
    "M",
    pb.UpdateSubscriptionResponse,
    pb.ActivateSubscriptionResponse,
    pb.DeactivateSubscriptionResponse,
    pb.CancelSubscriptionResponse,
    pb.RecordExpiryNoticeResponse,
)

_NEWEST: Order = (Column("create_time", descending=True), Column("subscription_id", descending=True))
# Identifiers go as times do. An order of their own keeps the server from walking through all plans for one of them.
_NEWEST_OF_PLAN: Order = (Column("subscription_id", descending=True),)
_NEXT_TO_END: Order = (Column("end_time"), Column("subscription_id"))
_BY_NAME: Order = (Column("name"),)
_SOON = timedelta(days=7)
_AT_ONCE = 100


class SubscriptionHandlers(rpc.SubscriptionServiceServicer):
    """SubscriptionService over the records."""

    def __init__(self, records: Records, tokens: PageTokens, *, clock: Callable[[], datetime]) -> None:
        self._records = records
        self._pages = Pages(tokens, "tenants.ListSubscriptions", default=100, limit=500)
        self._ending = Pages(tokens, "tenants.ListExpiringSubscriptions", default=100, limit=500)
        self._quotas = Pages(tokens, "tenants.ListQuotas", default=64, limit=64)
        self._clock = clock

    async def CreateSubscription(
        self, request: pb.CreateSubscriptionRequest, context: Context
    ) -> pb.CreateSubscriptionResponse:
        """Make a subscription of a tenant."""
        tenant_id, draft = UUID(request.tenant_id), draft_from(request)

        async def work(tx: Transaction) -> pb.CreateSubscriptionResponse:
            subscription_id = await tx.fetchval("SELECT uuidv7()")
            made = await self._agreements(tx).create(tenant_id, subscription_id, draft)
            return pb.CreateSubscriptionResponse(subscription=subscription_to(made))

        return await self._records.write(request, pb.CreateSubscriptionResponse, work, tenant_id=request.tenant_id)

    async def GetSubscription(self, request: pb.GetSubscriptionRequest, context: Context) -> pb.GetSubscriptionResponse:
        """Read a subscription."""
        async with self._records.of(request.tenant_id) as tx:
            found = await read(tx, UUID(request.tenant_id), UUID(request.subscription_id))
        return pb.GetSubscriptionResponse(subscription=subscription_to(found))

    async def ListSubscriptions(
        self, request: pb.ListSubscriptionsRequest, context: Context
    ) -> pb.ListSubscriptionsResponse:
        """List subscriptions, the newest first."""
        scope = [request.tenant_id, request.plan_id, str(request.state)]
        order = _NEWEST_OF_PLAN if request.plan_id else _NEWEST
        page = self._pages.open(size=request.page_size, token=request.page_token, order=order, scope=scope)
        async with self._records.of_one_or_all(request.tenant_id) as tx:
            found, token = await read_page(
                tx,
                page,
                tenant_id=id_from(request.tenant_id),
                plan_id=id_from(request.plan_id),
                state=state_from(request.state),
            )
        return pb.ListSubscriptionsResponse(subscriptions=map(subscription_to, found), next_page_token=token)

    async def UpdateSubscription(
        self, request: pb.UpdateSubscriptionRequest, context: Context
    ) -> pb.UpdateSubscriptionResponse:
        """Change plan, time or reference of a subscription."""
        changes = changes_from(request)
        return await self._change(
            request,
            pb.UpdateSubscriptionResponse,
            lambda agreements, *which: agreements.update(*which, changes, etag=request.etag),
        )

    async def ActivateSubscription(
        self, request: pb.ActivateSubscriptionRequest, context: Context
    ) -> pb.ActivateSubscriptionResponse:
        """Put a subscription in force."""
        return await self._change(
            request,
            pb.ActivateSubscriptionResponse,
            lambda agreements, *which: agreements.move(*which, State.ACTIVE, etag=request.etag),
        )

    async def DeactivateSubscription(
        self, request: pb.DeactivateSubscriptionRequest, context: Context
    ) -> pb.DeactivateSubscriptionResponse:
        """Pause a subscription."""
        return await self._change(
            request,
            pb.DeactivateSubscriptionResponse,
            lambda agreements, *which: agreements.move(
                *which, State.INACTIVE, reason=request.reason, etag=request.etag
            ),
        )

    async def CancelSubscription(
        self, request: pb.CancelSubscriptionRequest, context: Context
    ) -> pb.CancelSubscriptionResponse:
        """End a subscription before its time."""
        return await self._change(
            request,
            pb.CancelSubscriptionResponse,
            lambda agreements, *which: agreements.move(
                *which, State.CANCELLED, reason=request.reason, etag=request.etag
            ),
        )

    async def ExpireSubscriptions(
        self, request: pb.ExpireSubscriptionsRequest, context: Context
    ) -> pb.ExpireSubscriptionsResponse:
        """Mark what is past its end."""

        async def work(tx: Transaction) -> pb.ExpireSubscriptionsResponse:
            expired, more = await self._agreements(tx).expire(id_from(request.tenant_id), request.limit or _AT_ONCE)
            return pb.ExpireSubscriptionsResponse(subscriptions=map(subscription_to, expired), more=more)

        return await self._records.write(request, pb.ExpireSubscriptionsResponse, work, tenant_id=request.tenant_id)

    async def ListExpiringSubscriptions(
        self, request: pb.ListExpiringSubscriptionsRequest, context: Context
    ) -> pb.ListExpiringSubscriptionsResponse:
        """List what ends soon."""
        within = request.within.ToTimedelta() if request.HasField("within") else _SOON
        scope = [request.tenant_id, str(within)]
        page = self._ending.open(size=request.page_size, token=request.page_token, order=_NEXT_TO_END, scope=scope)
        now = self._clock()
        async with self._records.of_one_or_all(request.tenant_id) as tx:
            found, token = await read_ending(tx, page, after=now, until=now + within)
        return pb.ListExpiringSubscriptionsResponse(subscriptions=map(subscription_to, found), next_page_token=token)

    async def RecordExpiryNotice(
        self, request: pb.RecordExpiryNoticeRequest, context: Context
    ) -> pb.RecordExpiryNoticeResponse:
        """Note that a tenant was told."""
        return await self._change(
            request, pb.RecordExpiryNoticeResponse, lambda agreements, *which: agreements.note(*which)
        )

    async def CheckQuota(self, request: pb.CheckQuotaRequest, context: Context) -> pb.CheckQuotaResponse:
        """Say whether a tenant may use so much more."""
        async with self._records.of(request.tenant_id) as tx:
            usage = await self._metering(tx, request.tenant_id).expect(request.name, request.amount)
        return pb.CheckQuotaResponse(allowed=usage.allowed, usage=usage_to(usage))

    async def ListQuotas(self, request: pb.ListQuotasRequest, context: Context) -> pb.ListQuotasResponse:
        """List how a tenant stands."""
        scope = [request.tenant_id, request.plan_id]
        page = self._quotas.open(size=request.page_size, token=request.page_token, order=_BY_NAME, scope=scope)
        async with self._records.of(request.tenant_id) as tx:
            quotas = await self._metering(tx, request.tenant_id).quotas(id_from(request.plan_id))
            found, token = await read_quotas(tx, page, UUID(request.tenant_id), quotas, self._clock())
        return pb.ListQuotasResponse(quotas=map(usage_to, found), next_page_token=token)

    async def RecordUsage(self, request: pb.RecordUsageRequest, context: Context) -> pb.RecordUsageResponse:
        """Note that a tenant has used more, or gives some back."""

        async def work(tx: Transaction) -> pb.RecordUsageResponse:
            usage = await self._metering(tx, request.tenant_id).record(request.name, request.amount)
            return pb.RecordUsageResponse(usage=usage_to(usage))

        return await self._records.write(request, pb.RecordUsageResponse, work, tenant_id=request.tenant_id)

    async def _change(
        self, request: Change, answer: type[M], change: Callable[[Agreements, UUID, UUID], Awaitable[Subscription]]
    ) -> M:
        which = UUID(request.tenant_id), UUID(request.subscription_id)

        async def work(tx: Transaction) -> M:
            return answer(subscription=subscription_to(await change(self._agreements(tx), *which)))

        return await self._records.write(request, answer, work, tenant_id=request.tenant_id)

    def _agreements(self, tx: Transaction) -> Agreements:
        subscriptions, tenants = SubscriptionStore(tx, self._records), TenantStore(tx, self._records)
        return Agreements(subscriptions, tenants, PlanStore(tx), now=self._clock())

    def _metering(self, tx: Transaction, tenant_id: str) -> Metering:
        return Metering(UUID(tenant_id), CountStore(tx, UUID(tenant_id)), PlanStore(tx), now=self._clock())
