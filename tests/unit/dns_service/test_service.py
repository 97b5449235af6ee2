import asyncio
from datetime import timedelta

import pytest
from tests.fixtures.dnsrecords import (
    ACME,
    BY_HAND,
    DATA,
    KEY,
    NOW,
    OTHER,
    TTL,
    Clock,
    Gone,
    Mute,
    Racing,
    ensure,
    leftover,
    names,
    records,
)

from dns_service.model import Capability, Node, Owner, Record, RecordData, RecordKey, RecordType
from dns_service.providers import refusals
from dns_service.providers.memory import MemoryProvider, MemorySettings
from dns_service.verification.model import VerificationState
from faults import Aborted, AlreadyExists, Conflict, Invalid, NotFound, Timeout, Unavailable


async def test_ensure_makes_a_record_and_stamps_it():
    record, created = await ensure(records())
    assert created
    assert record == Record(
        KEY, DATA, Owner(ACME, "provision-acme", NOW), "memory", "example.com", create_time=NOW, update_time=NOW
    )


async def test_ensuring_again_changes_nothing():
    service = records()
    first, _ = await ensure(service)
    assert await ensure(service, operation_id="provision-later") == (first, False)


async def test_other_values_replace_the_old_ones_and_keep_the_makers_stamp():
    service = records()
    first, _ = await ensure(service)
    changed, created = await ensure(service, data=RecordData(("192.0.2.2",), TTL), operation_id="amend-acme")
    assert not created
    assert changed.data.values == ("192.0.2.2",)
    assert changed.owner == first.owner


async def test_a_change_is_dated_after_the_one_before_even_by_a_clock_that_is_behind():
    clock = Clock()
    service = records(clock=clock)
    first, _ = await ensure(service)
    clock.now -= timedelta(minutes=5)
    changed, _ = await ensure(service, data=RecordData(("192.0.2.2",), TTL))
    assert changed.update_time == first.update_time


async def test_only_validating_makes_nothing():
    service = records()
    record, created = await ensure(service, validate_only=True)
    assert (record.key, created) == (KEY, True)
    assert await names(service) == []


@pytest.mark.parametrize(("existing", "owner"), [("by hand", "unknown"), ("another tenant", "another_tenant")])
async def test_what_is_not_ours_is_refused_and_stays(existing, owner):
    provider = MemoryProvider(MemorySettings(), [BY_HAND] if existing == "by hand" else [])
    service = records(provider)
    if existing == "another tenant":
        await ensure(service, tenant_id=OTHER)
    before = await provider.at(KEY.name)
    assert before.records
    with pytest.raises(AlreadyExists) as refused:
        await ensure(service)
    with pytest.raises(AlreadyExists) as kept:
        await service.delete(KEY, tenant_id=ACME)
    with pytest.raises(NotFound) as hidden:
        await service.get(KEY, tenant_id=ACME)
    assert refused.value.reason == kept.value.reason == "RECORD_NOT_OWNED"
    assert refused.value.facts["owner"] == owner
    assert hidden.value.reason == "RECORD_NOT_FOUND"
    assert OTHER not in str(refused.value.facts)
    assert await provider.at(KEY.name) == before


@pytest.mark.parametrize(("first", "second"), [("A", "CNAME"), ("CNAME", "TXT")])
async def test_a_cname_tolerates_no_neighbour(first, second):
    service = records()
    data = {"A": DATA, "CNAME": RecordData(("edge.example.net",), TTL), "TXT": RecordData(("x",), TTL)}
    await ensure(service, RecordKey(KEY.name, RecordType[first]), data[first])
    with pytest.raises(Conflict) as caught:
        await ensure(service, RecordKey(KEY.name, RecordType[second]), data[second])
    assert caught.value.reason == "RECORD_CONFLICT"
    assert caught.value.facts["existing_type"] == first


async def test_delete_removes_once_and_succeeds_twice():
    service = records()
    await ensure(service)
    assert await service.delete(KEY, tenant_id=ACME)
    assert not await service.delete(KEY, tenant_id=ACME)


async def test_an_undo_leaves_what_another_operation_made():
    service = records()
    await ensure(service)
    with pytest.raises(Conflict) as caught:
        await service.delete(KEY, tenant_id=ACME, operation_id="provision-later")
    assert caught.value.reason == "OPERATION_MISMATCH"
    assert await service.delete(KEY, tenant_id=ACME, operation_id="provision-acme")


async def test_list_narrows_by_tenant_and_operation_and_goes_on_after_a_key():
    service = records()
    for index in (3, 1, 2):
        key = RecordKey(f"r{index}.example.com", RecordType.A)
        await ensure(service, key, tenant_id=OTHER if index == 2 else ACME, operation_id=f"provision-{index}")
    assert await names(service) == ["r1.example.com", "r2.example.com", "r3.example.com"]
    assert await names(service, tenant_id=ACME) == ["r1.example.com", "r3.example.com"]
    assert await names(service, operation_id="provision-2") == ["r2.example.com"]
    page = await service.list(tenant_id="", operation_id="", after=None, size=2)
    assert page.last == RecordKey("r2.example.com", RecordType.A)
    assert await names(service, after=page.last) == ["r3.example.com"]


async def test_a_lost_race_is_decided_again():
    service = records(provider := Racing(4))
    assert (await ensure(service))[1]
    provider.losses = 4
    assert await service.delete(KEY, tenant_id=ACME)


async def test_a_race_lost_again_and_again_is_told():
    service = records(provider := Racing(5))
    with pytest.raises(Aborted) as caught:
        await ensure(service)
    assert caught.value.reason == "RECORD_CHANGED"
    await ensure(service)
    provider.losses = 5
    with pytest.raises(Aborted):
        await service.delete(KEY, tenant_id=ACME)


@pytest.mark.parametrize("says", [refusals.timed_out, refusals.unavailable])
async def test_a_lost_reply_is_looked_after(says):
    service = records(provider := Mute(works=True, says=says))
    record, created = await ensure(service)
    assert created
    changed, created = await ensure(service, data=RecordData(("192.0.2.2",), TTL))
    assert (changed.data.values, created) == (("192.0.2.2",), False)
    assert (await provider.at(KEY.name)).records == (changed,)
    assert changed.owner == record.owner
    assert await service.delete(KEY, tenant_id=ACME)
    assert (await provider.at(KEY.name)).records == ()


async def test_a_lost_request_is_told():
    service = records(provider := Mute(works=False))
    with pytest.raises(Timeout):
        await ensure(service)
    provider.mute = False
    await ensure(service)
    provider.mute = True
    with pytest.raises(Timeout):
        await ensure(service, data=RecordData(("192.0.2.2",), TTL))
    with pytest.raises(Timeout):
        await service.delete(KEY, tenant_id=ACME)
    provider.says = refusals.unavailable
    with pytest.raises(Unavailable):
        await service.delete(KEY, tenant_id=ACME)


async def test_a_repeat_whose_first_try_worked_unseen_still_made_the_record():
    class Repeating(MemoryProvider):
        """Writes, and says that somebody else did: what a resent request comes to."""

        async def put(self, record, *, seen):
            await super().put(record, seen=seen)
            raise refusals.changed(record.key)

    assert (await ensure(records(Repeating(MemorySettings()))))[1]


async def test_of_many_tenants_that_want_a_name_exactly_one_gets_it():
    service = records()
    tenants = [f"00000000-0000-7000-8000-{index:012d}" for index in range(20)]
    answers = await asyncio.gather(*(ensure(service, tenant_id=tenant) for tenant in tenants), return_exceptions=True)
    assert sum(not isinstance(answer, Exception) for answer in answers) == 1
    assert all(isinstance(answer, tuple | AlreadyExists) for answer in answers)


async def test_verification_in_memory_says_that_nobody_was_asked():
    service = records()
    await ensure(service)
    rounds = [round_ async for round_ in service.verify(KEY, tenant_id=ACME, patience=timedelta())]
    assert [round_.state for round_ in rounds] == [VerificationState.NOT_LOOKED_UP]
    with pytest.raises(NotFound):
        _ = [round_ async for round_ in service.verify(KEY, tenant_id=OTHER, patience=timedelta())]


async def test_zones_may_be_configured_as_people_write_them():
    service = records(MemoryProvider(MemorySettings(zones=("Example.COM.",))))
    record, _ = await ensure(service)
    assert record.zone == "example.com"


@pytest.mark.parametrize(
    ("name", "reserved"),
    [
        ("www.example.com", True),
        ("deep.www.example.com", True),
        ("www.acme.example.com", False),
        ("example.com", False),
        ("*.example.com", True),
        ("*.acme.example.com", False),
    ],
)
async def test_a_reserved_label_directly_below_a_zone_is_no_tenants(name, reserved):
    service = records(reserved=("www", "*"))
    if not reserved:
        assert (await ensure(service, RecordKey(name, RecordType.A)))[1]
        return
    with pytest.raises(Invalid) as caught:
        await ensure(service, RecordKey(name, RecordType.A))
    assert (caught.value.reason, caught.value.facts["rule"]) == ("NAME_INVALID", "reserved")


@pytest.mark.parametrize(
    ("name", "kind", "proxied", "capability"),
    [
        ("example.com", "CNAME", False, "apex_cname"),
        ("acme.example.com", "CNAME", True, "proxied"),
        ("acme.example.com", "MX", False, "MX"),
    ],
)
async def test_what_the_provider_cannot_do_is_refused(name, kind, proxied, capability):
    class Plain(MemoryProvider):
        capabilities = frozenset()
        types = frozenset(RecordType) - {RecordType.MX}

    data = RecordData(("10 mail.example.net" if kind == "MX" else "edge.example.net",), TTL, proxied)
    with pytest.raises(Conflict) as caught:
        await ensure(records(Plain(MemorySettings())), RecordKey(name, RecordType[kind]), data)
    assert caught.value.reason == "CAPABILITY_MISSING"
    assert caught.value.facts["capability"] == capability


async def test_text_is_never_proxied():
    with pytest.raises(Conflict) as caught:
        await ensure(records(), RecordKey(KEY.name, RecordType.TXT), RecordData(("x",), TTL, proxied=True))
    assert caught.value.facts["capability"] == "proxied"


async def test_at_the_top_of_a_zone_a_cname_stands_beside_all_but_addresses():
    provider = MemoryProvider(MemorySettings(), [])
    assert Capability.APEX_CNAME in provider.capabilities
    service = records(provider)
    alias = RecordData(("edge.example.net",), TTL)
    await ensure(service, RecordKey("example.com", RecordType.TXT), RecordData(("x",), TTL))
    await ensure(service, RecordKey("example.com", RecordType.CNAME), alias)
    with pytest.raises(Conflict) as caught:
        await ensure(service, RecordKey("example.com", RecordType.A))
    assert caught.value.reason == "RECORD_CONFLICT"


async def test_a_cname_tolerates_no_neighbour_of_a_type_that_tenants_cannot_have():
    class Delegating(MemoryProvider):
        async def at(self, name, only=None):
            node = await super().at(name, only)
            return Node(name, node.records, ("NS",), "read")

    service = records(Delegating(MemorySettings()))
    with pytest.raises(Conflict) as caught:
        await ensure(service, RecordKey(KEY.name, RecordType.CNAME), RecordData(("edge.example.net",), TTL))
    assert caught.value.facts["existing_type"] == "NS"


@pytest.mark.parametrize(("kind", "value"), [("CNAME", "gone.example.net"), ("MX", "10 gone.example.net")])
async def test_a_target_that_does_not_exist_is_refused(kind, value):
    service = records(targets=Gone("gone.example.net"))
    with pytest.raises(Conflict) as caught:
        await ensure(service, RecordKey(KEY.name, RecordType[kind]), RecordData((value,), TTL))
    assert caught.value.reason == "TARGET_MISSING"
    assert caught.value.facts["target"] == "gone.example.net"
    assert await names(service) == []


async def test_a_leftover_stamp_is_no_record_and_hinders_only_other_tenants():
    service = records(MemoryProvider(MemorySettings(), [leftover()]))
    key = leftover().key
    with pytest.raises(NotFound):
        await service.get(key, tenant_id=ACME)
    with pytest.raises(AlreadyExists):
        await ensure(service, key, tenant_id=OTHER)
    assert (await ensure(service, key, operation_id="provision-again"))[1]
    assert (await service.get(key, tenant_id=ACME)).owner.operation_id == "provision-again"
