"""The RPCs of the contract: translate, call, translate. Nothing is decided here."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import grpc

from chassis import context as calls
from notifications_service.deliveries import translate as deliveries
from notifications_service.deliveries.service import Deliveries
from notifications_service.deliveries.store import DeliveryLog
from notifications_service.model import address_key
from notifications_service.reports.service import Reports
from notifications_service.suppressions import translate as suppressions
from notifications_service.suppressions.model import Cause, Scope
from notifications_service.suppressions.store import SuppressionList
from notifications_service.suppressions.tokens import UnsubscribeTokens
from notifications_service.templates import translate as templates
from notifications_service.templates.service import Templates
from notifications_service.translate import branding_from, tenant_from
from pagekit import PageTokens, page_size
from postgreskit import Column, Pages
from tenantmesh.notifications.v1 import delivery_pb2, suppression_pb2, template_pb2
from tenantmesh.notifications.v1 import notification_service_pb2_grpc as rpc

Context = grpc.aio.ServicerContext[Any, Any]

_PAGE_SIZE: Final = 100
_PAGE_LIMIT: Final = 500
_NEWEST_FIRST: Final = (Column("create_time", descending=True), Column("delivery_id", descending=True))
_BY_ADDRESS: Final = (Column("email"), Column("suppression_id"))
_MARGIN: Final = timedelta(seconds=2)
"""Before the deadline of a call, so that it is still answered in time."""
_NO_DEADLINE: Final = timedelta(seconds=30)


class NotificationHandlers(rpc.NotificationServiceServicer):
    """NotificationService over the delivery log, the templates and the suppression list."""

    def __init__(
        self,
        *,
        service: Deliveries,
        log: DeliveryLog,
        catalogue: Templates,
        refused: SuppressionList,
        reports: Reports,
        unsubscribing: UnsubscribeTokens,
        pages: PageTokens,
    ) -> None:
        self._deliveries = service
        self._log = log
        self._templates = catalogue
        self._suppressions = refused
        self._reports = reports
        self._unsubscribing = unsubscribing
        self._tokens = pages
        self._pages = Pages(pages, "notifications.ListDeliveries", default=_PAGE_SIZE, limit=_PAGE_LIMIT)
        self._entries = Pages(pages, "notifications.ListSuppressions", default=_PAGE_SIZE, limit=_PAGE_LIMIT)

    async def SendNotification(
        self, request: delivery_pb2.SendNotificationRequest, context: Context
    ) -> delivery_pb2.SendNotificationResponse:
        """Write a message for each recipient and send it, once."""
        order = deliveries.order_from(request)
        if request.validate_only:
            return deliveries.rehearsed_to(order, await self._deliveries.rehearse(order))
        answer = await self._deliveries.send(order, patience=_patience())
        return delivery_pb2.SendNotificationResponse(
            delivery=deliveries.delivery_to(answer.delivery),
            recipients=map(deliveries.recipient_to, answer.recipients),
            created=answer.created,
        )

    async def GetDelivery(
        self, request: delivery_pb2.GetDeliveryRequest, context: Context
    ) -> delivery_pb2.GetDeliveryResponse:
        """Read a delivery and what became of each."""
        answer = await self._deliveries.get(tenant_from(request.tenant_id), UUID(request.delivery_id))
        return delivery_pb2.GetDeliveryResponse(
            delivery=deliveries.delivery_to(answer.delivery),
            recipients=map(deliveries.recipient_to, answer.recipients),
        )

    async def ListDeliveries(
        self, request: delivery_pb2.ListDeliveriesRequest, context: Context
    ) -> delivery_pb2.ListDeliveriesResponse:
        """List deliveries, the newest first."""
        wanted = deliveries.filter_from(request)
        page = self._pages.open(
            size=request.page_size, token=request.page_token, order=_NEWEST_FIRST, scope=[repr(wanted)]
        )
        found, token = await self._log.page(page, wanted)
        return delivery_pb2.ListDeliveriesResponse(deliveries=map(deliveries.delivery_to, found), next_page_token=token)

    async def WatchDelivery(
        self, request: delivery_pb2.WatchDeliveryRequest, context: Context
    ) -> AsyncIterator[delivery_pb2.WatchDeliveryResponse]:
        """Stream what becomes of each recipient."""
        watching = self._deliveries.watch(tenant_from(request.tenant_id), UUID(request.delivery_id))
        async with aclosing(watching) as rounds:
            async for progress in rounds:
                delivery = deliveries.delivery_to(progress.delivery)
                for one in progress.recipients or (None,):
                    recipient = deliveries.recipient_to(one) if one else None
                    yield delivery_pb2.WatchDeliveryResponse(recipient=recipient, delivery=delivery)

    async def RetryDelivery(
        self, request: delivery_pb2.RetryDeliveryRequest, context: Context
    ) -> delivery_pb2.RetryDeliveryResponse:
        """Send again to those who failed."""
        delivery, retried = await self._deliveries.retry(
            tenant_from(request.tenant_id), UUID(request.delivery_id), include_unknown=request.include_unknown
        )
        return delivery_pb2.RetryDeliveryResponse(delivery=deliveries.delivery_to(delivery), retried=retried)

    async def CancelDelivery(
        self, request: delivery_pb2.CancelDeliveryRequest, context: Context
    ) -> delivery_pb2.CancelDeliveryResponse:
        """Send nothing to those who still wait."""
        delivery, cancelled = await self._deliveries.cancel(tenant_from(request.tenant_id), UUID(request.delivery_id))
        return delivery_pb2.CancelDeliveryResponse(delivery=deliveries.delivery_to(delivery), cancelled=cancelled)

    async def ReportDelivery(
        self, request: delivery_pb2.ReportDeliveryRequest, context: Context
    ) -> delivery_pb2.ReportDeliveryResponse:
        """Take a provider's word on a message."""
        headers = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
        changed = await self._reports.take(request.provider, headers, request.body.data)
        return delivery_pb2.ReportDeliveryResponse(changed=changed)

    async def GetTemplate(
        self, request: template_pb2.GetTemplateRequest, context: Context
    ) -> template_pb2.GetTemplateResponse:
        """Read a template."""
        template = self._templates.get(request.template_id)
        return template_pb2.GetTemplateResponse(template=templates.template_to(template))

    async def ListTemplates(
        self, request: template_pb2.ListTemplatesRequest, context: Context
    ) -> template_pb2.ListTemplatesResponse:
        """List the templates."""
        scope = "notifications.ListTemplates"
        position = self._tokens.open(request.page_token, scope=scope)
        after = str(position[0]) if position else ""
        left = [one for one in self._templates.all() if one.template_id > after]
        page = left[: page_size(request.page_size, default=_PAGE_SIZE, limit=_PAGE_LIMIT)]
        return template_pb2.ListTemplatesResponse(
            templates=map(templates.template_to, page),
            next_page_token=self._tokens.sign([page[-1].template_id], scope=scope) if len(page) < len(left) else "",
        )

    async def PreviewTemplate(
        self, request: template_pb2.PreviewTemplateRequest, context: Context
    ) -> template_pb2.PreviewTemplateResponse:
        """Write a message and send it to nobody."""
        rendered = self._templates.write(
            request.template_id,
            request.variables,
            branding_from(request.branding),
            request.language,
            fill_samples=request.fill_samples,
        )
        return templates.preview_to(rendered)

    async def AddSuppression(
        self, request: suppression_pb2.AddSuppressionRequest, context: Context
    ) -> suppression_pb2.AddSuppressionResponse:
        """Put an address on the suppression list."""
        entry, created = await self._suppressions.add(
            tenant_from(request.tenant_id),
            suppressions.key_from(request.email),
            suppressions.scope_from(request.scope),
            suppressions.cause_from(request.cause),
            request.detail,
        )
        return suppression_pb2.AddSuppressionResponse(suppression=suppressions.suppression_to(entry), created=created)

    async def ListSuppressions(
        self, request: suppression_pb2.ListSuppressionsRequest, context: Context
    ) -> suppression_pb2.ListSuppressionsResponse:
        """List the suppression list by address."""
        email = address_key(request.email)
        page = self._entries.open(
            size=request.page_size,
            token=request.page_token,
            order=_BY_ADDRESS,
            scope=[json.dumps([request.tenant_id, email])],
        )
        tenant_id = UUID(request.tenant_id) if request.tenant_id else None
        found, token = await self._suppressions.page(page, tenant_id=tenant_id, email=email)
        return suppression_pb2.ListSuppressionsResponse(
            suppressions=map(suppressions.suppression_to, found), next_page_token=token
        )

    async def RemoveSuppression(
        self, request: suppression_pb2.RemoveSuppressionRequest, context: Context
    ) -> suppression_pb2.RemoveSuppressionResponse:
        """Take an entry off the suppression list."""
        existed = await self._suppressions.remove(tenant_from(request.tenant_id), UUID(request.suppression_id))
        return suppression_pb2.RemoveSuppressionResponse(existed=existed)

    async def Unsubscribe(
        self, request: suppression_pb2.UnsubscribeRequest, context: Context
    ) -> suppression_pb2.UnsubscribeResponse:
        """Decline further optional messages."""
        tenant_id, email = self._unsubscribing.read(request.unsubscribe_token)
        _, created = await self._suppressions.add(tenant_id, address_key(email), Scope.OPTIONAL, Cause.UNSUBSCRIBED)
        return suppression_pb2.UnsubscribeResponse(created=created)


def _patience() -> timedelta:
    """How long the call in hand may wait."""
    call = calls.current()
    remaining = call.remaining() if call else None
    left = _NO_DEADLINE if remaining is None else timedelta(seconds=remaining)
    return max(left - min(_MARGIN, left / 4), timedelta())
