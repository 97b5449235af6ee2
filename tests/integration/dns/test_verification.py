"""Verification against real servers: a primary, one that follows, one that is held back, and a resolver that caches."""

import asyncio
from contextlib import aclosing
from datetime import timedelta
from itertools import count

import pytest
from tests.fixtures.dnsproviders import rfc2136_settings
from tests.fixtures.liar import lying, reply
from tests.fixtures.nameservers import ZONE, dig

from dns_service.model import RecordData, RecordKey, RecordType
from dns_service.providers.rfc2136 import Rfc2136Provider
from dns_service.service import Records
from dns_service.verification.model import Outcome, Server, VerificationState
from dns_service.verification.providers.nameservers import NetworkNameServers
from dns_service.verification.providers.nolookup import NoLookup
from dns_service.verification.providers.targets import LiveTargets
from dns_service.verification.service import LiveVerifier, Pace
from faults import Conflict

TENANT = "0192f0c1-2b3c-7d4e-8f50-112233445566"
TTL = timedelta(seconds=60)
NUMBERS = count()
PACE = Pace(first=timedelta(milliseconds=20), longest=timedelta(milliseconds=100))
PATIENCE = timedelta(seconds=30)
QUERY = timedelta(seconds=5)


def new_key(kind=RecordType.A):
    return RecordKey(f"verified-{next(NUMBERS)}.{ZONE}", kind)


def records_over(trio, provider, resolvers=(), *, quorum=1, patience=QUERY, targets=None):
    servers = NetworkNameServers(
        resolvers=[Server.parse(one) for one in resolvers],
        own=[Server.parse(one) for one in trio.addresses],
        patience=patience,
    )
    return Records(provider, LiveVerifier(servers, quorum=quorum, pace=PACE), targets or NoLookup())


@pytest.fixture
async def provider(trio):
    async with Rfc2136Provider(rfc2136_settings(trio.primary)) as one:
        yield one


async def ensure(records, key, value="192.0.2.1"):
    data = RecordData((value,), TTL)
    return await records.ensure(key, data, tenant_id=TENANT, operation_id="provision-acme")


def verify(records, key, patience=PATIENCE):
    return records.verify(key, tenant_id=TENANT, patience=patience)


async def test_one_of_three_servers_held_back_is_waited_for_and_named_until_it_catches_up(trio, provider):
    records, key = records_over(trio, provider), new_key()
    await trio.catch_up()
    await ensure(records, key)
    rounds = []
    async with aclosing(verify(records, key)) as stream:
        async for one in stream:
            rounds.append(one)
            lagging = [answer.server for answer in one.answers if answer.outcome is not Outcome.MATCH]
            if lagging == [trio.held_back] and len(rounds) > 3:
                await trio.catch_up()
    *waiting, last = rounds
    assert {one.state for one in waiting} == {VerificationState.WAITING_FOR_AUTHORITATIVE}
    assert f"{trio.held_back} still serves serial" in waiting[-1].detail
    held_back = waiting[-1].answers[2]
    assert (held_back.outcome, held_back.authoritative) == (Outcome.ABSENT, True)
    assert held_back.serial < waiting[-1].answers[0].serial
    assert last.state is VerificationState.VERIFIED
    assert [answer.values for answer in last.answers] == [("192.0.2.1",)] * 3
    assert len({answer.serial for answer in last.answers}) == 1


async def test_an_old_value_at_one_server_is_not_verified(trio, provider):
    records, key = records_over(trio, provider), new_key()
    await ensure(records, key)
    await trio.catch_up()
    assert [one.state async for one in verify(records, key)][-1] is VerificationState.VERIFIED
    await ensure(records, key, "192.0.2.2")
    *_, last = [one async for one in verify(records, key, timedelta(seconds=1))]
    assert last.state is VerificationState.TIMED_OUT
    assert last.answers[2].outcome is Outcome.MISMATCH
    assert last.answers[2].values == ("192.0.2.1",)
    assert trio.held_back in last.detail


async def test_a_resolver_is_not_asked_before_every_server_of_the_zone_has_it(trio, provider):
    key = new_key()
    async with lying(lambda query, _: reply(query, f"{key.name}. 60 A 192.0.2.1")) as resolver:
        records = records_over(trio, provider, [f"127.0.0.1:{resolver.port}"])
        await ensure(records, key)
        *_, last = [one async for one in verify(records, key, timedelta(milliseconds=500))]
        assert last.state is VerificationState.TIMED_OUT
        assert resolver.asked == []
        await trio.catch_up()
        *_, last = [one async for one in verify(records, key)]
        assert last.state is VerificationState.VERIFIED
        assert len(resolver.asked) == 1


async def test_a_denial_that_a_resolver_keeps_is_waited_out(trio, provider):
    records = records_over(trio, provider, [trio.resolver])
    host, port = trio.resolver.split(":")
    waiting = []
    while not waiting:  # on a busy machine it may have forgotten before it is asked
        key = new_key()
        assert await dig(host, int(port), key.name, "A", "+recurse") == []  # it keeps this for two seconds
        await ensure(records, key)
        await trio.catch_up()
        rounds = [one async for one in verify(records, key)]
        waiting = [one for one in rounds if one.state is VerificationState.WAITING_FOR_RESOLVERS]
    assert len(waiting) == 1  # asked once, and then not again before it has forgotten
    assert waiting[0].answers[3].outcome is Outcome.ABSENT
    assert f"{trio.resolver} keeps this answer until" in waiting[0].detail
    assert rounds[-1].state is VerificationState.VERIFIED
    assert await dig(host, int(port), key.name, "A", "+recurse") == ["192.0.2.1"]


async def test_a_resolver_that_never_answers_and_one_that_lies_are_outvoted_or_not(trio, provider):
    key = new_key()
    async with (
        lying(lambda _query, _: None) as mute,
        lying(lambda query, _: reply(query, f"{key.name}. 60 A 203.0.113.66")) as liar,
    ):
        resolvers = [trio.resolver, f"127.0.0.1:{mute.port}", f"127.0.0.1:{liar.port}"]
        short = timedelta(milliseconds=300)
        records = records_over(trio, provider, resolvers, quorum=2, patience=short)
        await ensure(records, key)
        await trio.catch_up()
        async with aclosing(verify(records, key)) as stream:
            async for one in stream:
                outcomes = [answer.outcome for answer in one.answers[3:]]
                if outcomes == [Outcome.MATCH, Outcome.TIMEOUT, Outcome.MISMATCH]:
                    break
        assert one.state is VerificationState.WAITING_FOR_RESOLVERS
        assert "did not answer within 0.3 s" in one.detail
        records = records_over(trio, provider, resolvers, quorum=1, patience=short)
        *_, last = [one async for one in verify(records, key)]
        assert last.state is VerificationState.VERIFIED


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("AAAA", "2001:db8::1"),
        ("CNAME", "edge.example.net"),
        ("TXT", "v=spf1 -all"),
        ("CAA", '0 issue "ca.example.net"'),
        ("MX", "10 mail.example.net"),
    ],
)
async def test_every_type_is_verified(trio, provider, kind, value):
    records, key = records_over(trio, provider), new_key(RecordType[kind])
    await ensure(records, key, value)
    await trio.catch_up()
    assert [one.state async for one in verify(records, key)][-1] is VerificationState.VERIFIED


async def test_a_wildcard_is_verified(trio, provider):
    records, key = records_over(trio, provider), RecordKey(f"*.wild-{next(NUMBERS)}.{ZONE}", RecordType.A)
    await ensure(records, key)
    await trio.catch_up()
    assert [one.state async for one in verify(records, key)][-1] is VerificationState.VERIFIED


async def test_a_verification_that_is_given_up_leaves_nothing_running(trio, provider):
    records, key = records_over(trio, provider), new_key()
    await trio.catch_up()
    await ensure(records, key)
    before = asyncio.all_tasks()
    async with aclosing(verify(records, key)) as stream:
        async for _ in stream:
            break
    assert not [task for task in asyncio.all_tasks() - before if "dns_service" in repr(task)]


async def test_a_target_that_does_not_exist_is_refused_by_those_who_know(trio, provider):
    servers = NetworkNameServers(resolvers=(), own=(), patience=timedelta(seconds=2))
    own = [Server.parse(trio.addresses[0])]
    records = records_over(trio, provider, targets=LiveTargets(servers, own, quorum=1))
    there, alias = new_key(), new_key(RecordType.CNAME)
    with pytest.raises(Conflict) as caught:
        await ensure(records, alias, there.name)
    assert caught.value.reason == "TARGET_MISSING"
    await ensure(records, there)
    assert (await ensure(records, alias, there.name))[1]
    # Of other zones this server knows nothing, and what nobody knows is not missing.
    assert (await ensure(records, new_key(RecordType.CNAME), "edge.example.net"))[1]
