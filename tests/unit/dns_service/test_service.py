import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from dns_service.model import Owner, Record, RecordData, RecordKey, RecordType, VerificationState
from dns_service.providers.memory import MemoryProvider, MemorySettings, NoLookup
from dns_service.service import Records
from faults import Aborted, AlreadyExists, Conflict, NotFound

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TTL = timedelta(seconds=300)
ACME, OTHER = "00000000-0000-7000-8000-00000000000a", "00000000-0000-7000-8000-00000000000b"
KEY = RecordKey("acme.example.com", RecordType.A)
DATA = RecordData(("192.0.2.1",), TTL)
BY_HAND = Record(KEY, RecordData(("192.0.2.99",), TTL), None, "memory", "example.com")


class Racing(MemoryProvider):
    """A provider at which another writer is faster, `losses` times."""

    def __init__(self, losses):
        super().__init__(MemorySettings())
        self.losses = losses

    async def put(self, record, *, expected):
        if self.losses:
            self.losses -= 1
            raise Aborted("Changed.", reason="RECORD_CHANGED")
        return await super().put(record, expected=expected)


def records(provider=None):
    return Records(provider or MemoryProvider(MemorySettings()), NoLookup(), lambda: NOW)


async def ensure(service, key=KEY, data=DATA, tenant_id=ACME, operation_id="provision-acme", **more):
    return await service.ensure(key, data, tenant_id=tenant_id, operation_id=operation_id, **more)


async def names(service, **filters):
    page = await service.list(**{"tenant_id": "", "operation_id": "", "after": None, "size": 100, **filters})
    return [record.key.name for record in page.records]


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
    assert (await ensure(records(Racing(3))))[1]


async def test_a_race_lost_again_and_again_is_told():
    with pytest.raises(Aborted) as caught:
        await ensure(records(Racing(4)))
    assert caught.value.reason == "RECORD_CHANGED"


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
