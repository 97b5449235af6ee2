"""The dns service as a process over each provider that ends at a real server, or at one that keeps a vendor's word."""

import asyncio
import json

import aiohttp
import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from tests.fixtures import nameservers, zonetrio
from tests.fixtures.cloudflare import Cloudflare
from tests.fixtures.liar import lying, reply
from tests.fixtures.nameservers import ALGORITHM, KEY, SECRET, ZONE
from tests.fixtures.processes import service
from tests.fixtures.route53 import Route53

from tenantmesh.dns.v1 import dns_service_pb2 as pb
from tenantmesh.dns.v1 import dns_service_pb2_grpc as rpc
from tenantmesh.dns.v1 import record_pb2, verification_pb2

ACME, GLOBEX = "0192f0c1-2b3c-7d4e-8f50-112233445566", "0192f0c1-2b3c-7d4e-8f50-665544332211"
A = record_pb2.RECORD_TYPE_A
State = verification_pb2.Verification.State


def key(name, tenant=ACME):
    return {"tenant_id": tenant, "name": f"{name}.{ZONE}", "type": A}


def wanted(name, tenant=ACME, values=("192.0.2.1",)):
    return pb.EnsureRecordRequest(operation_id=f"provision-tenant-{tenant.lower()}", values=values, **key(name, tenant))


def by_update(server):
    return {
        "DNS_PROVIDER": "rfc2136",
        "RFC2136_NAMESERVER": server.address,
        "RFC2136_ZONE": ZONE,
        "RFC2136_TSIG_KEY": KEY,
        "RFC2136_TSIG_SECRET": SECRET,
        "RFC2136_TSIG_ALGORITHM": ALGORITHM,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def powerdns(tmp_path_factory):
    async with nameservers.powerdns(tmp_path_factory.mktemp("powerdns")) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def knot(tmp_path_factory):
    async with nameservers.knot(tmp_path_factory.mktemp("knot")) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def trio(tmp_path_factory):
    async with zonetrio.trio(tmp_path_factory.mktemp("trio")) as servers:
        yield servers


@pytest.fixture
async def cloudflare():
    async with Cloudflare().running() as server:
        yield server


@pytest.fixture
async def route53():
    async with Route53().running() as server:
        await server.reset()
        yield server


@pytest.fixture(params=["rfc2136-knot", "rfc2136-powerdns", "powerdns", "lexicon", "cloudflare", "route53"])
def placed(request):
    """The settings of a provider, the name server to verify at, and who makes a record by hand."""
    provider, _, name = request.param.partition("-")
    server = request.getfixturevalue(name or {"lexicon": "powerdns"}.get(provider, provider))
    match provider:
        case "rfc2136":
            settings = by_update(server)
        case "powerdns":
            settings = {"POWERDNS_URL": server.api, "POWERDNS_API_KEY": server.api_key}
        case "lexicon":
            options = f"auth_token={server.api_key},pdns_server={server.api}"
            settings = {"LEXICON_PROVIDER": "powerdns", "LEXICON_OPTIONS": options, "LEXICON_ZONES": ZONE}
            settings |= {"LEXICON_REQUESTS_PER_SECOND": "1000", "LEXICON_BURST": "1000"}
        case "cloudflare":
            settings = {"CLOUDFLARE_API_TOKEN": server.token, "CLOUDFLARE_API_URL": server.url}
        case "route53":
            keys = {"AWS_ACCESS_KEY_ID": "an-id", "AWS_SECRET_ACCESS_KEY": "a-secret"}
            settings = {"ROUTE53_ENDPOINT": server.url, "ROUTE53_REQUESTS_PER_SECOND": "1000", **keys}
    return {"DNS_PROVIDER": provider, "DNS_RESOLVERS": "none", **settings}, server


async def by_hand(server):
    name, value = f"by-hand.{ZONE}", "192.0.2.99"
    match server:
        case Cloudflare():
            server.add(name, "A", value)
        case Route53():
            await server.add(name, "A", 300, value)
        case _:
            await server.add(name, 300, "A", value)


async def refused(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in rpc_status.from_call(caught.value).details:
        for known in (info, retry):
            if detail.Is(known.DESCRIPTOR):
                detail.Unpack(known)
    return caught.value.code().name, info.reason, retry.retry_delay.seconds


def honest(query, _):
    return reply(query, f"acme.{ZONE}. 300 A 192.0.2.1")


async def test_a_record_lives_is_verified_and_is_gone_and_what_was_made_by_hand_stays(placed):
    settings, server = placed
    await by_hand(server)
    async with lying(honest) as liar:
        at = getattr(server, "address", f"127.0.0.1:{liar.port}")
        async with service("dns", DNS_NAMESERVERS=at, **settings) as process:
            async with grpc.aio.insecure_channel(process.address) as channel:
                await _lives_and_is_gone(rpc.DnsServiceStub(channel), settings["DNS_PROVIDER"])
            async with aiohttp.ClientSession() as ops, ops.get(f"http://{process.ops_address}/ready") as ready:
                assert ready.status == 200
        written = "\n".join(process.lines)
    for name in ("RFC2136_TSIG_SECRET", "POWERDNS_API_KEY", "CLOUDFLARE_API_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        assert settings.get(name, "no secret") not in written
    assert "Traceback" not in written


async def _lives_and_is_gone(stub, provider):
    made = await stub.EnsureRecord(wanted("acme"))
    assert (made.created, made.record.provider, made.record.zone) == (True, provider, ZONE)
    again = await stub.EnsureRecord(wanted("acme"))
    assert (again.created, again.record) == (False, made.record)
    assert not (await stub.EnsureRecord(wanted("acme", ACME.upper()))).created
    assert (await stub.GetRecord(pb.GetRecordRequest(**key("acme")))).record == made.record
    assert [one.name for one in (await stub.ListRecords(pb.ListRecordsRequest(tenant_id=ACME))).records] == [
        f"acme.{ZONE}"
    ]
    request = pb.VerifyRecordRequest(patience=Duration(seconds=60), **key("acme"))
    *_, last = [answer.verification async for answer in stub.VerifyRecord(request)]
    assert last.state == State.STATE_VERIFIED
    assert (await refused(stub.EnsureRecord(wanted("acme", GLOBEX))))[:2] == ("ALREADY_EXISTS", "RECORD_NOT_OWNED")
    for call in (stub.EnsureRecord(wanted("by-hand")), stub.DeleteRecord(pb.DeleteRecordRequest(**key("by-hand")))):
        assert (await refused(call))[:2] == ("ALREADY_EXISTS", "RECORD_NOT_OWNED")
    assert (await refused(stub.GetRecord(pb.GetRecordRequest(**key("by-hand")))))[1] == "RECORD_NOT_FOUND"
    assert (await stub.DeleteRecord(pb.DeleteRecordRequest(**key("acme")))).existed
    assert not (await stub.DeleteRecord(pb.DeleteRecordRequest(**key("acme")))).existed
    sweep = pb.SweepRecordsRequest(older_than=Duration())
    assert [one async for one in stub.SweepRecords(sweep)] == []
    assert (await refused(stub.EnsureRecord(wanted("by-hand"))))[1] == "RECORD_NOT_OWNED"


async def test_the_vendors_word_on_rates_reaches_the_caller(cloudflare):
    settings = {"CLOUDFLARE_API_TOKEN": cloudflare.token, "CLOUDFLARE_API_URL": cloudflare.url}
    async with (
        service("dns", DNS_PROVIDER="cloudflare", DNS_RESOLVERS="none", **settings) as process,
        grpc.aio.insecure_channel(process.address) as channel,
    ):
        stub = rpc.DnsServiceStub(channel)
        await stub.EnsureRecord(wanted("acme"))
        cloudflare.limit = 1
        code, reason, seconds = await refused(stub.EnsureRecord(wanted("shop")))
        assert (code, reason) == ("RESOURCE_EXHAUSTED", "PROVIDER_RATE_LIMITED")
        assert 0 < seconds <= 301
        asked = len(cloudflare.plan.requests)
        assert (await refused(stub.EnsureRecord(wanted("shop"))))[1] == "PROVIDER_RATE_LIMITED"
        assert len(cloudflare.plan.requests) == asked  # the vendor is left alone until then


async def test_one_of_three_servers_held_back_is_named_in_the_stream_until_it_catches_up(trio):
    servers = ",".join(trio.addresses)
    settings = by_update(trio.primary)
    async with (
        service("dns", DNS_NAMESERVERS=servers, DNS_RESOLVERS="none", **settings) as process,
        grpc.aio.insecure_channel(process.address) as channel,
    ):
        stub = rpc.DnsServiceStub(channel)
        await trio.catch_up()
        await stub.EnsureRecord(wanted("acme"))
        named = 0
        async for answer in stub.VerifyRecord(pb.VerifyRecordRequest(patience=Duration(seconds=90), **key("acme"))):
            one = answer.verification
            if named < 2 and f"Not yet: {trio.held_back} still serves serial" in one.detail:
                assert one.state == State.STATE_WAITING_FOR_AUTHORITATIVE
                named += 1
                if named == 2:
                    await trio.catch_up()
        assert named == 2
        assert one.state == State.STATE_VERIFIED
        assert [list(answer.values) for answer in one.answers] == [["192.0.2.1"]] * 3


async def test_a_verification_the_caller_gives_up_ends(trio):
    settings = by_update(trio.primary)
    async with (
        lying(lambda query, _: reply(query, rcode=3)) as denying,
        service("dns", DNS_NAMESERVERS=f"127.0.0.1:{denying.port}", DNS_RESOLVERS="none", **settings) as process,
        grpc.aio.insecure_channel(process.address) as channel,
    ):
        stub = rpc.DnsServiceStub(channel)
        await stub.EnsureRecord(wanted("given-up"))
        call = stub.VerifyRecord(pb.VerifyRecordRequest(patience=Duration(seconds=900), **key("given-up")))
        assert (await call.read()).verification.state == State.STATE_WAITING_FOR_AUTHORITATIVE
        call.cancel()
        while not any(_is_end_of_verification(line) for line in process.lines):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.02)
        assert (await stub.GetRecord(pb.GetRecordRequest(**key("given-up")))).record.name


def _is_end_of_verification(line):
    record = json.loads(line)
    return "VerifyRecord" in record.get("method", "") and record.get("code") == "CANCELLED"


async def test_a_browser_does_it_all_through_the_gateway(gateway, trio):
    settings = by_update(trio.primary)
    async with service("dns", DNS_NAMESERVERS=trio.primary.address, DNS_RESOLVERS="none", **settings) as process:
        url = (await gateway({"dns": process.address})).url
        records = f"/tenants/{ACME}/dns-records"
        one = f"{records}/RECORD_TYPE_A/by-http.{ZONE}"
        async with aiohttp.ClientSession(url) as browser:
            body = {
                "operationId": "provision-acme",
                "name": f"by-http.{ZONE}",
                "type": "RECORD_TYPE_A",
                "values": ["192.0.2.1"],
            }
            async with browser.post(records, json=body) as answer:
                assert (answer.status, (await answer.json())["created"]) == (200, True)
            async with browser.get(f"{one}/verification", params={"patience": "60s"}) as answer:
                *_, last = map(json.loads, (await answer.text()).splitlines())
                assert last["verification"]["state"] == "STATE_VERIFIED"
            async with browser.delete(one) as answer:
                assert (await answer.json())["existed"]
            async with browser.get(one) as answer:
                assert answer.status == 404
                assert (await answer.json())["details"][0]["reason"] == "RECORD_NOT_FOUND"
