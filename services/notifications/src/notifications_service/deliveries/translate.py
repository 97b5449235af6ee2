"""Between the messages of deliveries and the words of the domain. Pure, both ways."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from uuid import UUID

from notifications_service.deliveries.model import (
    Content,
    Delivery,
    DeliveryState,
    Filter,
    Order,
    Recipient,
    RecipientDelivery,
)
from notifications_service.model import address_key
from notifications_service.translate import (
    branding_from,
    email_from,
    name_from,
    tenant_from,
    tenant_to,
    time_from,
    time_to,
)
from tenantmesh.notifications.v1 import delivery_pb2, recipient_pb2


def order_from(request: delivery_pb2.SendNotificationRequest) -> Order:
    """What a request asks for. An address that stands there twice stands there once."""
    bare = delivery_pb2.SendNotificationRequest()
    bare.CopyFrom(request)
    bare.validate_only = False
    return Order(
        tenant_id=tenant_from(request.tenant_id),
        request_id=UUID(request.request_id),
        digest=hashlib.sha256(bare.SerializeToString(deterministic=True)).digest(),
        template_id=request.template_id,
        recipients=_each_once(map(_recipient_from, request.recipients)),
        operation_id=request.operation_id,
        content=Content(dict(request.variables), dict(request.secret_variables)),
        branding=branding_from(request.branding),
        language=request.language,
    )


def filter_from(request: delivery_pb2.ListDeliveriesRequest) -> Filter:
    """Which deliveries are wanted."""
    return Filter(
        tenant_id=UUID(request.tenant_id) if request.tenant_id else None,
        operation_id=request.operation_id,
        template_id=request.template_id,
        email=email_from(request.email)[0] if request.email else "",
        state=DeliveryState[delivery_pb2.DeliveryState.Name(request.state).removeprefix("DELIVERY_STATE_")]
        if request.state
        else None,
        from_time=time_from(request.from_time) if request.HasField("from_time") else None,
        until_time=time_from(request.until_time) if request.HasField("until_time") else None,
    )


def delivery_to(delivery: Delivery) -> delivery_pb2.Delivery:
    """A delivery as callers see it."""
    return delivery_pb2.Delivery(
        delivery_id=str(delivery.delivery_id),
        tenant_id=tenant_to(delivery.tenant_id),
        request_id=str(delivery.request_id),
        operation_id=delivery.operation_id,
        template_id=delivery.template_id,
        state=delivery_pb2.DeliveryState.Value(f"DELIVERY_STATE_{delivery.state.name}"),
        counts={state.value: count for state, count in delivery.counts.items()},
        create_time=time_to(delivery.create_time),
        complete_time=time_to(delivery.complete_time),
    )


def rehearsed_to(order: Order, recipients: Iterable[RecipientDelivery]) -> delivery_pb2.SendNotificationResponse:
    """What would be, as callers see it."""
    return delivery_pb2.SendNotificationResponse(
        delivery=delivery_pb2.Delivery(
            delivery_id=str(order.delivery_id),
            tenant_id=tenant_to(order.tenant_id),
            request_id=str(order.request_id),
            operation_id=order.operation_id,
            template_id=order.template_id,
        ),
        recipients=map(recipient_to, recipients),
    )


def recipient_to(one: RecipientDelivery) -> recipient_pb2.RecipientDelivery:
    """What became of one message, as callers see it."""
    failure = one.failure.name if one.failure else "UNSPECIFIED"
    return recipient_pb2.RecipientDelivery(
        email=one.email,
        display_name=one.display_name,
        language=one.language,
        state=recipient_pb2.RecipientState.Value(f"RECIPIENT_STATE_{one.state.name}"),
        delivered=one.state.delivered,
        provider=one.provider,
        message_id=one.message_id,
        failure=recipient_pb2.RecipientDelivery.Failure.Value(f"FAILURE_{failure}"),
        detail=one.detail,
        attempts=one.attempts,
        send_time=time_to(one.send_time),
        update_time=time_to(one.update_time),
    )


def _recipient_from(message: recipient_pb2.Recipient) -> Recipient:
    email, problem = email_from(message.email)
    return Recipient(
        email=email,
        display_name=name_from(message.display_name),
        language=message.language,
        content=Content(dict(message.variables), dict(message.secret_variables)),
        problem=problem,
    )


def _each_once(recipients: Iterable[Recipient]) -> list[Recipient]:
    found: dict[str, Recipient] = {}
    for one in recipients:
        found.setdefault(address_key(one.email), one)
    return list(found.values())
