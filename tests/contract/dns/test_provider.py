"""What every DNS provider promises, whatever stands behind it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dns_service.model import Owner, Record, RecordData, RecordKey, RecordType
from faults import Aborted, Conflict

TTL = timedelta(seconds=300)
TIME = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = Owner("00000000-0000-7000-8000-00000000000a", "provision-acme", TIME)
KEY = RecordKey("acme.example.com", RecordType.A)
FOREIGN = Record(
    RecordKey("by-hand.example.com", RecordType.A), RecordData(("192.0.2.99",), TTL), None, "", "example.com"
)


def wanted(provider, key=KEY, values=("192.0.2.1",)):
    return Record(key, RecordData(values, TTL), OWNER, provider.name, "example.com", create_time=TIME, update_time=TIME)


async def test_what_was_put_is_found_with_its_stamp(opener):
    async with opener([]) as provider:
        await provider.check()
        written = await provider.put(wanted(provider), expected=None)
        assert await provider.at(KEY.name) == [written]
        assert written.belongs_to(OWNER.tenant_id)
        assert [record async for record in provider.stamped()] == [written]


async def test_several_types_stand_at_one_name(opener):
    async with opener([]) as provider:
        await provider.put(wanted(provider), expected=None)
        await provider.put(wanted(provider, RecordKey(KEY.name, RecordType.TXT), ("hello",)), expected=None)
        assert {record.key.type for record in await provider.at(KEY.name)} == {RecordType.A, RecordType.TXT}


async def test_a_put_that_expects_nothing_loses_against_what_is_there(opener):
    async with opener([]) as provider:
        first = await provider.put(wanted(provider), expected=None)
        with pytest.raises(Aborted):
            await provider.put(wanted(provider, values=("192.0.2.2",)), expected=None)
        assert await provider.at(KEY.name) == [first]


async def test_a_put_over_a_stale_reading_loses(opener):
    async with opener([]) as provider:
        stale = await provider.put(wanted(provider), expected=None)
        newer = await provider.put(wanted(provider, values=("192.0.2.2",)), expected=stale)
        with pytest.raises(Aborted):
            await provider.put(wanted(provider, values=("192.0.2.3",)), expected=stale)
        assert await provider.at(KEY.name) == [newer]


async def test_remove_takes_the_record_and_its_stamp(opener):
    async with opener([]) as provider:
        written = await provider.put(wanted(provider), expected=None)
        await provider.remove(written)
        assert await provider.at(KEY.name) == []
        assert [record async for record in provider.stamped()] == []


async def test_remove_of_a_stale_reading_removes_nothing(opener):
    async with opener([]) as provider:
        stale = await provider.put(wanted(provider), expected=None)
        newer = await provider.put(wanted(provider, values=("192.0.2.2",)), expected=stale)
        with pytest.raises(Aborted):
            await provider.remove(stale)
        assert await provider.at(KEY.name) == [newer]


async def test_what_others_made_is_seen_at_its_name_and_bears_no_stamp(opener):
    async with opener([FOREIGN]) as provider:
        (found,) = await provider.at(FOREIGN.key.name)
        assert replace(found, provider="") == FOREIGN
        assert [record async for record in provider.stamped()] == []


async def test_a_name_outside_every_zone_is_refused(opener):
    async with opener([]) as provider:
        assert await provider.zone_of("deep.below.example.com") == "example.com"
        assert await provider.zone_of("example.com") == "example.com"
        for name in ("example.org", "notexample.com"):
            with pytest.raises(Conflict) as caught:
                await provider.zone_of(name)
            assert caught.value.reason == "ZONE_NOT_SERVED"
