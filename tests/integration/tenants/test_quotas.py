"""Quotas over the wire: what a tenant may use, what it has used, and that two at once never pass the hard limit."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest

from faults import Kind
from tenantmesh.tenants.v1 import catalog_service_pb2 as catalog_pb
from tenantmesh.tenants.v1 import event_service_pb2 as event_pb
from tenantmesh.tenants.v1 import quota_pb2
from tenantmesh.tenants.v1 import subscription_service_pb2 as pb

MOST = 2**63 - 1
WAITS = "SELECT true FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
WITHIN, SOFT_EXCEEDED, HARD_EXCEEDED = (
    getattr(quota_pb2.QuotaUsage, f"VERDICT_{name}") for name in ("WITHIN", "SOFT_EXCEEDED", "HARD_EXCEEDED")
)


def quota(name="users", soft=0, hard=0, period="NEVER"):
    return quota_pb2.Quota(name=name, soft_limit=soft, hard_limit=hard, reset_period=f"RESET_PERIOD_{period}")


@pytest.fixture
def limited(subscribed, plan, subscriptions, catalog):
    """Makes a tenant on a plan with these quotas, and answers how to use and ask about them."""

    async def limited(*quotas, **more):
        taken = await plan(quotas=quotas)
        subscription = await subscribed(plan_id=taken.plan_id, **more)
        tenant_id = subscription.tenant_id

        async def use(amount, name="users", request_id=""):
            request = pb.RecordUsageRequest(tenant_id=tenant_id, name=name, amount=amount, request_id=request_id)
            return (await subscriptions.RecordUsage(request)).usage

        async def check(amount=0, name="users"):
            answer = await subscriptions.CheckQuota(pb.CheckQuotaRequest(tenant_id=tenant_id, name=name, amount=amount))
            return answer.allowed, answer.usage.used, answer.usage.verdict

        async def limit(*quotas):
            request = catalog_pb.UpdatePlanRequest(
                plan_id=taken.plan_id, plan={"quotas": quotas}, update_mask={"paths": ["quotas"]}
            )
            await catalog.UpdatePlan(request)

        return SimpleNamespace(
            subscription=subscription, tenant_id=tenant_id, use=use, check=check, limit=limit, plan=taken
        )

    return limited


@pytest.fixture
def told(events):
    """What the events say of a tenant's use."""

    async def told(tenant_id, name="users"):
        request = event_pb.ListEventsRequest(tenant_id=tenant_id, aggregate_type="quota", aggregate_id=name)
        page = await events.ListEvents(request)
        return [(event.event_type.removeprefix("quota."), int(event.event_data["used"])) for event in page.events]

    return told


async def test_use_is_counted_up_to_the_hard_limit(limited, refused, told):
    tenant = await limited(quota(soft=8, hard=10))
    assert await tenant.check() == (True, 0, WITHIN)
    first = await tenant.use(8)
    assert (first.used, first.verdict, first.quota) == (8, WITHIN, quota(soft=8, hard=10))
    assert not first.HasField("reset_time")
    assert (await tenant.use(1)).verdict == SOFT_EXCEEDED
    assert await tenant.check(1) == (True, 10, SOFT_EXCEEDED)
    assert await tenant.check(2) == (False, 11, HARD_EXCEEDED)
    facts = {"tenant_id": tenant.tenant_id, "name": "users", "used": "9", "hard_limit": "10"}
    with refused("QUOTA_EXCEEDED", Kind.EXHAUSTED, **facts) as exceeded:
        await tenant.use(2)
    assert exceeded.fault.retry_after is None
    assert (await tenant.use(1)).used == 10
    assert await tenant.check() == (True, 10, SOFT_EXCEEDED)
    assert (await tenant.use(-3)).used == 7
    assert (await tenant.use(-100)).used == 0
    assert await told(tenant.tenant_id) == [
        ("used", 8), ("used", 9), ("soft_limit_passed", 9), ("used", 10), ("given_back", 7), ("given_back", 0),
    ]  # fmt: skip


async def test_asking_notes_nothing(limited, told, admin):
    tenant = await limited(quota(hard=10))
    await asyncio.gather(*(tenant.check(7) for _ in range(5)))
    assert await tenant.check() == (True, 0, WITHIN)
    assert await told(tenant.tenant_id) == []
    assert not await admin.fetchval("SELECT count(*) FROM quota_counts WHERE tenant_id = $1", tenant.tenant_id)


async def test_however_many_ask_at_once_the_hard_limit_is_never_passed(limited, admin, told):
    tenant = await limited(quota(hard=50))
    answers = await asyncio.gather(*(tenant.use(3) for _ in range(40)), return_exceptions=True)
    done = sorted(answer.used for answer in answers if not isinstance(answer, Exception))
    assert done == list(range(3, 50, 3))  # 16 fit, and no two were told the same
    assert await tenant.check() == (True, 48, WITHIN)
    assert [used for _, used in await told(tenant.tenant_id)] == done
    assert await admin.fetchval("SELECT used FROM quota_counts WHERE tenant_id = $1", tenant.tenant_id) == 48


async def test_taking_and_giving_back_at_once_loses_nothing(limited):
    tenant = await limited(quota(hard=1000))
    await tenant.use(500)
    await asyncio.gather(*(tenant.use(amount) for amount in [7, -5] * 20))
    assert (await tenant.check())[1] == 540


async def test_who_waited_while_the_limit_was_lowered_is_held_to_the_lower_one(limited, admin, refused):
    tenant = await limited(quota(hard=10))
    await tenant.use(6)
    async with admin.transaction():
        await admin.execute("SELECT FROM quota_counts WHERE tenant_id = $1 FOR UPDATE", tenant.tenant_id)
        waiting = asyncio.create_task(tenant.use(3))
        async with asyncio.timeout(30):
            while not await admin.fetchval(WAITS):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)
        await tenant.limit(quota(hard=8))
    with refused("QUOTA_EXCEEDED", Kind.EXHAUSTED, used="6", hard_limit="8"):
        await waiting
    assert await tenant.check() == (True, 6, WITHIN)


async def test_a_repeat_counts_once(limited, refused):
    tenant, name = await limited(quota(hard=10)), str(uuid4())
    answers = await asyncio.gather(*(tenant.use(6, request_id=name) for _ in range(6)))
    assert {answer.used for answer in answers} == {6}
    assert (await tenant.use(6, request_id=name)).used == 6
    with refused("REQUEST_ID_REUSED", Kind.INVALID):
        await tenant.use(1, request_id=name)
    with refused("QUOTA_EXCEEDED", Kind.EXHAUSTED):
        await tenant.use(6, request_id=str(uuid4()))


async def test_a_limit_of_nought_is_none_and_yet_nothing_overflows(limited, refused, admin):
    tenant = await limited(quota())
    assert (await tenant.use(10**15)).used == 10**15
    await admin.execute("UPDATE quota_counts SET used = $2 WHERE tenant_id = $1", tenant.tenant_id, MOST - 10)
    assert await tenant.check(10) == (True, MOST, WITHIN)
    assert await tenant.check(10**15) == (False, MOST, HARD_EXCEEDED)
    with refused("QUOTA_EXCEEDED", Kind.EXHAUSTED):
        await tenant.use(11)
    assert (await tenant.use(10)).used == MOST


async def test_limits_that_change_hold_at_once_and_who_is_above_can_give_back(limited, refused):
    tenant = await limited(quota(hard=10))
    await tenant.use(10)
    await tenant.limit(quota(hard=5))
    assert await tenant.check() == (False, 10, HARD_EXCEEDED)
    with refused("QUOTA_EXCEEDED", Kind.EXHAUSTED, hard_limit="5"):
        await tenant.use(1)
    assert (await tenant.use(-4)).used == 6
    await tenant.limit(quota(hard=20))
    assert await tenant.check(14) == (True, 20, WITHIN)
    await tenant.limit()
    with refused("QUOTA_NOT_FOUND", Kind.NOT_FOUND, tenant_id=tenant.tenant_id, name="users"):
        await tenant.use(1)


@pytest.fixture
def noon(clock):
    """Puts the service's time to a noon, where no period ends while a test runs."""
    before, tomorrow = clock.ahead, datetime.now(UTC) + timedelta(days=1)
    clock.ahead = tomorrow.replace(hour=12) - datetime.now(UTC)
    yield clock
    clock.ahead = before


@pytest.mark.parametrize(("period", "days"), [("DAILY", 1), ("MONTHLY", 31), ("YEARLY", 366)])
async def test_what_was_used_is_forgotten_when_the_period_ends(limited, noon, refused, period, days):
    tenant = await limited(quota(hard=10, period=period))
    reset = (await tenant.use(10)).reset_time.ToDatetime(UTC)
    assert timedelta(0) < reset - noon() <= timedelta(days=days)
    with refused("QUOTA_EXCEEDED", Kind.EXHAUSTED) as exceeded:
        await tenant.use(1)
    assert abs(exceeded.fault.retry_after - (reset - noon())) < timedelta(minutes=5)
    noon.forward(days=days)
    assert await tenant.check() == (True, 0, WITHIN)
    assert (await tenant.use(4)).used == 4
    noon.forward(days=-days)
    # A replica whose clock is behind goes on counting in the period that has begun.
    assert (await tenant.use(6)).used == 10
    with refused("QUOTA_EXCEEDED", Kind.EXHAUSTED):
        await tenant.use(1)


async def test_only_a_subscription_in_force_has_quotas(limited, subscriptions, made, refused):
    tenant = await limited(quota(hard=10), activate=False)
    other = (await made()).tenant_id
    request = pb.CheckQuotaRequest(tenant_id=other, name="users")
    with refused("SUBSCRIPTION_NOT_ACTIVE", Kind.CONFLICT, tenant_id=other, state=""):
        await subscriptions.CheckQuota(request)
    which = {"tenant_id": tenant.tenant_id, "subscription_id": tenant.subscription.subscription_id}
    calls = [
        lambda: tenant.use(1),
        tenant.check,
        lambda: subscriptions.ListQuotas(pb.ListQuotasRequest(tenant_id=tenant.tenant_id)),
    ]
    for call in calls:
        with refused("SUBSCRIPTION_NOT_ACTIVE", Kind.CONFLICT, tenant_id=tenant.tenant_id, state="PENDING"):
            await call()
    await subscriptions.ActivateSubscription(pb.ActivateSubscriptionRequest(**which))
    await tenant.use(1)
    await subscriptions.DeactivateSubscription(pb.DeactivateSubscriptionRequest(**which))
    with refused("SUBSCRIPTION_NOT_ACTIVE", Kind.CONFLICT, state="INACTIVE"):
        await tenant.use(1)
    await subscriptions.CancelSubscription(pb.CancelSubscriptionRequest(**which))
    with refused("SUBSCRIPTION_NOT_ACTIVE", Kind.CONFLICT, state=""):
        await tenant.use(1)


async def test_what_is_none(limited, subscriptions, refused):
    tenant, nobody = await limited(quota()), str(uuid4())
    with refused("QUOTA_NOT_FOUND", Kind.NOT_FOUND, tenant_id=tenant.tenant_id, name="seats"):
        await tenant.check(name="seats")
    for request in (
        pb.CheckQuotaRequest(tenant_id=nobody, name="users"),
        pb.RecordUsageRequest(tenant_id=nobody, name="users", amount=1),
        pb.ListQuotasRequest(tenant_id=nobody),
        pb.ListQuotasRequest(tenant_id=nobody, plan_id=tenant.plan.plan_id),
    ):
        with refused("TENANT_NOT_FOUND", Kind.NOT_FOUND, tenant_id=nobody):
            await getattr(subscriptions, type(request).__name__.removesuffix("Request"))(request)
    with refused("PLAN_NOT_FOUND", Kind.NOT_FOUND, plan_id=nobody):
        await subscriptions.ListQuotas(pb.ListQuotasRequest(tenant_id=tenant.tenant_id, plan_id=nobody))


async def test_a_tenant_counts_for_itself(limited):
    one, other = await limited(quota(hard=10)), await limited(quota(hard=10))
    await one.use(10)
    assert await other.check(10) == (True, 10, WITHIN)


@pytest.mark.parametrize("size", [0, 1, 2])
async def test_quotas_are_listed_by_name_on_this_plan_or_on_another(limited, subscriptions, plan, size):
    names = ["users", "api_calls", "seats", "a"]
    tenant = await limited(*(quota(name, soft=1, hard=9) for name in names))
    await tenant.use(5, "seats")
    smaller = await plan(quotas=[quota("seats", hard=4), quota("projects", hard=1)])

    async def listed(**request):
        found, token = [], ""
        while True:
            page = await subscriptions.ListQuotas(
                pb.ListQuotasRequest(tenant_id=tenant.tenant_id, page_size=size, page_token=token, **request)
            )
            found += [(one.quota.name, one.used, one.verdict) for one in page.quotas]
            token = page.next_page_token
            if not token:
                return found

    assert await listed() == [
        ("a", 0, WITHIN), ("api_calls", 0, WITHIN), ("seats", 5, SOFT_EXCEEDED), ("users", 0, WITHIN),
    ]  # fmt: skip
    assert await listed(plan_id=smaller.plan_id) == [("projects", 0, WITHIN), ("seats", 5, HARD_EXCEEDED)]


async def test_a_plan_is_compared_before_there_is_a_subscription(subscriptions, made, plan):
    tenant_id, plan_id = (await made()).tenant_id, (await plan(quotas=[quota()])).plan_id
    page = await subscriptions.ListQuotas(pb.ListQuotasRequest(tenant_id=tenant_id, plan_id=plan_id))
    assert [(one.quota.name, one.used) for one in page.quotas] == [("users", 0)]


async def test_a_token_is_good_for_its_own_list_only(limited, subscriptions, refused):
    tenant = await limited(quota("a"), quota("b"))
    page = await subscriptions.ListQuotas(pb.ListQuotasRequest(tenant_id=tenant.tenant_id, page_size=1))
    other = await limited(quota("a"))
    for changed in ({"tenant_id": other.tenant_id}, {"plan_id": other.plan.plan_id}, {"page_token": "nonsense"}):
        wanted = {"tenant_id": tenant.tenant_id, "page_token": page.next_page_token, **changed}
        with refused("PAGE_TOKEN_INVALID", Kind.INVALID):
            await subscriptions.ListQuotas(pb.ListQuotasRequest(**wanted))


@pytest.mark.parametrize(
    "bad",
    [
        {"amount": 0}, {"amount": 10**15 + 1}, {"amount": -(10**15) - 1}, {"name": "Users"}, {"name": "x" * 64},
        {"name": "'; DROP TABLE quota_counts; --"}, {"tenant_id": "none"}, {"request_id": "none"},
    ],
)  # fmt: skip
async def test_bounds_are_the_contracts(subscriptions, refused, bad):
    wanted = {"tenant_id": str(uuid4()), "name": "users", "amount": 1, **bad}
    with refused("REQUEST_INVALID", Kind.INVALID) as invalid:
        await subscriptions.RecordUsage(pb.RecordUsageRequest(**wanted))
    assert [violation.field for violation in invalid.fault.violations] == list(bad)
