"""The route53 provider where Route 53 refuses, throttles, takes its time, and loses replies."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from tests.fixtures.dnsproviders import route53_settings
from tests.fixtures.route53 import aws_error

from dns_service.model import Node, Owner, Record, RecordData, RecordKey, RecordType
from dns_service.providers import route53 as module
from dns_service.providers.route53 import Route53Provider
from dns_service.service import Records
from dns_service.verification.providers.nolookup import NoLookup
from faults import AlreadyExists, Conflict, Exhausted, Fault, Internal, Invalid, Timeout, Unavailable

TENANT = "0192f0c1-2b3c-7d4e-8f50-112233445566"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = RecordKey("acme.example.com", RecordType.A)
DATA = RecordData(("192.0.2.1",), timedelta(seconds=300))
OWNER = Owner(TENANT, "provision-acme", NOW)
RECORD = Record(KEY, DATA, OWNER, "route53", "example.com", create_time=NOW, update_time=NOW)
NOTHING = Node(KEY.name)


@pytest.fixture
async def server(route53):
    await route53.reset()
    return route53


@asynccontextmanager
async def provider_on(server, **changes):
    async with Route53Provider(route53_settings(server, **changes)) as provider:
        yield provider


async def ensure(provider, key=KEY, data=DATA, tenant_id=TENANT):
    service = Records(provider, NoLookup(), NoLookup())
    return await service.ensure(key, data, tenant_id=tenant_id, operation_id="provision-acme")


async def delete(provider, key=KEY):
    return await Records(provider, NoLookup(), NoLookup()).delete(key, tenant_id=TENANT)


async def refusal(work):
    with pytest.raises(Fault) as caught:
        await work
    return type(caught.value), caught.value.reason


async def test_a_change_is_done_when_every_server_has_it(server):
    server.pending = 3
    async with provider_on(server) as provider:
        assert (await ensure(provider))[1]
    assert len([one for one in server.plan.requests if "/change/" in one]) == 3


async def test_a_change_that_takes_too_long_is_told_and_found_by_a_second_look(server):
    server.pending = 10**6
    short = timedelta(milliseconds=200)
    async with provider_on(server, sync_patience=short) as provider:
        assert await refusal(provider.put(RECORD, seen=NOTHING)) == (Timeout, "PROVIDER_TIMED_OUT")
        assert (await provider.at(KEY.name)).records == (RECORD,)


async def test_leaving_does_not_wait_for_what_takes_its_time(server):
    server.pending = 10**6
    async with asyncio.timeout(5):
        async with provider_on(server) as provider:
            working = asyncio.create_task(provider.put(RECORD, seen=NOTHING))
            while not any("/change/" in one for one in server.plan.requests):  # noqa: ASYNC110 - requests are a list
                await asyncio.sleep(0.005)
        with pytest.raises(asyncio.CancelledError):
            await working


@pytest.mark.parametrize("code", ["Throttling", "PriorRequestNotComplete"])
async def test_the_vendors_word_on_rates_is_passed_on_and_kept(server, code, monkeypatch):
    monkeypatch.setattr(module, "_BREATHER", timedelta(hours=1))
    async with provider_on(server, rate_patience=timedelta()) as provider:
        await provider.check()
        server.plan.fail("POST", lambda _: aws_error(code, "Rate exceeded"))
        with pytest.raises(Exhausted) as caught:
            await provider.put(RECORD, seen=NOTHING)
        assert (caught.value.reason, caught.value.retry_after) == ("PROVIDER_RATE_LIMITED", timedelta(hours=1))
        asked = len(server.plan.requests)
        assert await refusal(provider.put(RECORD, seen=NOTHING)) == (Exhausted, "PROVIDER_RATE_LIMITED")
        assert len(server.plan.requests) == asked


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("AccessDenied", 403, (Conflict, "PROVIDER_CREDENTIALS_REFUSED")),
        ("InvalidClientTokenId", 403, (Conflict, "PROVIDER_CREDENTIALS_REFUSED")),
        ("SignatureDoesNotMatch", 403, (Conflict, "PROVIDER_CREDENTIALS_REFUSED")),
        ("NoSuchHostedZone", 404, (Conflict, "ZONE_NOT_SERVED")),
        ("InternalError", 500, (Unavailable, "PROVIDER_UNAVAILABLE")),
        ("ServiceUnavailable", 503, (Unavailable, "PROVIDER_UNAVAILABLE")),
        ("Teapot", 418, (Internal, "PROVIDER_ANSWER_UNKNOWN")),
    ],
)
async def test_what_the_vendor_answers_becomes_a_fault(server, code, status, expected):
    async with provider_on(server) as provider:
        await provider.check()
        server.plan.fail("POST", lambda _: aws_error(code, "No.", status))
        assert await refusal(provider.put(RECORD, seen=NOTHING)) == expected
        assert (await ensure(provider))[1]


async def test_a_value_the_vendor_does_not_take_is_told(server):
    async with provider_on(server) as provider:
        await provider.check()
        server.plan.fail("POST", lambda _: aws_error("InvalidChangeBatch", "Invalid Resource Record: FATAL problem"))
        assert await refusal(provider.put(RECORD, seen=NOTHING)) == (Invalid, "VALUE_INVALID")


async def test_a_lost_reply_after_a_change_that_worked_is_made_up_for(server):
    async with provider_on(server) as provider:
        await provider.check()
        server.plan.lose_reply("POST")
        record, created = await ensure(provider)
        assert created
        assert (await provider.at(KEY.name)).records == (record,)
        server.plan.lose_reply("POST")
        assert await delete(provider)
        assert (await provider.at(KEY.name)).records == ()


async def test_a_vendor_that_is_silent_or_away_is_told(server, monkeypatch):
    async with provider_on(server, patience=timedelta(milliseconds=300)) as provider:
        gate = asyncio.Event()
        server.plan.hold("GET", gate)
        assert await refusal(provider.check()) == (Timeout, "PROVIDER_TIMED_OUT")
        gate.set()
    async with provider_on(server, endpoint="http://127.0.0.1:9") as provider:
        assert await refusal(provider.check()) == (Unavailable, "PROVIDER_UNAVAILABLE")
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    async with provider_on(server, key_id=None, key=None) as provider:
        assert await refusal(provider.check()) == (Conflict, "PROVIDER_CREDENTIALS_REFUSED")


async def test_of_many_tenants_of_two_processes_exactly_one_gets_the_name(server):
    tenants = [f"0192f0c1-2b3c-7d4e-8f50-{index:012d}" for index in range(12)]
    async with provider_on(server) as one, provider_on(server) as two:
        answers = await asyncio.gather(
            *(ensure((one, two)[index % 2], tenant_id=tenant) for index, tenant in enumerate(tenants)),
            return_exceptions=True,
        )
        assert sum(not isinstance(answer, Exception) for answer in answers) == 1
        assert {type(answer) for answer in answers} == {tuple, AlreadyExists}


async def test_names_that_come_together_share_batches_and_stay_within_the_limit(server):
    async with provider_on(server, rate=5.0) as provider:
        await provider.check()
        server.rate, server.burst = 10.0, 10.0
        server.plan.requests.clear()
        keys = [RecordKey(f"many-{index}.example.com", RecordType.A) for index in range(200)]
        made = await asyncio.gather(*(ensure(provider, key) for key in keys))
        assert all(created for _, created in made)
        assert server.throttled == 0
        assert len(server.plan.requests) <= 5


async def test_only_the_name_at_fault_is_refused(server):
    await server.add("many-3.example.com", "A", 300, "203.0.113.9")
    async with provider_on(server) as provider:
        keys = [RecordKey(f"many-{index}.example.com", RecordType.A) for index in range(16)]
        answers = await asyncio.gather(*(ensure(provider, key) for key in keys), return_exceptions=True)
        assert [isinstance(answer, AlreadyExists) for answer in answers] == [index == 3 for index in range(16)]


async def test_many_records_come_page_by_page_and_many_zones_too(server, monkeypatch):
    monkeypatch.setattr(module, "_PAGE", "10")
    async with provider_on(server) as provider:
        keys = [RecordKey(f"many-{index}.example.com", RecordType.A) for index in range(30)]
        await asyncio.gather(*(ensure(provider, key) for key in keys))
        server.plan.requests.clear()
        assert {record.key async for record in provider.stamped()} == set(keys)
        assert len(server.plan.requests) == 7


async def test_a_stamp_far_behind_its_name_is_found(server, monkeypatch):
    monkeypatch.setattr(module, "_FEW", "2")
    async with provider_on(server) as provider:
        for index in range(4):
            await server.add(f"1{index}.{KEY.name}", "A", 300, "203.0.113.9")
        await ensure(provider)
        (record,) = (await provider.at(KEY.name)).records
        assert record.belongs_to(TENANT)


async def test_zones_come_page_by_page_and_private_ones_are_left_out(server):
    pages = iter(
        [
            _zones([("one.example.org.", "false"), ("inner.example.org.", "true")], marker="two"),
            _zones([("two.example.org.", "false")]),
        ]
    )
    async with provider_on(server) as provider:
        server.plan.fail("GET", lambda _: next(pages))
        server.plan.fail("GET", lambda _: next(pages))
        assert await provider.zone_of("acme.two.example.org") == "two.example.org"
        assert await provider.zone_of("acme.one.example.org") == "one.example.org"
        assert await refusal(provider.zone_of("acme.inner.example.org")) == (Conflict, "ZONE_NOT_SERVED")


async def test_an_alias_of_amazons_own_is_foreign(server):
    alias = (
        '<ListResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ResourceRecordSets>'
        "<ResourceRecordSet><Name>acme.example.com.</Name><Type>A</Type><AliasTarget><HostedZoneId>Z</HostedZoneId>"
        "<DNSName>lb.amazonaws.com.</DNSName><EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>"
        "</ResourceRecordSet></ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>20</MaxItems>"
        "</ListResourceRecordSetsResponse>"
    )
    async with provider_on(server) as provider:
        await provider.check()
        server.plan.fail("GET", lambda _: web.Response(text=alias, content_type="text/xml"))
        (record,) = (await provider.at(KEY.name)).records
    assert (record.owner, record.data.values) == (None, ("ALIAS lb.amazonaws.com.",))


async def test_a_batch_never_holds_more_than_the_vendor_takes(server):
    async with provider_on(server) as provider:
        long = RecordData(("x" * 2000,), timedelta(seconds=300))
        keys = [RecordKey(f"long-{index}.example.com", RecordType.TXT) for index in range(40)]
        made = await asyncio.gather(*(ensure(provider, key, long) for key in keys))
        assert all(created for _, created in made)
    posts = [one for one in server.plan.requests if one.startswith("POST")]
    assert len(posts) >= 3
    assert replace(made[0][0], owner=None).data == long


def _zones(zones, marker=""):
    listed = "".join(
        f"<HostedZone><Id>/hostedzone/{name}</Id><Name>{name}</Name><CallerReference>1</CallerReference>"
        f"<Config><PrivateZone>{private}</PrivateZone></Config></HostedZone>"
        for name, private in zones
    )
    more = (
        f"<IsTruncated>true</IsTruncated><NextMarker>{marker}</NextMarker>"
        if marker
        else "<IsTruncated>false</IsTruncated>"
    )
    return web.Response(
        text=f'<ListHostedZonesResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><HostedZones>{listed}'
        f"</HostedZones>{more}<MaxItems>100</MaxItems></ListHostedZonesResponse>",
        content_type="text/xml",
    )
