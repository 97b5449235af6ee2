from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from faults import Fault
from tenants_service.plans.model import Changes, Cycle, Draft, on_offer
from tenants_service.plans.service import Catalog
from tenants_service.quotas.model import Quota
from tenants_service.tenants.model import Tier

ID = UUID(int=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
DRAFT = Draft("team", "Team", Tier.POOLED, "EUR", Cycle.YEARLY, price_minor_units=9900, quotas=(Quota("users"),))


class Shelf:
    """The plans, in memory."""

    def __init__(self):
        self.plans = {}
        self.events = []

    async def find(self, plan_id):
        return self.plans.get(plan_id)

    async def add(self, plan, event_type, data):
        self.plans[plan.plan_id] = plan
        self.events.append((event_type, data))
        return plan

    async def replace(self, plan, event_type, data):
        return await self.add(replace(plan, revision=plan.revision + 1), event_type, data)

    def catalog(self, now=NOW):
        return Catalog(self, now=now)


@pytest.fixture
async def shelf():
    shelf = Shelf()
    await shelf.catalog().create(ID, DRAFT)
    shelf.events.clear()
    return shelf


async def test_a_plan_is_what_was_drafted():
    shelf = Shelf()
    plan = await shelf.catalog().create(ID, DRAFT)
    assert (plan.key, plan.quotas, plan.create_time, plan.etag) == ("team", (Quota("users"),), NOW, "1")
    price = {"price_minor_units": 9900, "currency": "EUR", "billing_cycle": "YEARLY"}
    assert shelf.events == [("plan.created", {"key": "team", "tier": "POOLED", **price})]


async def test_a_change_tells_which_fields_and_the_price(shelf):
    plan = await shelf.catalog(LATER).update(ID, Changes(price_minor_units=0, description="New", currency="EUR"))
    assert (plan.price_minor_units, plan.description, plan.update_time, plan.etag) == (0, "New", LATER, "2")
    price = {"price_minor_units": 0, "currency": "EUR", "billing_cycle": "YEARLY"}
    assert shelf.events == [("plan.updated", {"fields": ["description", "price_minor_units"], **price})]


async def test_nothing_new_is_not_written(shelf):
    assert (await shelf.catalog(LATER).update(ID, Changes(currency="EUR"))).update_time == NOW
    assert shelf.events == []


async def test_an_archived_plan_is_not_on_offer_and_does_not_change(shelf):
    archived = await shelf.catalog(LATER).archive(ID)
    assert (archived.archive_time, archived.etag) == (LATER, "2")
    assert await shelf.catalog(LATER).archive(ID, etag="1") == archived
    assert shelf.events == [("plan.archived", {})]
    with pytest.raises(Fault) as refused:
        on_offer(archived)
    assert refused.value.reason == "PLAN_ARCHIVED"
    with pytest.raises(Fault) as refused:
        await shelf.catalog(LATER).update(ID, Changes(description="New"))
    assert refused.value.reason == "PLAN_ARCHIVED"


async def test_what_was_not_read_is_not_written_over(shelf):
    for call in (
        shelf.catalog().update(ID, Changes(description="New"), etag="2"),
        shelf.catalog().archive(ID, etag="2"),
    ):
        with pytest.raises(Fault) as refused:
            await call
        assert refused.value.reason == "ETAG_MISMATCH"
    assert shelf.events == []


async def test_a_plan_that_is_none():
    for call in (Shelf().catalog().update(ID, Changes()), Shelf().catalog().archive(ID)):
        with pytest.raises(Fault) as refused:
            await call
        assert (refused.value.reason, refused.value.facts) == ("PLAN_NOT_FOUND", {"plan_id": str(ID)})
