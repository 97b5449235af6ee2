"""Between the messages about subscriptions and the words of the domain. Pure, both ways."""

from __future__ import annotations

from uuid import UUID

from tenantmesh.tenants.v1 import subscription_pb2
from tenantmesh.tenants.v1 import subscription_service_pb2 as pb
from tenants_service.plans.translate import cycle_to
from tenants_service.subscriptions.model import Changes, Draft, State, Subscription
from tenants_service.tenants.translate import tier_to
from tenants_service.translate import chosen_of, id_from, time_from, time_to


def draft_from(request: pb.CreateSubscriptionRequest) -> Draft:
    """What a subscription is to be made from."""
    return Draft(
        plan_id=UUID(request.plan_id),
        start_time=time_from(request.start_time, "start_time") if request.HasField("start_time") else None,
        end_time=time_from(request.end_time, "end_time") if request.HasField("end_time") else None,
        external_reference=request.external_reference.strip(),
        activate=request.activate,
    )


def changes_from(request: pb.UpdateSubscriptionRequest) -> Changes:
    """What is to change: the fields the mask names; those that are set where it names none."""
    wanted, chosen = request.subscription, chosen_of(request.subscription, request.update_mask)
    return Changes(
        plan_id=id_from(wanted.plan_id) if "plan_id" in chosen else None,
        start_time=time_from(wanted.start_time, "subscription.start_time") if "start_time" in chosen else None,
        end_time=time_from(wanted.end_time, "subscription.end_time") if "end_time" in chosen else None,
        external_reference=wanted.external_reference.strip() if "external_reference" in chosen else None,
    )


def state_from(state: subscription_pb2.Subscription.State.ValueType) -> State | None:
    """The state somebody asks for; None for any."""
    return State[subscription_pb2.Subscription.State.Name(state).removeprefix("STATE_")] if state else None


def subscription_to(subscription: Subscription) -> subscription_pb2.Subscription:
    """A subscription as callers see it."""
    return subscription_pb2.Subscription(
        subscription_id=str(subscription.subscription_id),
        tenant_id=str(subscription.tenant_id),
        plan_id=str(subscription.plan_id),
        tier=tier_to(subscription.tier),
        state=subscription_pb2.Subscription.State.Value(f"STATE_{subscription.state.name}"),
        start_time=time_to(subscription.start_time),
        end_time=time_to(subscription.end_time),
        price_minor_units=subscription.price_minor_units,
        currency=subscription.currency,
        billing_cycle=cycle_to(subscription.billing_cycle),
        external_reference=subscription.external_reference,
        reason=subscription.reason,
        expiry_notice_time=time_to(subscription.expiry_notice_time),
        create_time=time_to(subscription.create_time),
        update_time=time_to(subscription.update_time),
        etag=subscription.etag,
    )
