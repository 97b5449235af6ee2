"""Between the messages about plans and the words of the domain. Pure, both ways."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from tenantmesh.tenants.v1 import catalog_service_pb2 as pb
from tenantmesh.tenants.v1 import plan_pb2
from tenants_service.plans.model import Changes, Cycle, Draft, Plan
from tenants_service.quotas.translate import quota_from, quota_to
from tenants_service.tenants.translate import tier_from, tier_to
from tenants_service.translate import chosen_of, text_from, time_to


def draft_from(request: pb.CreatePlanRequest) -> Draft:
    """What a plan is to be made from."""
    return Draft(
        key=request.key,
        display_name=text_from(request.display_name, "display_name"),
        tier=tier_from(request.tier),
        currency=request.currency,
        billing_cycle=_cycle_from(request.billing_cycle),
        description=request.description.strip(),
        price_minor_units=request.price_minor_units,
        trial_period=request.trial_period.ToTimedelta(),
        features=dict(request.features),
        quotas=tuple(map(quota_from, request.quotas)),
        dedicated_infrastructure=request.dedicated_infrastructure,
        approval_required=request.approval_required,
    )


def changes_from(request: pb.UpdatePlanRequest) -> Changes:
    """What is to change: the fields the mask names; those that are set where it names none."""
    wanted, chosen = request.plan, chosen_of(request.plan, request.update_mask)
    return Changes(
        display_name=text_from(wanted.display_name, "plan.display_name") if "display_name" in chosen else None,
        description=wanted.description.strip() if "description" in chosen else None,
        price_minor_units=wanted.price_minor_units if "price_minor_units" in chosen else None,
        currency=wanted.currency if "currency" in chosen else None,
        billing_cycle=_cycle_from(wanted.billing_cycle) if "billing_cycle" in chosen else None,
        trial_period=wanted.trial_period.ToTimedelta() if "trial_period" in chosen else None,
        features=dict(wanted.features) if "features" in chosen else None,
        quotas=tuple(map(quota_from, wanted.quotas)) if "quotas" in chosen else None,
        dedicated_infrastructure=wanted.dedicated_infrastructure if "dedicated_infrastructure" in chosen else None,
        approval_required=wanted.approval_required if "approval_required" in chosen else None,
    )


def plan_to(plan: Plan) -> plan_pb2.Plan:
    """A plan as callers see it."""
    return plan_pb2.Plan(
        plan_id=str(plan.plan_id),
        key=plan.key,
        display_name=plan.display_name,
        description=plan.description,
        tier=tier_to(plan.tier),
        price_minor_units=plan.price_minor_units,
        currency=plan.currency,
        billing_cycle=cycle_to(plan.billing_cycle),
        trial_period=_period_to(plan.trial_period),
        features=plan.features,
        quotas=map(quota_to, plan.quotas),
        dedicated_infrastructure=plan.dedicated_infrastructure,
        approval_required=plan.approval_required,
        state=plan_pb2.Plan.STATE_ARCHIVED if plan.archive_time else plan_pb2.Plan.STATE_ACTIVE,
        create_time=time_to(plan.create_time),
        update_time=time_to(plan.update_time),
        archive_time=time_to(plan.archive_time),
        etag=plan.etag,
    )


def cycle_to(cycle: Cycle) -> plan_pb2.BillingCycle.ValueType:
    """How often a price is due."""
    return plan_pb2.BillingCycle.Value(f"BILLING_CYCLE_{cycle.name}")


def _cycle_from(cycle: plan_pb2.BillingCycle.ValueType) -> Cycle:
    return Cycle[plan_pb2.BillingCycle.Name(cycle).removeprefix("BILLING_CYCLE_")]


def _period_to(period: timedelta) -> Duration | None:
    if not period:
        return None
    message = Duration()
    message.FromTimedelta(period)
    return message
