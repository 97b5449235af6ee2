"""Commands about what tenants pay for: plans, subscribe."""

from __future__ import annotations

from uuid import uuid4

from chassis.errors import faults_raised
from faults import NotFound
from meshctl.commands.call import Call, Subparsers, named
from meshctl.exits import Exit
from meshctl.showing import words
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.tenants.v1 import catalog_service_pb2 as pb
from tenantmesh.tenants.v1 import plan_pb2, subscription_pb2
from tenantmesh.tenants.v1 import subscription_service_pb2 as subscription_pb


def add(commands: Subparsers) -> None:
    """Declare the commands."""
    one = commands.add_parser("plans", help="what tenants can subscribe to")
    one.set_defaults(command=listed)
    one = commands.add_parser("subscribe", help="subscribe a tenant to a plan of its tier, from now on")
    named(one, subscribe)
    one.add_argument("plan", metavar="PLAN", help="the plan's key")


async def listed(call: Call) -> Exit:
    """List plans."""
    call.table(await _plans(call, tier_pb2.TIER_UNSPECIFIED), ("PLAN", "TIER", "NAME"), _row)
    return Exit.OK


async def subscribe(call: Call) -> Exit:
    """Subscribe a tenant; without a subscription nothing is provisioned."""
    tenant = await call.tenant()
    plans = {plan.key: plan for plan in await _plans(call, tenant.tier)}
    if call.chosen.plan not in plans:
        message = "There is no plan of that key in the tenant's tier."
        facts = {"plan": call.chosen.plan, "tier": words.tier_name(tenant.tier), "known": ", ".join(plans)}
        raise NotFound(message, reason="PLAN_NOT_FOUND", facts=facts, domain="tenants.tenantmesh")
    request = subscription_pb.CreateSubscriptionRequest(
        tenant_id=tenant.tenant_id, plan_id=plans[call.chosen.plan].plan_id, activate=True, request_id=str(uuid4())
    )
    with faults_raised():
        made = (await call.mesh.subscriptions.CreateSubscription(request)).subscription
    call.message(made, [f"{tenant.key}  {call.chosen.plan}  {_state(made)}"])
    return Exit.OK


async def _plans(call: Call, tier: tier_pb2.Tier.ValueType) -> list[plan_pb2.Plan]:
    request = pb.ListPlansRequest(tier=tier)
    plans: list[plan_pb2.Plan] = []
    while True:
        with faults_raised():
            answer = await call.mesh.catalog.ListPlans(request)
        plans.extend(answer.plans)
        if not answer.next_page_token:
            return plans
        request.page_token = answer.next_page_token


def _row(plan: plan_pb2.Plan) -> tuple[str, ...]:
    return plan.key, words.tier_name(plan.tier), plan.display_name


def _state(made: subscription_pb2.Subscription) -> str:
    return subscription_pb2.Subscription.State.Name(made.state).removeprefix("STATE_").lower()
