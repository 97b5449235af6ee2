from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from faults import Fault
from tenants_service.plans.model import Cycle, Plan, not_found
from tenants_service.subscriptions.model import SUBSCRIBERS, Changes, Draft, State
from tenants_service.subscriptions.service import Agreements
from tenants_service.tenants.model import State as TenantState
from tenants_service.tenants.model import Tenant, Tier

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER, END = NOW + timedelta(days=1), datetime(2027, 1, 1, tzinfo=UTC)
TENANT = Tenant(UUID(int=1), "acme", "Acme", Tier.POOLED, (), (), NOW, NOW)
ID, OTHER_ID = UUID(int=2), UUID(int=3)
PLAN = Plan(UUID(int=4), "team", "Team", Tier.POOLED, "EUR", Cycle.YEARLY, NOW, NOW, price_minor_units=9900)
DEARER = replace(PLAN, plan_id=UUID(int=5), price_minor_units=19900)
SILO = replace(PLAN, plan_id=UUID(int=6), tier=Tier.SILO)
ARCHIVED = replace(PLAN, plan_id=UUID(int=7), archive_time=NOW)
WANTED = Draft(PLAN.plan_id)
TERMS = {
    "plan_id": str(PLAN.plan_id), "start_time": NOW.isoformat(), "end_time": END.isoformat(),
    "price_minor_units": 9900, "currency": "EUR", "billing_cycle": "YEARLY",
}  # fmt: skip


class Book:
    """The subscriptions of one tenant, in memory."""

    def __init__(self, tenant=TENANT):
        self.tenant = tenant
        self.kept = {}
        self.events = []
        self.late = []

    async def current(self, tenant_id):
        assert tenant_id == TENANT.tenant_id
        over = {State.CANCELLED, State.EXPIRED}
        return next((one for one in self.kept.values() if one.state not in over), None)

    async def find(self, tenant_id, subscription_id):
        return self.kept.get(subscription_id) if tenant_id == TENANT.tenant_id else None

    @asynccontextmanager
    async def of(self, tenant_id):
        assert tenant_id == TENANT.tenant_id
        yield

    async def due(self, tenant_id, now, limit):
        assert (tenant_id, now <= END) == (None, True)
        return [(TENANT.tenant_id, one) for one in self.late[:limit]]

    async def add(self, subscription, event_type, data):
        self.kept[subscription.subscription_id] = subscription
        self.events.append((event_type.removeprefix("subscription."), data))
        return subscription

    async def replace(self, subscription, event_type, data):
        return await self.add(replace(subscription, revision=subscription.revision + 1), event_type, data)

    def agreements(self, now=NOW):
        return Agreements(self, Tenants(self.tenant), Shelf(), now=now)

    async def create(self, subscription_id=ID, draft=WANTED, now=NOW):
        return await self.agreements(now).create(TENANT.tenant_id, subscription_id, draft)


class Tenants:
    def __init__(self, tenant):
        self.tenant = tenant

    async def find(self, tenant_id):
        assert tenant_id == TENANT.tenant_id
        return self.tenant


class Shelf:
    async def read(self, plan_id):
        for plan in (PLAN, DEARER, SILO, ARCHIVED):
            if plan.plan_id == plan_id:
                return plan
        raise not_found(plan_id)


async def refused(call):
    with pytest.raises(Fault) as raised:
        await call
    return raised.value


@pytest.fixture
async def book():
    """A book with one subscription that is in force."""
    book = Book()
    await book.create(draft=replace(WANTED, activate=True))
    book.events.clear()
    return book


# ------------------------------------------------------------------------------------------------------------ create
async def test_a_subscription_begins_now_for_a_cycle_at_the_plans_price():
    book = Book()
    made = await book.create(draft=replace(WANTED, external_reference="sub_1"))
    assert (made.state, made.start_time, made.end_time, made.etag) == (State.PENDING, NOW, END, "1")
    assert (made.price_minor_units, made.tier, made.external_reference) == (9900, Tier.POOLED, "sub_1")
    assert book.events == [("created", TERMS)]


async def test_a_subscription_is_put_in_force_at_once():
    book = Book()
    made = await book.create(draft=replace(WANTED, activate=True))
    assert (made.state, made.etag) == (State.ACTIVE, "2")
    assert [name for name, _ in book.events] == ["created", "activated"]


async def test_its_times_can_be_given():
    made = await Book().create(draft=replace(WANTED, start_time=END, end_time=END + timedelta(days=1)))
    assert (made.start_time, made.end_time) == (END, END + timedelta(days=1))


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (Draft(UUID(int=99)), "PLAN_NOT_FOUND"),
        (Draft(ARCHIVED.plan_id), "PLAN_ARCHIVED"),
        (Draft(SILO.plan_id), "PLAN_OF_ANOTHER_TIER"),
        (replace(WANTED, end_time=NOW), "SUBSCRIPTION_PERIOD_INVALID"),
    ],
)
async def test_what_cannot_be_had_is_refused(draft, reason):
    book = Book()
    assert (await refused(book.create(draft=draft))).reason == reason
    assert (book.kept, book.events) == ({}, [])


@pytest.mark.parametrize(
    "tenant",
    [replace(TENANT, state=state) for state in set(TenantState) - SUBSCRIBERS] + [replace(TENANT, delete_time=NOW)],
    ids=lambda tenant: tenant.state.name,
)
async def test_who_is_gone_or_going_does_not_subscribe(tenant):
    assert (await refused(Book(tenant).create())).reason == "TENANT_STATE_FORBIDS"


async def test_a_tenant_that_is_none_does_not_subscribe():
    assert (await refused(Book(None).create())).reason == "TENANT_NOT_FOUND"


async def test_a_second_one_waits_for_the_end_of_the_first(book):
    fault = await refused(book.create(OTHER_ID))
    assert (fault.reason, fault.facts["subscription_id"]) == ("SUBSCRIPTION_EXISTS", str(ID))
    await book.agreements().move(TENANT.tenant_id, ID, State.CANCELLED)
    assert (await book.create(OTHER_ID)).subscription_id == OTHER_ID


# ------------------------------------------------------------------------------------------------------------ update
async def change(book, changes, now=LATER, **more):
    return await book.agreements(now).update(TENANT.tenant_id, ID, changes, **more)


async def test_another_plan_brings_its_price(book):
    now = await change(book, Changes(plan_id=DEARER.plan_id))
    assert (now.plan_id, now.price_minor_units, now.update_time, now.etag) == (DEARER.plan_id, 19900, LATER, "3")
    terms = {**TERMS, "plan_id": str(DEARER.plan_id), "price_minor_units": 19900}
    assert book.events == [("updated", {"fields": ["plan_id"], **terms})]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (Changes(plan_id=SILO.plan_id), "PLAN_OF_ANOTHER_TIER"),
        (Changes(plan_id=ARCHIVED.plan_id), "PLAN_ARCHIVED"),
        (Changes(plan_id=UUID(int=99)), "PLAN_NOT_FOUND"),
        (Changes(end_time=NOW), "SUBSCRIPTION_PERIOD_INVALID"),
        (Changes(start_time=END), "SUBSCRIPTION_PERIOD_INVALID"),
    ],
)
async def test_a_change_that_cannot_be_is_refused(book, changes, reason):
    assert (await refused(change(book, changes))).reason == reason
    assert book.events == []


async def test_once_the_tenant_is_of_another_tier_it_takes_a_plan_of_that(book):
    book.tenant = replace(TENANT, tier=Tier.SILO)
    assert (await change(book, Changes(plan_id=SILO.plan_id))).tier is Tier.SILO


async def test_who_was_told_of_an_end_is_told_again_when_it_moves(book):
    await book.agreements().note(TENANT.tenant_id, ID)
    assert (await change(book, Changes(external_reference="x"))).expiry_notice_time == NOW
    assert (await change(book, Changes(end_time=END + timedelta(days=1)))).expiry_notice_time is None


async def test_nothing_new_is_not_written(book):
    assert (await change(book, Changes(plan_id=PLAN.plan_id, end_time=END))).etag == "2"
    assert book.events == []


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED])
async def test_what_is_over_stays_as_it_is(book, state):
    book.kept[ID] = replace(book.kept[ID], state=state)
    fault = await refused(change(book, Changes(external_reference="x")))
    assert (fault.reason, fault.facts["allowed_states"]) == ("SUBSCRIPTION_STATE_FORBIDS", "ACTIVE,INACTIVE,PENDING")


# ------------------------------------------------------------------------------------------------------------ states
async def test_a_change_of_state_is_told_with_its_reason(book):
    paused = await book.agreements(LATER).move(TENANT.tenant_id, ID, State.INACTIVE, reason="unpaid", etag="2")
    assert (paused.state, paused.reason, paused.update_time) == (State.INACTIVE, "unpaid", LATER)
    assert book.events == [("deactivated", {"from_state": "ACTIVE", "to_state": "INACTIVE", "reason": "unpaid"})]


async def test_what_is_there_already_is_left_alone_whatever_was_read(book):
    assert (await book.agreements().move(TENANT.tenant_id, ID, State.ACTIVE, etag="old")).etag == "2"
    assert book.events == []


async def test_what_was_not_read_is_not_written_over(book):
    for call in (
        book.agreements().move(TENANT.tenant_id, ID, State.CANCELLED, etag="1"),
        change(book, Changes(external_reference="x"), etag="1"),
    ):
        assert (await refused(call)).reason == "ETAG_MISMATCH"


async def test_another_tenants_subscription_is_none(book):
    agreements = book.agreements()
    for call in (
        agreements.move(OTHER_ID, ID, State.CANCELLED),
        agreements.update(OTHER_ID, ID, Changes()),
        agreements.note(OTHER_ID, ID),
    ):
        assert (await refused(call)).reason == "SUBSCRIPTION_NOT_FOUND"


# ------------------------------------------------------------------------------------------------------------ expiry
async def test_a_tenant_is_told_once(book):
    first = await book.agreements().note(TENANT.tenant_id, ID)
    assert await book.agreements(LATER).note(TENANT.tenant_id, ID) == first
    assert (first.expiry_notice_time, book.events) == (NOW, [("expiry_noticed", {"end_time": END.isoformat()})])


@pytest.mark.parametrize("state", set(State) - {State.ACTIVE}, ids=lambda state: state.name)
async def test_only_of_one_in_force_somebody_is_told(book, state):
    book.kept[ID] = replace(book.kept[ID], state=state)
    fault = await refused(book.agreements().note(TENANT.tenant_id, ID))
    assert (fault.reason, fault.facts["allowed_states"]) == ("SUBSCRIPTION_STATE_FORBIDS", "ACTIVE")


async def test_so_many_expire_at_once_and_it_is_said_whether_there_are_more(book):
    book.kept[OTHER_ID] = replace(book.kept[ID], subscription_id=OTHER_ID)
    book.late = [ID, OTHER_ID]
    expired, more = await book.agreements(END).expire(None, 1)
    assert ([one.subscription_id for one in expired], more) == ([ID], True)
    book.late = [OTHER_ID]
    expired, more = await book.agreements(END).expire(None, 1)
    assert ([(one.subscription_id, one.state) for one in expired], more) == ([(OTHER_ID, State.EXPIRED)], False)
    assert [name for name, _ in book.events] == ["expired", "expired"]


async def test_what_somebody_else_has_expired_or_prolonged_meanwhile_is_left_alone(book):
    book.late = [ID]
    assert await book.agreements(END - timedelta(seconds=1)).expire(None, 5) == ([], False)
    book.kept[ID] = replace(book.kept[ID], state=State.EXPIRED)
    assert await book.agreements(END).expire(None, 5) == ([], False)
    assert book.events == []
