"""The rfc2136 provider against real servers that refuse, fail, and lose replies, and against writers that cross."""

import asyncio
import itertools
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import dns.message
import dns.name
import pytest
from tests.fixtures.dnsproviders import rfc2136_settings
from tests.fixtures.faultproxy import fault_proxy
from tests.fixtures.liar import lying, reply
from tests.fixtures.nameservers import ZONE, dig

from dns_service.model import Node, Owner, Record, RecordData, RecordKey, RecordType
from dns_service.providers import connections
from dns_service.providers.rfc2136 import Rfc2136Provider
from dns_service.service import Records
from dns_service.verification.providers.nolookup import NoLookup
from faults import Aborted, AlreadyExists, Conflict, Fault, Internal, Timeout, Unavailable
from settingskit import Secret

TENANTS = [f"0192f0c1-2b3c-7d4e-8f50-{index:012d}" for index in range(12)]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = RecordKey(f"acme.{ZONE}", RecordType.A)
DATA = RecordData(("192.0.2.1",), timedelta(seconds=300))
OTHER_SECRET = Secret("b3RoZXIgc2VjcmV0IG90aGVyIHNlY3JldCBvdGhlciE=")
SHORT = timedelta(milliseconds=300)


@pytest.fixture(params=["bind", "knot", "powerdns"])
def running(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
async def server(running):
    await running.clear()
    return running


@asynccontextmanager
async def provider_on(server, **changes):
    async with Rfc2136Provider(rfc2136_settings(server, **changes)) as provider:
        yield provider


def records(provider):
    return Records(provider, NoLookup(), NoLookup())


async def ensure(service, key=KEY, data=DATA, tenant_id=TENANTS[0], operation_id="provision-acme"):
    return await service.ensure(key, data, tenant_id=tenant_id, operation_id=operation_id)


def record(key=KEY):
    owner = Owner(TENANTS[0], "provision-acme", NOW)
    return Record(key, DATA, owner, "rfc2136", ZONE, create_time=NOW, update_time=NOW)


async def refusal(provider, one=None):
    one = one or record()
    with pytest.raises(Fault) as caught:
        await provider.put(one, seen=Node(one.key.name))
    return type(caught.value), caught.value.reason


@pytest.mark.parametrize(
    "changes", [{"secret": OTHER_SECRET}, {"key": "stranger"}], ids=["wrong secret", "unknown key"]
)
async def test_a_wrong_key_is_refused_and_changes_nothing(server, changes):
    async with provider_on(server, **changes) as provider:
        assert await refusal(provider) == (Conflict, "PROVIDER_CREDENTIALS_REFUSED")
        with pytest.raises(Conflict) as caught:
            _ = [one async for one in provider.stamped()]
        assert caught.value.reason == "PROVIDER_CREDENTIALS_REFUSED"
        with pytest.raises(Conflict) as caught:
            await provider.check()
        assert caught.value.reason == "PROVIDER_CREDENTIALS_REFUSED"
    assert await dig("127.0.0.1", server.port, KEY.name, "A") == []


async def test_a_zone_that_takes_no_updates_is_refused(bind):
    async with provider_on(bind, zones=("locked.test",)) as provider:
        await provider.check()
        locked = Record(RecordKey("acme.locked.test", RecordType.A), DATA, record().owner, "rfc2136", "locked.test")
        assert await refusal(provider, locked) == (Conflict, "PROVIDER_CREDENTIALS_REFUSED")


async def test_a_zone_that_is_not_there_is_told(server):
    async with provider_on(server, zones=(ZONE, "example.org")) as provider:
        with pytest.raises(Conflict) as caught:
            await provider.check()
        assert caught.value.reason == "ZONE_NOT_SERVED"
        with pytest.raises(Conflict) as caught:
            await provider.at("acme.example.org")
        assert caught.value.reason == "ZONE_NOT_SERVED"
        elsewhere = Record(RecordKey("acme.example.org", RecordType.A), DATA, record().owner, "rfc2136", "example.org")
        # Knot does not sign this refusal, so it looks like one of the key.
        assert (await refusal(provider, elsewhere))[1] in {"ZONE_NOT_SERVED", "PROVIDER_CREDENTIALS_REFUSED"}


async def test_many_tenants_of_two_processes_want_a_name_and_exactly_one_gets_it(server):
    async with provider_on(server) as one, provider_on(server) as two:
        services = [records(one), records(two)]
        answers = await asyncio.gather(
            *(ensure(services[index % 2], tenant_id=tenant) for index, tenant in enumerate(TENANTS)),
            return_exceptions=True,
        )
        made = [answer for answer in answers if not isinstance(answer, Exception)]
        assert len(made) == 1
        assert {type(answer) for answer in answers} == {tuple, AlreadyExists}
        (held,) = (await one.at(KEY.name)).records
        assert held == made[0][0]


async def test_writers_of_one_tenant_cross_and_what_stands_is_one_of_theirs_with_its_stamp(server):
    async with provider_on(server) as one, provider_on(server) as two:
        values = [RecordData((f"192.0.2.{index}",), timedelta(seconds=300)) for index in range(1, 5)]
        services = [records(one), records(two)]
        await asyncio.gather(
            *(ensure(services[index % 2], data=data) for index, data in enumerate(values)), return_exceptions=True
        )
        (held,) = (await one.at(KEY.name)).records
        assert held.data in values
        assert [stamp async for stamp in two.stamped()] == [held]


@pytest.mark.parametrize("neighbour", ["SRV", "A"])
async def test_a_cname_where_something_else_stands_is_refused(server, neighbour):
    values = {"SRV": "0 5 443 a.example.net.", "A": "192.0.2.99"}
    await server.add(KEY.name, 60, neighbour, values[neighbour])
    async with provider_on(server) as provider:
        alias = RecordKey(KEY.name, RecordType.CNAME)
        with pytest.raises(Conflict) as caught:
            await ensure(records(provider), alias, RecordData(("edge.example.net",), timedelta(seconds=60)))
        assert caught.value.reason == "RECORD_CONFLICT"
        assert caught.value.facts["existing_type"] == neighbour
    assert await dig("127.0.0.1", server.port, KEY.name, "CNAME") == []


async def test_an_address_where_a_foreign_alias_stands_is_refused(server):
    await server.add(KEY.name, 60, "CNAME", "edge.example.net.")
    async with provider_on(server) as provider:
        with pytest.raises(Conflict) as caught:
            await ensure(records(provider))
        assert caught.value.reason == "RECORD_CONFLICT"
    assert await dig("127.0.0.1", server.port, KEY.name, "CNAME") == ["edge.example.net."]


async def test_a_cname_at_the_top_of_a_zone_is_refused(server):
    async with provider_on(server) as provider:
        with pytest.raises(Conflict) as caught:
            await ensure(records(provider), RecordKey(ZONE, RecordType.CNAME), RecordData(("x.example.net",), DATA.ttl))
        assert caught.value.facts["capability"] == "apex_cname"
        assert (await ensure(records(provider), RecordKey(ZONE, RecordType.TXT), RecordData(("x",), DATA.ttl)))[1]


@pytest.mark.parametrize("name", ["acme.elsewhere", "deep.acme.elsewhere", "elsewhere"])
async def test_nothing_is_written_where_a_name_was_delegated_to_others(server, name):
    async with provider_on(server) as provider:
        with pytest.raises(Conflict) as caught:
            await ensure(records(provider), RecordKey(f"{name}.{ZONE}", RecordType.A))
        assert caught.value.reason == "ZONE_NOT_SERVED"
    delegated = dns.name.from_text("elsewhere", None)
    assert [held for held in (await server.zone()).nodes if held.is_subdomain(delegated)] == [delegated]


async def test_an_answer_without_authority_is_of_no_zone_of_ours(bind):
    async with (
        lying(lambda query, _: reply(query, flags=0)) as referring,
        provider_on(bind, nameserver=f"127.0.0.1:{referring.port}") as provider,
    ):
        with pytest.raises(Conflict) as caught:
            await provider.at(f"acme.elsewhere.{ZONE}")
        assert caught.value.reason == "ZONE_NOT_SERVED"


@asynccontextmanager
async def losing_a_reply(server, number=1):
    """A way to the server on which one reply is lost, after the request has had its effect."""
    replies, lost = itertools.count(1), []

    async def message(reader):
        length = await reader.readexactly(2)
        return length + await reader.readexactly(int.from_bytes(length, "big"))

    async def converse(reader, writer):
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", server.port)
        with suppress(asyncio.IncompleteReadError):
            while True:
                there_writer.write(await message(reader))
                answer = await message(there_reader)
                if next(replies) == number:
                    lost.append(answer)
                    writer.transport.abort()
                    break
                writer.write(answer)
        there_writer.close()
        writer.close()

    async with await asyncio.start_server(converse, "127.0.0.1", 0) as listening:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        assert lost


async def test_a_reply_that_is_lost_after_the_change_is_made_up_for(server):
    async with losing_a_reply(server) as way, provider_on(server, nameserver=way) as provider:
        made, created = await ensure(records(provider))
        assert created
        assert (await provider.at(KEY.name)).records == (made,)


async def test_a_reply_that_is_lost_on_a_kept_connection_is_made_up_for(server):
    other = RecordKey(f"before.{ZONE}", RecordType.A)
    async with losing_a_reply(server, 2) as way, provider_on(server, nameserver=way) as provider:
        assert (await ensure(records(provider), other))[1]
        made, created = await ensure(records(provider))
        assert created
        assert (await provider.at(KEY.name)).records == (made,)


async def test_a_change_whose_reply_is_lost_on_a_kept_connection_is_made_up_for(server):
    later = RecordData(("192.0.2.2",), DATA.ttl)
    before_the_change = (
        1 + 1 + len(RecordType) + 2
    )  # made, refused as it stands, and read with its stamp and neighbours
    async with losing_a_reply(server, before_the_change + 1) as way, provider_on(server, nameserver=way) as provider:
        await ensure(records(provider))
        changed, created = await ensure(records(provider), data=later)
        assert (changed.data, created) == (later, False)
        assert (await provider.at(KEY.name)).records == (changed,)


async def test_a_server_that_was_restarted_between_two_updates_takes_the_second(server, monkeypatch):
    monkeypatch.setattr(connections, "_KEPT", 600.0)  # for as long as the machine may stall
    async with fault_proxy(server.address) as proxy, provider_on(server, nameserver=proxy.address) as provider:
        await ensure(records(provider))
        await provider.check()
        assert proxy.connections == 1
        await proxy.refuse()
        await proxy.heal()
        changed, _ = await ensure(records(provider), data=RecordData(("192.0.2.2",), DATA.ttl))
        assert (await provider.at(KEY.name)).records == (changed,)
        await proxy.refuse()
        await proxy.heal()
        assert await records(provider).delete(KEY, tenant_id=TENANTS[0])
    assert await dig("127.0.0.1", server.port, KEY.name, "A") == []


async def test_a_reply_that_is_lost_after_a_removal_is_made_up_for(server):
    async with provider_on(server) as provider:
        made, _ = await ensure(records(provider))
        seen = await provider.at(KEY.name)
    async with losing_a_reply(server) as way, provider_on(server, nameserver=way) as provider:
        with pytest.raises(Aborted):  # it was sent again, and found nothing: whoever asked looks again
            await provider.remove(made, seen=seen)
    assert await dig("127.0.0.1", server.port, KEY.name, "A") == []


async def test_a_server_that_is_away_and_one_that_is_silent_are_told(server):
    async with (
        fault_proxy(server.address) as proxy,
        provider_on(server, nameserver=proxy.address) as provider,
        provider_on(server, nameserver=proxy.address, patience=SHORT) as hasty,
    ):
        proxy.blackhole = True
        assert await refusal(hasty) == (Timeout, "PROVIDER_TIMED_OUT")
        with pytest.raises(Timeout):
            await hasty.check()
        with pytest.raises(Timeout):
            _ = [one async for one in hasty.stamped()]
        await proxy.heal()
        await proxy.refuse()
        assert await refusal(provider) == (Unavailable, "PROVIDER_UNAVAILABLE")
        with pytest.raises(Unavailable):
            await provider.at(KEY.name)
        await proxy.heal()
        assert (await ensure(records(provider)))[1]


@pytest.mark.parametrize(
    ("rcode", "kind", "reason"),
    [
        (2, Unavailable, "PROVIDER_UNAVAILABLE"),  # SERVFAIL
        (5, Conflict, "PROVIDER_CREDENTIALS_REFUSED"),  # REFUSED
        (9, Conflict, "ZONE_NOT_SERVED"),  # NOTAUTH
        (10, Conflict, "ZONE_NOT_SERVED"),  # NOTZONE
        (4, Internal, "PROVIDER_ANSWER_UNKNOWN"),  # NOTIMP
    ],
)
async def test_what_a_server_says_of_an_update_becomes_a_fault(bind, rcode, kind, reason):
    async with (
        lying(lambda query, _: reply(query, rcode=rcode), keyring=bind.key) as liar,
        provider_on(bind, nameserver=f"127.0.0.1:{liar.port}") as provider,
    ):
        assert await refusal(provider) == (kind, reason)


async def test_a_server_that_fails_or_answers_another_question_is_not_believed(bind):
    def failing(query, _):
        return reply(query, rcode=2)

    def confused(query, _):
        other = dns.message.make_query("other.example.com.", "A")
        other.id = query.id
        return reply(other)

    for answer in (failing, confused):
        async with lying(answer) as liar, provider_on(bind, nameserver=f"127.0.0.1:{liar.port}") as provider:
            with pytest.raises(Unavailable):
                await provider.at(KEY.name)


async def test_an_answer_with_a_forged_signature_is_not_believed(bind):
    def forged(query, _):
        wire = bytearray(reply(query).to_wire())
        wire[-20] ^= 0xFF  # within the signature
        return bytes(wire)

    async with (
        lying(forged, keyring=bind.key) as liar,
        provider_on(bind, nameserver=f"127.0.0.1:{liar.port}") as provider,
    ):
        assert await refusal(provider) == (Unavailable, "PROVIDER_UNAVAILABLE")


async def test_an_answer_without_a_signature_is_not_believed(bind):
    async with (
        lying(lambda query, _: reply(query)) as liar,
        provider_on(bind, nameserver=f"127.0.0.1:{liar.port}") as provider,
    ):
        assert await refusal(provider) == (Conflict, "PROVIDER_CREDENTIALS_REFUSED")
