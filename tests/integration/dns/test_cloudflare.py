"""The cloudflare provider where Cloudflare refuses, limits, breaks and loses replies."""

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from tests.fixtures.dnsproviders import cloudflare_settings

from dns_service.model import Node, Owner, Record, RecordData, RecordKey, RecordType
from dns_service.providers.cloudflare import CloudflareProvider
from dns_service.service import Records
from dns_service.verification.providers.nolookup import NoLookup
from faults import Aborted, AlreadyExists, Conflict, Exhausted, Fault, Internal, Invalid, Timeout, Unavailable
from settingskit import Secret

TENANT, OTHER = "0192f0c1-2b3c-7d4e-8f50-112233445566", "0192f0c1-2b3c-7d4e-8f50-665544332211"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = RecordKey("acme.example.com", RecordType.A)
DATA = RecordData(("192.0.2.1",), timedelta(seconds=300))
OWNER = Owner(TENANT, f"provision-tenant-{TENANT}", NOW)
RECORD = Record(KEY, DATA, OWNER, "cloudflare", "example.com", create_time=NOW, update_time=NOW)
NOTHING = Node(KEY.name)
SHORT = timedelta(milliseconds=300)


@asynccontextmanager
async def provider_on(server, **changes):
    async with CloudflareProvider(cloudflare_settings(server, **changes)) as provider:
        yield provider


def records(provider):
    return Records(provider, NoLookup(), NoLookup())


async def ensure(provider, key=KEY, data=DATA, tenant_id=TENANT, operation_id="provision-acme"):
    return await records(provider).ensure(key, data, tenant_id=tenant_id, operation_id=operation_id)


async def refusal(work):
    with pytest.raises(Fault) as caught:
        await work
    return type(caught.value), caught.value.reason


def answering(status, headers=None):
    return lambda _: web.json_response({"success": False, "errors": []}, status=status, headers=headers)


async def test_the_stamp_stands_in_the_comment_of_every_value(cloudflare):
    async with provider_on(cloudflare) as provider:
        data = RecordData(("192.0.2.1", "192.0.2.2"), timedelta(seconds=120))
        record, created = await ensure(provider, data=data, operation_id=f"provision-tenant-{TENANT}")
        assert created
        assert len(record.provider_record_id.split(",")) == 2
    assert [one["content"] for one in cloudflare.records.values()] == ["192.0.2.1", "192.0.2.2"]
    (comment,) = {one["comment"] for one in cloudflare.records.values()}
    assert comment.startswith(f"tenantmesh,A,{TENANT},provision-tenant-~,")
    assert len(comment) <= 100


async def test_records_are_tagged_with_their_tenant_where_the_plan_has_tags(cloudflare):
    async with provider_on(cloudflare, tags=True) as provider:
        assert await refusal(ensure(provider)) == (Invalid, "VALUE_INVALID")  # the free plan has none
        cloudflare.tags = True
        assert (await ensure(provider))[1]
    (made,) = cloudflare.records.values()
    assert made["tags"] == [f"tenant:{TENANT}"]


async def test_an_operation_whose_name_does_not_fit_the_comment_is_refused_before_anything_is_made(cloudflare):
    async with provider_on(cloudflare) as provider:
        assert await refusal(ensure(provider, operation_id="o" * 60)) == (Conflict, "CAPABILITY_MISSING")
    async with provider_on(cloudflare, comment_limit=500) as provider:
        cloudflare.comment_limit = 500
        record, _ = await ensure(provider, operation_id="o" * 60)
        assert record.owner.operation_id == "o" * 60


async def test_what_is_proxied_has_the_automatic_ttl_and_stays_so(cloudflare):
    async with provider_on(cloudflare) as provider:
        data = replace(DATA, proxied=True)
        record, _ = await ensure(provider, data=data)
        assert (record.data.proxied, record.data.ttl) == (True, timedelta(minutes=5))
        assert await ensure(provider, data=data) == (record, False)
        changed, created = await ensure(provider)
        assert (changed.data.proxied, created) == (False, False)


async def test_an_alias_stands_at_the_top_of_a_zone(cloudflare):
    async with provider_on(cloudflare) as provider:
        apex = RecordKey("example.com", RecordType.CNAME)
        record, created = await ensure(provider, apex, RecordData(("edge.example.net",), timedelta(seconds=300)))
        assert created
        assert record.veiled


async def test_a_value_somebody_added_by_hand_makes_the_whole_set_foreign(cloudflare):
    async with provider_on(cloudflare) as provider:
        await ensure(provider)
        cloudflare.add(KEY.name, "A", "203.0.113.9")
        assert await refusal(ensure(provider)) == (AlreadyExists, "RECORD_NOT_OWNED")
        assert await refusal(records(provider).delete(KEY, tenant_id=TENANT)) == (AlreadyExists, "RECORD_NOT_OWNED")
    assert len(cloudflare.records) == 2


async def test_text_from_before_quotes_is_read(cloudflare):
    cloudflare.add(KEY.name, "TXT", "v=spf1 -all")
    cloudflare.add(KEY.name, "SRV", "0 5 443 a.example.net")
    async with provider_on(cloudflare) as provider:
        node = await provider.at(KEY.name)
    assert [record.data.values for record in node.records] == [("v=spf1 -all",)]
    assert node.others == ("SRV",)


async def test_many_zones_and_many_records_come_page_by_page(cloudflare):
    cloudflare.zones |= {f"zone-{index}.example.org": f"{index + 1:032d}" for index in range(120)}
    async with provider_on(cloudflare) as provider:
        for index in range(250):
            stamp = f"tenantmesh,A,{TENANT},provision-acme,hefh0ptfsw,0"
            cloudflare.add(f"r{index}.example.com", "A", "192.0.2.1", comment=stamp)
        assert await provider.zone_of("acme.zone-119.example.org") == "zone-119.example.org"
        cloudflare.zones = {"example.com": cloudflare.zones["example.com"]}
    cloudflare.plan.requests.clear()
    async with provider_on(cloudflare) as provider:
        listed = [record async for record in provider.stamped()]
    assert len({record.key for record in listed}) == 250
    assert len([one for one in cloudflare.plan.requests if "dns_records" in one]) == 3


async def test_a_wrong_token_is_refused(cloudflare):
    async with provider_on(cloudflare, token=Secret("another")) as provider:
        for work in (provider.check(), provider.at(KEY.name), ensure(provider)):
            assert await refusal(work) == (Conflict, "PROVIDER_CREDENTIALS_REFUSED")


async def test_a_zone_that_is_not_there_is_told(cloudflare):
    async with provider_on(cloudflare, zones=("example.org",)) as provider:
        assert await refusal(provider.check()) == (Conflict, "ZONE_NOT_SERVED")


async def test_the_vendors_word_on_rates_is_passed_on_and_kept(cloudflare):
    async with provider_on(cloudflare, rate_patience=timedelta(seconds=1)) as provider:
        await provider.check()
        cloudflare.plan.fail("GET", answering(429, {"Retry-After": "700"}))
        with pytest.raises(Exhausted) as caught:
            await provider.at(KEY.name)
        assert (caught.value.reason, caught.value.retry_after) == ("PROVIDER_RATE_LIMITED", timedelta(seconds=700))
        asked = len(cloudflare.plan.requests)
        with pytest.raises(Exhausted) as caught:
            await provider.at(KEY.name)
        assert timedelta(seconds=500) < caught.value.retry_after <= timedelta(seconds=701)
        assert len(cloudflare.plan.requests) == asked  # nothing was sent until then


async def test_a_word_on_rates_without_a_time_means_the_whole_window(cloudflare):
    async with provider_on(cloudflare) as provider:
        await provider.check()
        cloudflare.plan.fail("GET", answering(429))
        with pytest.raises(Exhausted) as caught:
            await provider.at(KEY.name)
        assert caught.value.retry_after == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (403, (Conflict, "PROVIDER_CREDENTIALS_REFUSED")),
        (500, (Unavailable, "PROVIDER_UNAVAILABLE")),
        (503, (Unavailable, "PROVIDER_UNAVAILABLE")),
        (418, (Internal, "PROVIDER_ANSWER_UNKNOWN")),
    ],
)
async def test_what_the_vendor_answers_becomes_a_fault(cloudflare, status, expected):
    async with provider_on(cloudflare) as provider:
        await provider.check()
        cloudflare.plan.fail("POST", answering(status))
        assert await refusal(provider.put(RECORD, seen=NOTHING)) == expected
        assert cloudflare.records == {}
        assert (await ensure(provider))[1]


async def test_a_value_the_vendor_does_not_take_is_told(cloudflare):
    async with provider_on(cloudflare) as provider:
        strange = replace(RECORD, data=RecordData(("192.0.2.1",), timedelta(seconds=30)))
        assert await refusal(provider.put(strange, seen=NOTHING)) == (Invalid, "VALUE_INVALID")


async def test_a_lost_reply_after_a_batch_that_worked_is_made_up_for(cloudflare):
    async with provider_on(cloudflare) as provider:
        await provider.check()
        cloudflare.plan.lose_reply("POST")
        record, created = await ensure(provider)
        assert created
        assert len(cloudflare.records) == 1
        assert (await provider.at(KEY.name)).records == (record,)
        cloudflare.plan.lose_reply("POST")
        assert await records(provider).delete(KEY, tenant_id=TENANT)
        assert cloudflare.records == {}


async def test_a_vendor_that_is_silent_or_away_is_told(cloudflare):
    async with provider_on(cloudflare, patience=SHORT) as provider:
        gate = asyncio.Event()
        cloudflare.plan.hold("GET", gate)
        assert await refusal(provider.check()) == (Timeout, "PROVIDER_TIMED_OUT")
        gate.set()
    async with provider_on(cloudflare, url="http://127.0.0.1:9/client/v4") as provider:
        assert await refusal(provider.check()) == (Unavailable, "PROVIDER_UNAVAILABLE")


async def test_a_record_replaced_by_somebody_else_meanwhile_is_not_replaced_again(cloudflare):
    async with provider_on(cloudflare) as one, provider_on(cloudflare) as two:
        await ensure(one)
        seen = await one.at(KEY.name)
        await ensure(two, data=RecordData(("192.0.2.2",), timedelta(seconds=300)))
        with pytest.raises(Aborted):
            await one.put(RECORD, seen=seen)
        # Even past the look that comes before the write, the vendor refuses to delete what is gone.
        cloudflare.plan.requests.clear()
        one.at = lambda *_: _as_seen(seen)
        with pytest.raises(Aborted):
            await one.put(RECORD, seen=seen)


async def _as_seen(node):
    return node


async def test_of_many_tenants_that_want_a_name_exactly_one_gets_it(cloudflare):
    tenants = [f"0192f0c1-2b3c-7d4e-8f50-{index:012d}" for index in range(12)]
    async with provider_on(cloudflare) as provider:
        answers = await asyncio.gather(
            *(ensure(provider, tenant_id=tenant, data=RecordData((f"192.0.2.{index}",), DATA.ttl))
              for index, tenant in enumerate(tenants)),
            return_exceptions=True,
        )  # fmt: skip
    assert sum(not isinstance(answer, Exception) for answer in answers) == 1
    assert {type(answer) for answer in answers} == {tuple, AlreadyExists}
    assert len(cloudflare.records) == 1


async def insist(provider, tenant_id, value):
    """As the contract says of RECORD_CHANGED: send again."""
    while True:
        with suppress(Aborted):
            return await ensure(provider, tenant_id=tenant_id, data=RecordData((value,), DATA.ttl))


async def test_of_two_tenants_of_two_processes_exactly_one_gets_the_name(cloudflare):
    async with provider_on(cloudflare) as one, provider_on(cloudflare) as two:
        answers = await asyncio.gather(
            insist(one, TENANT, "192.0.2.1"), insist(two, OTHER, "192.0.2.2"), return_exceptions=True
        )
        (made,) = [answer for answer in answers if not isinstance(answer, Exception)]
        assert {type(answer) for answer in answers} == {tuple, AlreadyExists}
        assert (await two.at(KEY.name)).records == (made[0],)


async def test_who_finds_another_beside_its_own_gives_way(cloudflare):
    gate = asyncio.Event()
    cloudflare.plan.hold("POST", gate)
    async with provider_on(cloudflare) as one, provider_on(cloudflare) as two:
        late = asyncio.create_task(ensure(one, tenant_id=OTHER, data=RecordData(("192.0.2.2",), DATA.ttl)))
        while not any(request.startswith("POST") for request in cloudflare.plan.requests):  # noqa: ASYNC110 - a list
            await asyncio.sleep(0.005)
        made, _ = await ensure(two)
        gate.set()
        assert await refusal(late) == (AlreadyExists, "RECORD_NOT_OWNED")
        assert (await one.at(KEY.name)).records == (made,)


async def test_names_that_come_together_share_a_batch_and_stay_within_the_limit(cloudflare):
    cloudflare.limit = 300
    gate = asyncio.Event()
    cloudflare.plan.hold("POST", gate)
    async with provider_on(cloudflare, requests=300) as provider:
        keys = [RecordKey(f"many-{index}.example.com", RecordType.A) for index in range(120)]
        making = asyncio.gather(*(ensure(provider, key) for key in keys))
        while len(cloudflare.plan.requests) < 2 + len(keys):  # noqa: ASYNC110 - requests are a list
            await asyncio.sleep(0.005)
        gate.set()  # each has looked whether its name is free, and the first batch is under way
        assert all(created for _, created in await making)
        batches = [one for one in cloudflare.plan.requests if one.startswith("POST")]
        assert len(batches) <= 3
        assert len(cloudflare.records) == 120
