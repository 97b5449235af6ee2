from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from faults import Fault
from tenants_service.outbox.model import Claim, State, Wish
from tenants_service.outbox.service import Outbox
from tenants_service.tenants.model import Contact, Tenant, Tier
from tenants_service.tenants.model import State as TenantState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TENANT = Tenant(
    uuid4(), "acme", "Acme", Tier.POOLED, (Contact("Ada", "Byron", "ada@acme.example", primary=True),),
    ("acme.example",), NOW, NOW,
)  # fmt: skip
PROVISION = Wish(TENANT.tenant_id, "provision", f"provision-tenant-{TENANT.tenant_id}", "x.v1.Request", b"input")
DEPROVISION = replace(PROVISION, operation_type="deprovision", operation_id="deprovision-acme")
DEPLOY = replace(PROVISION, operation_type="deploy", operation_id="deploy-acme-7")
CLAIM = Claim(uuid4(), timedelta(seconds=10))


class Book:
    """Everything an outbox needs, in memory."""

    def __init__(self, tenant=TENANT, subscription="ACTIVE"):
        self.tenant = tenant
        self.subscription = subscription
        self.entries = {}
        self.events = []

    async def find(self, identifier):
        return self.tenant if self.tenant and identifier == self.tenant.tenant_id else self.entries.get(identifier)

    async def undone(self):
        return [one for one in self.entries.values() if one.state not in {State.STARTED, State.CANCELLED}]

    async def latest(self, operation_id):
        return next((one for one in reversed(self.entries.values()) if one.wish.operation_id == operation_id), None)

    async def add(self, entry, event_type, data):
        return await self.replace(entry, event_type, data)

    async def replace(self, entry, event_type, data):
        self.entries[entry.outbox_entry_id] = entry
        self.events.append((event_type, data))
        return entry

    async def state(self, tenant_id):
        assert tenant_id == TENANT.tenant_id
        return self.subscription

    def outbox(self, now=NOW):
        return Outbox(TENANT.tenant_id, self, self, self, now=now)

    async def accept(self, wish=PROVISION, claim=None, now=NOW):
        return await self.outbox(now).accept(uuid4(), wish, claim, "somebody")


async def refused(book, wish=PROVISION):
    before = dict(book.entries)
    with pytest.raises(Fault) as raised:
        await book.accept(wish)
    assert book.entries == before
    return raised.value


async def test_an_accepted_request_is_handed_to_who_brought_it():
    book = Book()
    entry, created = await book.accept(claim=CLAIM)
    assert created
    assert (entry.state, entry.claim_id, entry.due_time) == (State.CLAIMED, CLAIM.claim_id, NOW + CLAIM.duration)
    assert entry.principal == "somebody"
    assert book.events == [
        ("outbox_entry.accepted", {"operation_type": "provision", "operation_id": PROVISION.operation_id})
    ]


async def test_without_a_claim_it_is_due_at_once():
    entry, _ = await Book().accept()
    assert (entry.state, entry.due_time) == (State.WAITING, NOW)


@pytest.mark.parametrize("claim", [None, CLAIM])
async def test_the_same_operation_has_one_entry(claim):
    book = Book()
    first, _ = await book.accept(claim=claim)
    assert await book.accept(claim=Claim(uuid4())) == (first, False)
    assert len(book.events) == 1


async def test_an_entry_whose_claim_has_ended_is_answered_as_waiting():
    book = Book()
    await book.accept(claim=CLAIM)
    entry, created = await book.accept(now=NOW + CLAIM.duration)
    assert (entry.state, created) == (State.WAITING, False)


@pytest.mark.parametrize(
    "change", [{"payload": b"other"}, {"payload_type": "x.v1.Other"}, {"operation_type": "deprovision"}]
)
async def test_the_same_operation_with_another_payload_is_refused(change):
    book = Book()
    await book.accept()
    fault = await refused(book, replace(PROVISION, **change))
    assert fault.reason == "OUTBOX_ENTRY_DIFFERS"


async def test_while_the_operation_works_its_entry_is_answered():
    book = Book()
    entry, _ = await book.accept(claim=CLAIM)
    started = await book.outbox().complete(entry.outbox_entry_id, CLAIM.claim_id)
    book.tenant = replace(TENANT, state=TenantState.PROVISIONING, operation_id=PROVISION.operation_id)
    assert await book.accept() == (started, False)
    assert (await refused(book, replace(PROVISION, payload=b"other"))).reason == "OUTBOX_ENTRY_DIFFERS"


async def test_after_a_failure_the_same_operation_is_accepted_anew():
    book = Book()
    entry, _ = await book.accept(claim=CLAIM)
    await book.outbox().complete(entry.outbox_entry_id, CLAIM.claim_id)
    book.tenant = replace(TENANT, state=TenantState.PROVISION_FAILED, operation_id=PROVISION.operation_id)
    again, created = await book.accept(replace(PROVISION, payload=b"amended"))
    assert created
    assert again.outbox_entry_id != entry.outbox_entry_id


async def test_an_operation_that_works_and_never_waited_is_refused_by_the_state_it_made():
    working = replace(TENANT, state=TenantState.PROVISIONING, operation_id=PROVISION.operation_id)
    assert (await refused(Book(working))).reason == "TENANT_STATE_FORBIDS"


@pytest.mark.parametrize("state", TenantState)
async def test_the_states_a_tenant_can_be_provisioned_in(state):
    book = Book(replace(TENANT, state=state, operation_id="another"))
    if state in {TenantState.PENDING_PROVISION, TenantState.PROVISION_FAILED}:
        assert (await book.accept())[1]
    elif state in {TenantState.PROVISIONING, TenantState.DEPROVISIONING}:
        assert (await refused(book)).reason == "OPERATION_MISMATCH"
    else:
        fault = await refused(book)
        assert fault.reason == "TENANT_STATE_FORBIDS"
        assert fault.facts["allowed_states"] == "PENDING_PROVISION,PROVISION_FAILED"


@pytest.mark.parametrize("state", TenantState)
async def test_the_states_a_tenant_can_be_deprovisioned_in(state):
    book = Book(replace(TENANT, state=state, operation_id="another"))
    if state in {TenantState.ACTIVE, TenantState.SUSPENDED, TenantState.PROVISION_FAILED}:
        assert (await book.accept(DEPROVISION))[1]
    else:
        assert (await refused(book, DEPROVISION)).reason in {"TENANT_STATE_FORBIDS", "OPERATION_MISMATCH"}


@pytest.mark.parametrize("subscription", ["", "PENDING", "INACTIVE", "EXPIRED", "CANCELLED"])
async def test_a_tenant_that_does_not_pay_is_not_provisioned(subscription):
    fault = await refused(Book(subscription=subscription))
    assert (fault.reason, fault.facts["state"]) == ("SUBSCRIPTION_NOT_ACTIVE", subscription)


async def test_a_tenant_that_does_not_pay_can_be_removed():
    book = Book(replace(TENANT, state=TenantState.ACTIVE), subscription="EXPIRED")
    assert (await book.accept(DEPROVISION))[1]


async def test_a_protected_tenant_is_not_removed():
    fault = await refused(Book(replace(TENANT, state=TenantState.ACTIVE, protected=True)), DEPROVISION)
    assert fault.reason == "TENANT_PROTECTED"


async def test_a_deleted_tenant_is_not_provisioned():
    assert (await refused(Book(replace(TENANT, delete_time=NOW)))).reason == "TENANT_STATE_FORBIDS"


async def test_of_a_tenant_that_is_none_nothing_is_accepted():
    assert (await refused(Book(None), DEPLOY)).reason == "TENANT_NOT_FOUND"


async def test_an_operation_that_waits_keeps_the_tenant_for_itself():
    book = Book(replace(TENANT, state=TenantState.PROVISION_FAILED))
    await book.accept()
    fault = await refused(book, DEPROVISION)
    assert (fault.reason, fault.facts["operation_id"]) == ("OPERATION_MISMATCH", PROVISION.operation_id)


async def test_operations_that_share_a_tenant_wait_side_by_side():
    book = Book(replace(TENANT, state=TenantState.ACTIVE))
    assert (await book.accept(DEPROVISION))[1]
    assert (await book.accept(DEPLOY))[1]
    assert (await book.accept(replace(DEPLOY, operation_id="deploy-acme-8")))[1]


async def test_completing_and_cancelling_twice_change_nothing():
    book = Book()
    entry, _ = await book.accept(claim=CLAIM)
    for _ in range(2):
        await book.outbox().complete(entry.outbox_entry_id, CLAIM.claim_id)
    other, _ = await book.accept(DEPLOY)
    for _ in range(2):
        await book.outbox().cancel(other.outbox_entry_id, None, "not wanted")
    assert [name for name, _ in book.events] == [
        "outbox_entry.accepted",
        "outbox_entry.started",
        "outbox_entry.accepted",
        "outbox_entry.cancelled",
    ]


async def test_what_happens_to_an_entry_is_told():
    book = Book()
    entry, _ = await book.accept(claim=CLAIM)
    identifier = entry.outbox_entry_id
    for _ in range(6):
        entry = await book.outbox().defer(identifier, CLAIM.claim_id, "away")
        book.entries[identifier] = replace(
            entry, state=State.CLAIMED, claim_id=CLAIM.claim_id, due_time=NOW + CLAIM.duration
        )
    book.entries[identifier] = entry
    await book.outbox().requeue(identifier)
    assert book.events[1] == ("outbox_entry.deferred", {"attempts": 1, "error": "away"})
    assert book.events[6] == ("outbox_entry.parked", {"attempts": 6, "error": "away"})
    assert book.events[7] == ("outbox_entry.requeued", {})


async def test_a_claim_that_has_ended_is_lost():
    book = Book()
    entry, _ = await book.accept(claim=CLAIM)
    with pytest.raises(Fault, match="claim has ended") as raised:
        await book.outbox(NOW + CLAIM.duration).complete(entry.outbox_entry_id, CLAIM.claim_id)
    assert raised.value.reason == "OUTBOX_CLAIM_LOST"


@pytest.mark.parametrize("change", ["complete", "defer", "requeue", "cancel"])
async def test_an_entry_that_is_none_is_not_found(change):
    arguments = {"complete": (CLAIM.claim_id,), "defer": (CLAIM.claim_id, ""), "cancel": (None, "")}.get(change, ())
    with pytest.raises(Fault) as raised:
        await getattr(Book().outbox(), change)(uuid4(), *arguments)
    assert raised.value.reason == "OUTBOX_ENTRY_NOT_FOUND"
