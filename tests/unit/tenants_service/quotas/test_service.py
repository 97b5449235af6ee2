from datetime import UTC, datetime
from uuid import UUID

import pytest

from faults import Fault
from tenants_service.plans.model import Cycle, Plan
from tenants_service.quotas.model import Allowance, Count, Quota, Verdict
from tenants_service.quotas.service import Metering
from tenants_service.tenants.model import Tier

TENANT, PLAN = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
USERS, OTHERS = Quota("users", 3, 5), Quota("projects", 0, 1)
BOTH = Allowance("ACTIVE", (OTHERS, USERS))


class Book:
    """Everything metering needs, in memory."""

    def __init__(self, allowance=BOTH, used=0):
        self.given = allowance
        self.count = Count("users", used)
        self.events = []

    async def allowance(self):
        return self.given

    async def find(self, name):
        assert name == self.count.name
        return self.count

    read = find

    async def replace(self, count, event_types, data):
        self.count = count
        self.events.append((list(event_types), data["used"], data["amount"]))

    def metering(self):
        return Metering(TENANT, self, Shelf(), now=NOW)


class Shelf:
    async def read(self, plan_id):
        assert plan_id == PLAN
        return Plan(PLAN, "p", "P", Tier.POOLED, "EUR", Cycle.ONCE, NOW, NOW, quotas=(OTHERS,))


async def test_use_is_noted_and_passing_the_soft_limit_is_noted_once():
    book = Book()
    for amount in (3, 1, 1, -2):
        await book.metering().record("users", amount)
    assert book.events == [
        (["quota.used"], 3, 3),
        (["quota.used", "quota.soft_limit_passed"], 4, 1),
        (["quota.used"], 5, 1),
        (["quota.given_back"], 3, -2),
    ]


async def test_a_refusal_notes_nothing():
    book = Book(used=5)
    with pytest.raises(Fault) as refused:
        await book.metering().record("users", 1)
    assert refused.value.reason == "QUOTA_EXCEEDED"
    assert (book.count.used, book.events) == (5, [])


async def test_what_would_be_is_told_and_not_noted():
    book = Book(used=2)
    usage = await book.metering().expect("users", 4)
    assert (usage.used, usage.verdict, usage.allowed) == (6, Verdict.HARD_EXCEEDED, False)
    assert (book.count.used, book.events) == (2, [])


async def test_the_quotas_are_those_of_the_subscription_or_of_the_plan_that_is_named():
    assert await Book().metering().quotas(None) == (OTHERS, USERS)
    assert await Book(Allowance("")).metering().quotas(PLAN) == (OTHERS,)


@pytest.mark.parametrize(
    ("allowance", "reason"),
    [
        (None, "TENANT_NOT_FOUND"),
        (Allowance(""), "SUBSCRIPTION_NOT_ACTIVE"),
        (Allowance("PENDING", (USERS,)), "SUBSCRIPTION_NOT_ACTIVE"),
        (Allowance("INACTIVE", (USERS,)), "SUBSCRIPTION_NOT_ACTIVE"),
        (Allowance("ACTIVE", (OTHERS,)), "QUOTA_NOT_FOUND"),
    ],
)
async def test_who_has_no_such_quota_is_refused(allowance, reason):
    metering = Book(allowance).metering()
    for call in (metering.expect("users", 1), metering.record("users", 1)):
        with pytest.raises(Fault) as refused:
            await call
        assert refused.value.reason == reason


async def test_a_tenant_that_is_none_has_no_quotas_on_any_plan():
    with pytest.raises(Fault) as refused:
        await Book(None).metering().quotas(PLAN)
    assert refused.value.reason == "TENANT_NOT_FOUND"
