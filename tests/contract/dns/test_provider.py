"""What every DNS provider promises, whatever stands behind it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dns_service.model import Node, Owner, Record, RecordData, RecordKey, RecordType
from faults import Aborted, Conflict

TTL = timedelta(seconds=300)
TIME = datetime(2026, 1, 1, microsecond=123456, tzinfo=UTC)
OWNER = Owner("00000000-0000-7000-8000-00000000000a", "provision-acme", TIME)
KEY = RecordKey("acme.example.com", RecordType.A)
NOTHING = Node(KEY.name)
FOREIGN = Record(
    RecordKey("by-hand.example.com", RecordType.A), RecordData(("192.0.2.99",), TTL), None, "", "example.com"
)
VALUES = {
    RecordType.A: ("192.0.2.1", "192.0.2.2"),
    RecordType.AAAA: ("2001:db8::1",),
    RecordType.CNAME: ("edge.example.com",),
    RecordType.TXT: ("hello", "v=spf1 -all"),
    RecordType.CAA: ('0 issue "ca.example.net"',),
    RecordType.MX: ("10 mail.example.net", "20 mail.example.org"),
}


def wanted(provider, key=KEY, values=("192.0.2.1",), **changes):
    data = RecordData(tuple(sorted(values)), TTL)
    record = Record(key, data, OWNER, provider.name, "example.com", create_time=TIME, update_time=TIME)
    return replace(record, **changes)


def plain(record):
    """Without what only one provider knows."""
    return replace(record, provider_record_id="")


async def put(provider, record):
    """Write over whatever stands there."""
    return await provider.put(record, seen=await provider.at(record.key.name))


async def stamped(provider):
    return [plain(record) async for record in provider.stamped()]


async def test_what_was_put_is_found_as_it_was_written(opener):
    async with opener([]) as provider:
        await provider.check()
        for kind in sorted(provider.types, key=lambda kind: kind.value):
            record = wanted(provider, RecordKey(KEY.name, kind), VALUES[kind])
            written = await provider.put(record, seen=NOTHING)
            assert plain(written) == record
            node = await provider.at(KEY.name)
            assert node.records == (written,)
            assert node.others == ()
            assert (await provider.at(KEY.name, kind)).records == (written,)
            assert await stamped(provider) == [record]
            await provider.remove(written, seen=node)


async def test_text_is_kept_to_the_letter_or_refused(opener):
    async with opener([]) as provider:
        key = RecordKey(KEY.name, RecordType.TXT)
        for text in ('say "hello"; \\o/', "x" * 600):
            record = wanted(provider, key, (text,))
            try:
                await provider.put(record, seen=NOTHING)
            except Conflict as refused:
                assert refused.reason == "CAPABILITY_MISSING"
                assert (await provider.at(KEY.name)).records == ()
            else:
                node = await provider.at(KEY.name)
                assert plain(node.find(key)) == record
                await provider.remove(record, seen=node)


async def test_a_cname_that_expects_nothing_loses_against_an_address_and_the_other_way_round(opener):
    async with opener([]) as provider:
        alias = RecordKey(KEY.name, RecordType.CNAME)
        pairs = [(wanted(provider), wanted(provider, alias, VALUES[RecordType.CNAME]))]
        for first, second in [*pairs, *((two, one) for one, two in pairs)]:
            written = await provider.put(first, seen=NOTHING)
            with pytest.raises(Aborted):
                await provider.put(second, seen=NOTHING)
            node = await provider.at(KEY.name)
            assert node.records == (written,)
            await provider.remove(written, seen=node)


async def test_several_types_stand_at_one_name(opener):
    async with opener([]) as provider:
        a = await put(provider, wanted(provider))
        txt = await put(provider, wanted(provider, RecordKey(KEY.name, RecordType.TXT), ("hello",)))
        assert (await provider.at(KEY.name)).records == (a, txt)
        assert (await provider.at(KEY.name, RecordType.TXT)).find(txt.key) == txt
        await provider.remove(a, seen=await provider.at(KEY.name))
        assert (await provider.at(KEY.name)).records == (txt,)


async def test_a_put_that_expects_nothing_loses_against_what_is_there(opener):
    async with opener([]) as provider:
        first = await provider.put(wanted(provider), seen=NOTHING)
        with pytest.raises(Aborted):
            await provider.put(wanted(provider, values=("192.0.2.2",)), seen=NOTHING)
        assert (await provider.at(KEY.name)).records == (first,)


async def test_a_put_over_a_stale_reading_loses(opener):
    async with opener([]) as provider:
        await provider.put(wanted(provider), seen=NOTHING)
        stale = await provider.at(KEY.name)
        later = TIME + timedelta(hours=1)
        newer = await provider.put(wanted(provider, values=("192.0.2.2",), update_time=later), seen=stale)
        with pytest.raises(Aborted):
            await provider.put(wanted(provider, values=("192.0.2.3",)), seen=stale)
        assert (await provider.at(KEY.name)).records == (newer,)
        assert newer.update_time == later


async def test_remove_takes_the_record_and_its_stamp(opener):
    async with opener([]) as provider:
        written = await provider.put(wanted(provider), seen=NOTHING)
        await provider.remove(written, seen=await provider.at(KEY.name))
        assert (await provider.at(KEY.name)).records == ()
        assert await stamped(provider) == []
        again = await provider.put(wanted(provider), seen=NOTHING)
        assert plain(again) == plain(written)


async def test_remove_of_a_stale_reading_removes_nothing(opener):
    async with opener([]) as provider:
        old = await provider.put(wanted(provider), seen=NOTHING)
        stale = await provider.at(KEY.name)
        newer = await provider.put(wanted(provider, values=("192.0.2.2",)), seen=stale)
        with pytest.raises(Aborted):
            await provider.remove(old, seen=stale)
        assert (await provider.at(KEY.name)).records == (newer,)


async def test_what_others_made_is_seen_at_its_name_and_bears_no_stamp(opener):
    async with opener([FOREIGN]) as provider:
        (found,) = (await provider.at(FOREIGN.key.name)).records
        assert replace(plain(found), provider="") == FOREIGN
        assert await stamped(provider) == []
        with pytest.raises(Aborted):
            await provider.put(wanted(provider, FOREIGN.key), seen=Node(FOREIGN.key.name))


async def test_a_name_outside_every_zone_is_refused(opener):
    async with opener([]) as provider:
        assert await provider.zone_of("deep.below.example.com") == "example.com"
        assert await provider.zone_of("example.com") == "example.com"
        for name in ("example.org", "notexample.com"):
            with pytest.raises(Conflict) as caught:
                await provider.zone_of(name)
            assert caught.value.reason == "ZONE_NOT_SERVED"


async def test_a_wildcard_is_a_name_like_any_other_and_hides_none(opener):
    async with opener([]) as provider:
        star = RecordKey("*.acme.example.com", RecordType.A)
        written = await provider.put(wanted(provider, star), seen=Node(star.name))
        assert (await provider.at(star.name)).records == (written,)
        # The wildcard answers for this name, and nothing stands there.
        assert (await provider.at("shop.acme.example.com")).records == ()
        shop = RecordKey("shop.acme.example.com", RecordType.A)
        await provider.put(wanted(provider, shop), seen=Node(shop.name))
        text = RecordKey("*.text.example.com", RecordType.TXT)
        await provider.put(wanted(provider, text, ("says-something",)), seen=Node(text.name))
        # It answers for the place of the stamp as well.
        assert await provider.at("shop.text.example.com") == Node("shop.text.example.com")
        await provider.remove(wanted(provider, text, ("says-something",)), seen=await provider.at(text.name))
        assert {record.key for record in await stamped(provider)} == {star, shop}


async def test_the_longest_operation_and_the_longest_name_fit(opener):
    async with opener([]) as provider:
        name = ".".join(["a" * 57] * 4)[: 241 - len(".example.com")] + ".example.com"
        key = RecordKey.parse(name, RecordType.A)
        assert len(key.name) == 241
        owner = Owner(OWNER.tenant_id, f"bootstrap-organization-{OWNER.tenant_id}", TIME)
        written = await provider.put(wanted(provider, key, owner=owner), seen=Node(key.name))
        assert (await provider.at(key.name)).records == (written,)
        assert written.owner == owner
