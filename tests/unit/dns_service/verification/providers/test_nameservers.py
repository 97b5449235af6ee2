from contextlib import AsyncExitStack
from datetime import timedelta

import dns.flags
import dns.message
import pytest
from dns.rcode import NXDOMAIN, REFUSED, SERVFAIL
from tests.fixtures.liar import HOST, lying, reply

from dns_service.model import Record, RecordData, RecordKey, RecordType
from dns_service.verification.model import ReplyKind, Server
from dns_service.verification.providers import nameservers as module
from dns_service.verification.providers.nameservers import NetworkNameServers

NAME, ZONE = "acme.example.com", "example.com"
SOA = "example.com. 60 SOA ns1.example.com. hostmaster.example.com. 2026010101 3600 600 86400 20"
TTL = timedelta(seconds=300)
SHORT = timedelta(milliseconds=150)


def record(kind=RecordType.A, values=("192.0.2.1",), name=NAME, **more):
    return Record(RecordKey(name, kind), RecordData(values, TTL, **more), None, "rfc2136", ZONE)


def servers(resolvers=(), own=(), patience=timedelta(seconds=5)):
    return NetworkNameServers(resolvers=resolvers, own=own, patience=patience)


def at(liar, name="ns1.example.com"):
    return Server(name, HOST, liar.port)


def honest(query, _):
    (question,) = query.question
    if question.rdtype == dns.rdatatype.SOA:
        return reply(query, SOA)
    return reply(query, f"{NAME}. 300 A 192.0.2.1")


async def asked(answer, one=None, patience=timedelta(seconds=5)):
    async with lying(answer) as liar:
        return await servers(patience=patience).ask_authority(at(liar), one or record())


async def test_an_authority_says_what_it_holds_and_the_serial_of_its_zone():
    answer = await asked(honest)
    assert (answer.kind, answer.values, answer.with_authority) == (ReplyKind.ANSWERED, ("192.0.2.1",), True)
    assert answer.serial == 2026010101


@pytest.mark.parametrize(
    ("kind", "data", "values"),
    [
        ("A", "192.0.2.9 | 192.0.2.1", ("192.0.2.1", "192.0.2.9")),
        ("AAAA", "2001:db8::1", ("2001:db8::1",)),
        ("CNAME", "Edge.Example.NET.", ("edge.example.net",)),
        ("TXT", '"v=spf1 " "-all"', ("v=spf1 -all",)),
        ("CAA", '0 issue "ca.example.net"', ('0 issue "ca.example.net"',)),
        ("MX", "10 mail.example.net.", ("10 mail.example.net",)),
    ],
)
async def test_values_come_in_the_form_of_the_model(kind, data, values):
    answer = await asked(lambda query, _: reply(query, f"{NAME}. 300 {kind} {data}"), record(RecordType[kind]))
    assert answer.values == values


async def test_a_truncated_answer_is_asked_for_again_over_tcp():
    def cut(query, transport):
        if transport == "udp":
            return reply(query, flags=dns.flags.AA | dns.flags.TC)
        return honest(query, transport)

    answer = await asked(cut)
    assert (answer.kind, answer.values, answer.serial) == (ReplyKind.ANSWERED, ("192.0.2.1",), 2026010101)


async def test_a_server_that_does_not_tell_its_serial_is_heard_all_the_same():
    def without_serial(query, transport):
        (question,) = query.question
        return None if question.rdtype == dns.rdatatype.SOA else honest(query, transport)

    answer = await asked(without_serial, patience=timedelta(seconds=1))
    assert (answer.values, answer.serial) == (("192.0.2.1",), 0)


async def test_both_questions_come_from_one_port_and_the_first_answer_to_each_counts():
    held = []

    def late_and_twice(query, transport):
        held.append(honest(query, transport).to_wire())
        return None if len(held) == 1 else [*reversed(held), *held]

    answer = await asked(late_and_twice)
    assert (answer.values, answer.serial) == (("192.0.2.1",), 2026010101)


async def test_forged_datagrams_are_ignored_and_the_true_one_is_heard():
    def among_forgeries(query, transport):
        other = dns.message.make_query("other.example.com.", "A")
        other.id = query.id
        strange = dns.message.make_query(query.question[0].name, query.question[0].rdtype)
        strange.id = (query.id + 1) % 65536
        return [
            b"no message at all",
            reply(strange, f"{NAME}. 300 A 203.0.113.66").to_wire(),
            reply(other, "other.example.com. 300 A 203.0.113.66").to_wire(),
            honest(query, transport).to_wire(),
        ]

    assert (await asked(among_forgeries)).values == ("192.0.2.1",)


async def test_only_forgeries_are_silence():
    answer = await asked(lambda _query, _: b"no message at all", patience=SHORT)
    assert answer.kind is ReplyKind.SILENT


async def test_a_server_that_never_answers_is_silent():
    answer = await asked(lambda _query, _: None, patience=SHORT)
    assert (answer.kind, answer.detail) == (ReplyKind.SILENT, "did not answer within 0.15 s")
    assert answer.serial == 0


async def test_a_server_that_is_away_is_silent():
    async with lying(honest) as liar:
        gone = at(liar)
    assert (await servers(patience=SHORT).ask_authority(gone, record())).kind is ReplyKind.SILENT


async def test_a_server_that_cannot_be_reached_has_failed():
    broadcast = Server("ns1.example.com", "255.255.255.255")  # the kernel refuses to send there
    answer = await servers().ask_authority(broadcast, record())
    assert answer.kind is ReplyKind.FAILED
    assert answer.detail.startswith("cannot be reached (")  # in whichever words the kernel has


@pytest.mark.parametrize(("rcode", "said"), [(SERVFAIL, "answered SERVFAIL"), (REFUSED, "answered REFUSED")])
async def test_a_server_that_refuses_or_breaks_has_failed(rcode, said):
    answer = await asked(lambda query, _: reply(query, rcode=rcode))
    assert (answer.kind, answer.detail) == (ReplyKind.FAILED, said)


async def test_garbage_over_tcp_is_no_answer():
    def garbled(query, transport):
        return reply(query, flags=dns.flags.TC) if transport == "udp" else b"\0" * 20

    answer = await asked(garbled)
    assert (answer.kind, answer.detail) == (ReplyKind.FAILED, "answered what is no answer")


async def test_a_server_that_is_silent_over_tcp_is_silent():
    def cut(query, transport):
        return reply(query, flags=dns.flags.TC) if transport == "udp" else None

    assert (await asked(cut, patience=SHORT)).kind is ReplyKind.SILENT


async def test_a_server_that_takes_no_tcp_cannot_be_reached_for_the_whole_answer():
    async with lying(lambda query, _: reply(query, flags=dns.flags.TC)) as liar:
        liar.listening.close()
        answer = await servers().ask_authority(at(liar), record())
    assert answer.kind is ReplyKind.FAILED
    assert answer.detail.startswith("cannot be reached (")


async def test_an_answer_without_authority_is_told_apart():
    answer = await asked(lambda query, _: reply(query, f"{NAME}. 300 A 192.0.2.1", flags=0))
    assert not answer.with_authority


@pytest.mark.parametrize("rcode", [0, NXDOMAIN])
async def test_a_denial_carries_the_serial_and_for_how_long_it_is_kept(rcode):
    def denying(query, _):
        return reply(query, rcode=rcode, authority=SOA)

    answer = await asked(denying)
    assert (answer.kind, answer.serial) == (ReplyKind.ABSENT, 2026010101)
    async with lying(denying) as liar:
        resolved = await servers().ask_resolver(at(liar), record())
    assert (resolved.kind, resolved.keeps) == (ReplyKind.ABSENT, timedelta(seconds=20))


async def test_a_denial_without_a_reason_is_kept_for_no_time():
    async with lying(lambda query, _: reply(query, rcode=NXDOMAIN)) as liar:
        resolved = await servers().ask_resolver(at(liar), record())
    assert resolved.keeps == timedelta()


async def test_an_answer_of_a_resolver_is_kept_for_its_ttl():
    def remembering(query, _):
        assert query.flags & dns.flags.RD
        return reply(query, f"{NAME}. 42 A 192.0.2.66", flags=dns.flags.RA)

    async with lying(remembering) as liar:
        resolved = await servers().ask_resolver(at(liar), record())
    assert (resolved.values, resolved.keeps) == (("192.0.2.66",), timedelta(seconds=42))


async def test_the_zones_own_servers_are_not_asked_to_recurse():
    def iterative(query, transport):
        assert not query.flags & dns.flags.RD
        return honest(query, transport)

    assert (await asked(iterative)).kind is ReplyKind.ANSWERED


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (f"{NAME}. 300 CNAME parking.example.org.", "answers an alias to parking.example.org"),
        (f"{NAME}. 300 DNAME parking.example.org.", "answers an alias to another name"),
    ],
)
async def test_an_alias_in_place_of_an_address_is_another_answer(answer, said):
    found = await asked(lambda query, _: reply(query, answer))
    assert (found.kind, found.values, found.detail) == (ReplyKind.ANSWERED, (), said)


async def test_an_alias_that_the_provider_answers_itself_is_asked_for_by_its_addresses():
    apex = record(RecordType.CNAME, ("edge.example.net",), ZONE)
    async with lying(lambda query, _: reply(query, "example.com. 300 A 203.0.113.7")) as liar:
        answer = await servers().ask_authority(at(liar), apex)
    assert answer.values == ("203.0.113.7",)
    assert ("udp", ZONE, "A") in liar.asked


def delegation(query, _):
    """A resolver's view of a zone with three servers, of which one has only an address of IPv6 and one has none."""
    (question,) = query.question
    name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
    records = {
        ("example.com.", "NS"): "example.com. 60 NS ns1.example.com. | ns2.example.com. | ns3.example.com.",
        ("ns1.example.com.", "A"): "ns1.example.com. 60 A 192.0.2.1 | 192.0.2.2",
        ("ns2.example.com.", "AAAA"): "ns2.example.com. 60 AAAA 2001:db8::2",
    }
    if (name, kind) in records:
        return reply(query, records[name, kind], flags=dns.flags.RA)
    return reply(query, flags=dns.flags.RA, authority=SOA, rcode=NXDOMAIN if name.startswith("ns3") else 0)


async def test_the_servers_of_a_zone_are_found_at_each_of_their_addresses():
    async with lying(delegation) as liar:
        found = servers(resolvers=[at(liar)])
        assert sorted(map(str, await found.authoritative(ZONE))) == [
            "ns1.example.com (192.0.2.1)", "ns1.example.com (192.0.2.2)", "ns2.example.com (2001:db8::2)",
            "ns3.example.com",
        ]  # fmt: skip
        questions = len(liar.asked)
        await found.authoritative(ZONE)
        assert len(liar.asked) == questions


async def test_the_list_of_servers_is_kept_for_a_minute(monkeypatch):
    async with lying(delegation) as liar:
        found = servers(resolvers=[at(liar)])
        await found.authoritative(ZONE)
        questions = len(liar.asked)
        later = module.monotonic() + 61
        monkeypatch.setattr(module, "monotonic", lambda: later)
        await found.authoritative(ZONE)
        assert len(liar.asked) == 2 * questions


async def test_a_listed_server_without_an_address_has_failed():
    answer = await servers().ask_authority(Server("ns3.example.com", ""), record())
    assert (answer.kind, answer.detail) == (ReplyKind.FAILED, "is listed by the zone and has no address")


@pytest.mark.parametrize("rcode", [NXDOMAIN, SERVFAIL])
async def test_a_zone_that_no_resolver_knows_has_no_servers(rcode, caplog):
    async with lying(lambda query, _: reply(query, rcode=rcode, flags=dns.flags.RA)) as liar:
        assert await servers(resolvers=[at(liar)], patience=SHORT).authoritative(ZONE) == ()
    assert "a zone's own servers were not found" in caplog.text


async def test_a_silent_resolver_leaves_the_question_to_the_next(monkeypatch):
    monkeypatch.setattr(module, "_NEXT", 0.05)
    async with AsyncExitStack() as stack:
        mute = await stack.enter_async_context(lying(lambda _query, _: None))
        good = await stack.enter_async_context(lying(delegation))
        found = servers(resolvers=[at(mute), at(good)], patience=timedelta(seconds=10))
        assert len(await found.authoritative(ZONE)) == 4


async def test_configured_servers_stand_in_for_those_of_every_zone():
    own = (Server("127.0.0.1", "127.0.0.1", 5353),)
    assert await servers(own=own).authoritative("any.example.org") == own
    assert servers(resolvers=own).resolvers() == own


@pytest.mark.parametrize(
    ("rcode", "flags", "exists"),
    [
        (0, dns.flags.RA, True),
        (0, dns.flags.AA, True),
        (NXDOMAIN, dns.flags.RA, False),
        (NXDOMAIN, dns.flags.AA, False),
        (REFUSED, dns.flags.RA, None),
        (SERVFAIL, dns.flags.RA, None),
        (0, 0, None),  # it refers to others
    ],
)
async def test_a_host_exists_as_a_server_that_knows_says(rcode, flags, exists):
    async with lying(lambda query, _: reply(query, rcode=rcode, flags=flags)) as liar:
        assert await servers().exists(at(liar), "edge.example.net") is exists


async def test_a_silent_server_knows_nothing_of_a_host():
    async with lying(lambda _query, _: None) as liar:
        assert await servers(patience=SHORT).exists(at(liar), "edge.example.net") is None
