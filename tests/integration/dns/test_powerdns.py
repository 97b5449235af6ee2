"""The powerdns and lexicon providers on a real PowerDNS that refuses, breaks and loses replies."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus

import aiohttp
import pytest
import requests
from aiohttp import web
from tests.fixtures.dnsproviders import lexicon_settings, powerdns_settings
from tests.fixtures.nameservers import dig
from tests.fixtures.vendors import Plan, serving

from dns_service.model import Node, Owner, Record, RecordData, RecordKey, RecordType
from dns_service.providers import lexicon as lexicon_module
from dns_service.providers.lexicon import LexiconProvider
from dns_service.providers.powerdns import PowerDnsProvider
from dns_service.service import Records
from dns_service.verification.providers.nolookup import NoLookup
from faults import AlreadyExists, Conflict, Exhausted, Fault, Internal, Invalid, Timeout, Unavailable
from settingskit import Secret

TENANT = "0192f0c1-2b3c-7d4e-8f50-112233445566"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = RecordKey("acme.example.com", RecordType.A)
DATA = RecordData(("192.0.2.1",), timedelta(seconds=300))
OWNER = Owner(TENANT, "provision-acme", NOW)
NOTHING = Node(KEY.name)
SHORT = timedelta(milliseconds=300)


class Proxy:
    """What goes through it comes out at PowerDNS, unless the plan says otherwise."""

    def __init__(self, target):
        self.target = target
        self.plan = Plan()
        self.url = ""

    @asynccontextmanager
    async def running(self):
        @web.middleware
        async def planned(request, handler):
            return await self.plan.through(request, handler)

        async def forward(request):
            headers = {key: value for key, value in request.headers.items() if key.lower() != "host"}
            body = await request.read()
            async with session.request(request.method, request.rel_url, data=body, headers=headers) as answer:
                kind = answer.headers.get("Content-Type", "text/plain").partition(";")[0]
                return web.Response(status=answer.status, body=await answer.read(), content_type=kind)

        application = web.Application(middlewares=[planned])
        application.router.add_route("*", "/{path:.*}", forward)
        async with aiohttp.ClientSession(self.target) as session, serving(application) as base:
            self.url = base
            yield self


@pytest.fixture
async def proxy(powerdns):
    await powerdns.clear()
    async with Proxy(powerdns.api).running() as one:
        yield one


@pytest.fixture(params=["powerdns", "lexicon"])
def opened(request, powerdns, proxy):
    """Opens one of the providers that speak the API, through the proxy."""

    def by_api(**changes):
        return PowerDnsProvider(powerdns_settings(powerdns, **{"url": proxy.url, **changes}))

    def by_lexicon(key=powerdns.api_key, url=proxy.url, **changes):
        options = Secret(f"auth_token={getattr(key, 'reveal', lambda: key)()},pdns_server={url}")
        return LexiconProvider(lexicon_settings(powerdns, **{"options": options, **changes}))

    return {"powerdns": by_api, "lexicon": by_lexicon}[request.param]


def record(provider, key=KEY, values=("192.0.2.1",)):
    data = RecordData(values, DATA.ttl)
    return Record(key, data, OWNER, provider.name, "example.com", create_time=NOW, update_time=NOW)


async def ensure(provider, key=KEY, data=DATA, tenant_id=TENANT):
    service = Records(provider, NoLookup(), NoLookup())
    return await service.ensure(key, data, tenant_id=tenant_id, operation_id="provision-acme")


async def refusal(work):
    with pytest.raises(Fault) as caught:
        await work
    return type(caught.value), caught.value.reason


async def test_a_wrong_key_is_refused(opened):
    async with opened(key=Secret("another")) as provider:
        assert await refusal(provider.check()) == (Conflict, "PROVIDER_CREDENTIALS_REFUSED")


async def test_a_zone_that_is_not_there_is_told(opened):
    async with opened(zones=("example.org",)) as provider:
        assert await refusal(provider.check()) == (Conflict, "ZONE_NOT_SERVED")


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (403, {}, (Conflict, "PROVIDER_CREDENTIALS_REFUSED")),
        (404, {}, (Conflict, "ZONE_NOT_SERVED")),
        (429, {"Retry-After": "7"}, (Exhausted, "PROVIDER_RATE_LIMITED")),
        (500, {}, (Unavailable, "PROVIDER_UNAVAILABLE")),
        (502, {}, (Unavailable, "PROVIDER_UNAVAILABLE")),
        (418, {}, (Internal, "PROVIDER_ANSWER_UNKNOWN")),
    ],
)
async def test_what_the_server_answers_becomes_a_fault(opened, proxy, status, headers, expected):
    async with opened() as provider:
        await provider.check()
        proxy.plan.fail("PATCH", lambda _: web.Response(status=status, headers=headers))
        assert await refusal(provider.put(record(provider), seen=NOTHING)) == expected


async def test_a_reply_that_is_lost_after_the_change_is_made_up_for(opened, proxy, powerdns):
    async with opened() as provider:
        await provider.check()
        proxy.plan.lose_reply("PATCH")
        if provider.name == "lexicon":  # of its several requests the first was lost; the second try goes on from there
            assert await refusal(ensure(provider)) == (Unavailable, "PROVIDER_UNAVAILABLE")
        made, created = await ensure(provider)
        assert created
        assert (await provider.at(KEY.name)).records == (made,)
    assert await dig("127.0.0.1", powerdns.port, KEY.name, "A") == ["192.0.2.1"]


async def test_a_server_that_is_away_or_silent_is_told(opened, proxy):
    async with opened(url="http://127.0.0.1:9") as provider:
        assert await refusal(provider.check()) == (Unavailable, "PROVIDER_UNAVAILABLE")
    async with opened(patience=SHORT) as provider:
        gate = asyncio.Event()
        proxy.plan.hold("GET", gate)
        assert await refusal(provider.check()) == (Timeout, "PROVIDER_TIMED_OUT")
        gate.set()


async def test_of_many_tenants_that_want_a_name_exactly_one_gets_it(opened):
    tenants = [f"0192f0c1-2b3c-7d4e-8f50-{index:012d}" for index in range(6)]
    async with opened() as provider:
        answers = await asyncio.gather(
            *(ensure(provider, tenant_id=tenant) for tenant in tenants), return_exceptions=True
        )
        assert sum(not isinstance(answer, Exception) for answer in answers) == 1
        assert {type(answer) for answer in answers} == {tuple, AlreadyExists}


async def test_an_alias_where_something_else_appears_at_the_last_moment_is_refused_by_the_server(powerdns, proxy):
    async with PowerDnsProvider(powerdns_settings(powerdns, url=proxy.url)) as provider:
        alias = record(provider, RecordKey(KEY.name, RecordType.CNAME), ("edge.example.net",))
        unhurried = provider.at

        async def then_changed(name, only=None):
            node = await unhurried(name, only)
            await powerdns.add(KEY.name, 60, "A", "192.0.2.99")
            return node

        provider.at = then_changed
        assert await refusal(provider.put(alias, seen=NOTHING)) == (Conflict, "RECORD_CONFLICT")


async def test_a_value_the_server_does_not_take_is_told(powerdns, proxy):
    async with PowerDnsProvider(powerdns_settings(powerdns, url=proxy.url)) as provider:
        strange = record(provider, values=("not an address",))
        assert await refusal(provider.put(strange, seen=NOTHING)) == (Invalid, "VALUE_INVALID")
        assert (await provider.at(KEY.name)).records == ()


async def test_what_a_hoster_makes_something_else_of_is_taken_back(powerdns, proxy):
    """dns-lexicon completes names for PowerDNS with the zone, even those that lie outside it."""
    await powerdns.clear()
    options = Secret(f"auth_token={powerdns.api_key},pdns_server={proxy.url}")
    async with LexiconProvider(lexicon_settings(powerdns, options=options)) as provider:
        alias = record(provider, RecordKey(KEY.name, RecordType.CNAME), ("edge.example.net",))
        assert await refusal(provider.put(alias, seen=NOTHING)) == (Conflict, "CAPABILITY_MISSING")
        assert (await provider.at(KEY.name)).records == ()
        assert [one async for one in provider.stamped()] == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (requests.HTTPError("no answer at all"), (Unavailable, "PROVIDER_UNAVAILABLE")),
        (requests.ReadTimeout("slow"), (Timeout, "PROVIDER_TIMED_OUT")),
        (lexicon_module.AuthenticationError("no"), (Conflict, "PROVIDER_CREDENTIALS_REFUSED")),
        (KeyError("a hoster's surprise"), (Internal, "PROVIDER_ANSWER_UNKNOWN")),
    ],
)
async def test_what_the_library_raises_becomes_a_fault(powerdns, error, expected):
    def raising(_):
        raise error

    async with LexiconProvider(lexicon_settings(powerdns)) as provider:
        assert await refusal(provider._run("example.com", 1, raising)) == expected


async def test_no_secret_of_a_hoster_is_told(powerdns, caplog):
    """Some hosters take their key in the address, and the errors of HTTP libraries quote addresses."""
    key = "s3cr3t/w+rd"

    def raising(_):
        address = f"https://api.hoster.example/records?apikey={quote_plus(key)}&user={key}"
        raise requests.ConnectionError(f"Max retries exceeded with url: {address}")

    options = Secret(f"auth_token={powerdns.api_key},pdns_server={powerdns.api},auth_secret={key},auth_empty=")
    async with LexiconProvider(lexicon_settings(powerdns, options=options)) as provider:
        with pytest.raises(Unavailable) as caught:
            await provider._run("example.com", 1, raising)
    (logged,) = [record for record in caplog.records if record.name.startswith("dns_service")]
    assert "api.hoster.example/records?apikey=***&user=***" in logged.error
    assert caught.value.__cause__ is None
