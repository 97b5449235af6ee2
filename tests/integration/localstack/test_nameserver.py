"""BIND and the embedded responder, side by side: whatever a client of the zone does, both do alike."""

import asyncio
from dataclasses import dataclass

import dns.asyncquery
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update
import dns.zone
import pytest
import pytest_asyncio
from tests.fixtures.servers import server

from localstack import debian
from localstack.component import Absent
from localstack.responder.server import Responder, serving
from localstack.responder.zonedata import ZoneData
from localstack.servers import nameserver

ZONE = "tenantmesh.test"


@dataclass(frozen=True)
class Served:
    """A server of the zone, whichever it is."""

    port: int
    key: dns.tsig.Key

    async def ask(self, name, rdtype="A", *, over=dns.asyncquery.udp, **options):
        query = dns.message.make_query(f"{name}.{ZONE}" if name else ZONE, rdtype, **options)
        return await over(query, "127.0.0.1", port=self.port, timeout=5)

    async def send(self, update):
        return (await dns.asyncquery.tcp(update, "127.0.0.1", port=self.port, timeout=5)).rcode()

    def update(self, key=None):
        return dns.update.UpdateMessage(ZONE, keyring=key or self.key)

    async def serial(self):
        return (await self.ask("", "SOA")).answer[0][0].serial


@pytest_asyncio.fixture(params=["bind", "responder"])
async def served(request, dns_server, tmp_path):
    if request.param == "bind":
        yield Served(dns_server.port, next(iter(dns_server.keyring.values())))
        return
    file = tmp_path / "zone"
    file.write_text(nameserver.ZONE.format(zone=ZONE, host="127.0.0.1"))
    key = dns.tsig.Key("tenantmesh", b"s" * 32, dns.tsig.HMAC_SHA256)
    async with serving(Responder(ZoneData.load(ZONE, file), key), "127.0.0.1", 0) as port:
        yield Served(port, key)


@pytest.fixture
def name(request):
    """A name that no other test uses."""
    return f"n{abs(hash(request.node.name)) % 10**10}"


def values(answer):
    return sorted(str(rdata) for rrset in answer.answer for rdata in rrset)


async def test_answers_with_authority_over_both_transports(served):
    for over in (dns.asyncquery.udp, dns.asyncquery.tcp):
        soa = await served.ask("", "SOA", over=over)
        assert soa.flags & dns.flags.AA
        assert soa.answer[0][0].mname == dns.name.from_text(f"ns1.{ZONE}")
        assert values(await served.ask("", "NS", over=over)) == [f"ns1.{ZONE}."]
        assert values(await served.ask("ns1", over=over)) == ["127.0.0.1"]


async def test_denials_name_the_zone_and_how_long_they_hold(served, name):
    missing = await served.ask(name)
    assert missing.rcode() == dns.rcode.NXDOMAIN
    assert missing.authority[0].rdtype == dns.rdatatype.SOA
    assert missing.authority[0][0].minimum == 5
    nothing_of_that_type = await served.ask("ns1", "TXT")
    assert nothing_of_that_type.rcode() == dns.rcode.NOERROR
    assert not nothing_of_that_type.answer
    assert nothing_of_that_type.authority[0].rdtype == dns.rdatatype.SOA


async def test_other_zones_are_refused(served):
    query = dns.message.make_query("example.org", "A")
    assert (await dns.asyncquery.udp(query, "127.0.0.1", port=served.port, timeout=5)).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize(
    ("rdtype", "text"),
    [
        ("A", "192.0.2.1"),
        ("AAAA", "2001:db8::1"),
        ("CNAME", "target.example."),
        ("TXT", '"owner=1" "second"'),
        ("MX", "10 mail.example."),
        ("SRV", "1 2 443 host.example."),
        ("CAA", '0 issue "ca.example"'),
    ],
)
async def test_a_record_is_added_served_and_removed(served, name, rdtype, text):
    before = await served.serial()
    assert await served.send(add(served, name, rdtype, text)) == dns.rcode.NOERROR
    found = await served.ask(name, rdtype)
    assert values(found) == [text]
    assert found.answer[0].ttl == 60
    assert await served.serial() > before
    update = served.update()
    update.delete(name, rdtype)
    assert await served.send(update) == dns.rcode.NOERROR
    assert (await served.ask(name, rdtype)).rcode() == dns.rcode.NXDOMAIN


def add(served, name, rdtype="A", text="192.0.2.1"):
    update = served.update()
    update.add(name, 60, rdtype, text)
    return update


async def test_one_value_goes_and_the_other_stays_and_the_whole_name_goes(served, name):
    update = served.update()
    update.add(name, 60, "A", "192.0.2.1", "192.0.2.2")
    update.add(name, 60, "TXT", '"x"')
    await served.send(update)
    update = served.update()
    update.delete(name, "A", "192.0.2.1")
    assert await served.send(update) == dns.rcode.NOERROR
    assert values(await served.ask(name)) == ["192.0.2.2"]
    update = served.update()
    update.delete(name)
    assert await served.send(update) == dns.rcode.NOERROR
    assert (await served.ask(name, "TXT")).rcode() == dns.rcode.NXDOMAIN


async def test_an_update_that_changes_nothing_succeeds_and_keeps_the_serial(served, name):
    await served.send(add(served, name))
    before = await served.serial()
    assert await served.send(add(served, name)) == dns.rcode.NOERROR
    update = served.update()
    update.delete(f"not-{name}")
    assert await served.send(update) == dns.rcode.NOERROR
    assert await served.serial() == before


async def test_aliases_are_followed_inside_the_zone(served, name):
    await served.send(add(served, name, "CNAME", f"www-{name}.{ZONE}."))
    await served.send(add(served, f"www-{name}", "A", "192.0.2.9"))
    assert values(await served.ask(name, "A")) == ["192.0.2.9", f"www-{name}.{ZONE}."]
    assert values(await served.ask(name, "CNAME")) == [f"www-{name}.{ZONE}."]


async def test_an_alias_and_other_records_never_share_a_name(served, name):
    await served.send(add(served, name, "A", "192.0.2.1"))
    assert await served.send(add(served, name, "CNAME", "other.example.")) == dns.rcode.NOERROR
    assert values(await served.ask(name, "CNAME")) == []
    await served.send(add(served, f"c{name}", "CNAME", "one.example."))
    assert await served.send(add(served, f"c{name}", "A", "192.0.2.1")) == dns.rcode.NOERROR
    await served.send(add(served, f"c{name}", "CNAME", "two.example."))
    assert values(await served.ask(f"c{name}", "CNAME")) == ["two.example."]


async def test_a_name_above_another_is_no_denial(served, name):
    await served.send(add(served, f"deep.{name}"))
    above = await served.ask(name)
    assert (above.rcode(), values(above)) == (dns.rcode.NOERROR, [])


@pytest.mark.parametrize(
    ("condition", "before", "after"),
    [
        (lambda u, n: u.absent(n), dns.rcode.NOERROR, dns.rcode.YXDOMAIN),
        (lambda u, n: u.absent(n, "A"), dns.rcode.NOERROR, dns.rcode.YXRRSET),
        (lambda u, n: u.present(n), dns.rcode.NXDOMAIN, dns.rcode.NOERROR),
        (lambda u, n: u.present(n, "A"), dns.rcode.NXRRSET, dns.rcode.NOERROR),
        (lambda u, n: u.present(n, "A", "192.0.2.1"), dns.rcode.NXRRSET, dns.rcode.NOERROR),
        (lambda u, n: u.present(n, "A", "192.0.2.7"), dns.rcode.NXRRSET, dns.rcode.NXRRSET),
    ],
    ids=["no such name", "no such type", "the name", "the type", "the value", "another value"],
)
async def test_prerequisites_decide(served, name, condition, before, after):
    update = served.update()
    condition(update, name)
    update.add(f"side-{name}", 60, "A", "192.0.2.5")
    assert await served.send(update) == before
    assert (await served.ask(f"side-{name}")).rcode() == (dns.rcode.NXDOMAIN if before else dns.rcode.NOERROR)
    await served.send(add(served, name))
    update = served.update()
    condition(update, name)
    update.add(f"more-{name}", 60, "A", "192.0.2.6")
    assert await served.send(update) == after
    assert (await served.ask(f"more-{name}")).rcode() == (dns.rcode.NXDOMAIN if after else dns.rcode.NOERROR)


async def test_a_prerequisite_of_several_values_means_exactly_these(served, name):
    both = ("192.0.2.1", "192.0.2.2")
    update = served.update()
    update.add(name, 60, "A", *both)
    assert await served.send(update) == dns.rcode.NOERROR
    for values, rcode in ((both[:1], dns.rcode.NXRRSET), ((*both, "192.0.2.3"), dns.rcode.NXRRSET), (both, 0)):
        update = served.update()
        update.present(name, "A", *values)
        update.add(f"side-{name}", 60, "A", "192.0.2.5")
        assert await served.send(update) == rcode


async def test_what_delegates_the_zone_cannot_be_changed(served, name):
    update = served.update()
    update.add("@", 60, "NS", "evil.example.")
    update.add(name, 60, "A", "192.0.2.1")
    assert await served.send(update) == dns.rcode.REFUSED
    assert (await served.ask(name)).rcode() == dns.rcode.NXDOMAIN, "all of an update or nothing"


async def test_an_update_of_another_zone_is_refused(served):
    update = dns.update.UpdateMessage("example.org", keyring=served.key)
    update.add("x", 60, "A", "192.0.2.1")
    assert await served.send(update) == dns.rcode.NOTAUTH


async def test_names_outside_the_zone_are_refused(served):
    update = served.update()
    update.add("x.example.org.", 60, "A", "192.0.2.1")
    assert await served.send(update) == dns.rcode.NOTZONE


async def test_without_a_signature_nothing_changes(served, name):
    update = dns.update.UpdateMessage(ZONE)
    update.add(name, 60, "A", "192.0.2.1")
    assert await served.send(update) == dns.rcode.REFUSED
    assert (await served.ask(name)).rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize(
    ("key", "error"),
    [
        (dns.tsig.Key("tenantmesh", b"w" * 32, dns.tsig.HMAC_SHA256), dns.tsig.PeerBadSignature),
        (dns.tsig.Key("stranger", b"s" * 32, dns.tsig.HMAC_SHA256), dns.tsig.PeerBadKey),
    ],
    ids=["wrong secret", "unknown key"],
)
async def test_a_wrong_key_is_told_so(served, name, key, error):
    update = served.update(key)
    update.add(name, 60, "A", "192.0.2.1")
    with pytest.raises(error):
        await served.send(update)
    assert (await served.ask(name)).rcode() == dns.rcode.NXDOMAIN


async def test_a_late_signature_is_told_so(served, name, monkeypatch):
    update = add(served, name)
    real = dns.message.time.time
    with monkeypatch.context() as clock:
        clock.setattr(dns.message.time, "time", lambda: real() - 3600)
        wire = update.to_wire()
    monkeypatch.setattr(update, "to_wire", lambda **_: wire)
    with pytest.raises(dns.tsig.PeerBadTime):
        await served.send(update)
    assert (await served.ask(name)).rcode() == dns.rcode.NXDOMAIN


async def test_a_long_answer_is_cut_over_udp_and_whole_over_tcp(served, name):
    update = served.update()
    update.add(name, 60, "TXT", *(f'"{index:0>200}"' for index in range(12)))
    await served.send(update)
    short = await served.ask(name, "TXT")
    assert short.flags & dns.flags.TC
    assert len((await served.ask(name, "TXT", over=dns.asyncquery.tcp)).answer[0]) == 12
    assert (await served.ask(name, "TXT", use_edns=0, payload=1232)).flags & dns.flags.TC


async def test_the_zone_is_transferred_to_who_has_the_key_only(served, name):
    update = served.update()
    for index in range(250):
        update.add(f"{name}-{index}", 60, "A", "192.0.2.1")
    await served.send(update)
    zone = dns.zone.Zone(ZONE, relativize=False)
    query, _ = dns.xfr.make_query(zone, keyring=served.key)
    await dns.asyncquery.inbound_xfr("127.0.0.1", zone, query, port=served.port, timeout=10)
    names = {str(found) for found in zone.nodes}
    assert {f"{name}-{index}.{ZONE}." for index in range(250)} <= names
    query, _ = dns.xfr.make_query(zone)
    with pytest.raises(dns.xfr.TransferError, match="REFUSED"):
        await dns.asyncquery.inbound_xfr("127.0.0.1", zone, query, port=served.port, timeout=10)


async def test_many_updates_at_once_all_count(served, name):
    answers = await asyncio.gather(*(served.send(add(served, f"{name}-{index}")) for index in range(20)))
    assert set(answers) == {dns.rcode.NOERROR}
    found = await asyncio.gather(*(served.ask(f"{name}-{index}") for index in range(20)))
    assert all(values(one) == ["192.0.2.1"] for one in found)


async def test_garbage_harms_nobody(served):
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("127.0.0.1", served.port))
    for garbage in (b"", b"\x00", b"\xff" * 11, b"\x00" * 12, bytes(range(256))):
        transport.sendto(garbage)
    transport.close()
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"\x00\x05hello")
    writer.close()
    assert (await served.ask("", "SOA")).rcode() == dns.rcode.NOERROR


async def test_the_zone_outlives_a_restart(dns_server, name):
    served = Served(dns_server.port, next(iter(dns_server.keyring.values())))
    await served.send(add(served, name))
    await dns_server.server.stop()
    await dns_server.server.start()
    assert values(await served.ask(name)) == ["192.0.2.1"]


async def test_the_responder_takes_over_where_bind_cannot_be_had(tmp_path, monkeypatch, name):
    async def unavailable(package, _):
        msg = f"{package.name} is not installed, and there is no apt-get to fetch it with"
        raise Absent(msg)

    monkeypatch.setattr(debian, "provide", unavailable)
    monkeypatch.setattr(debian, "locate", lambda *_: None)
    notes = []
    async with server(nameserver.NAMESERVER, tmp_path, report=lambda *said: notes.append(said[2])) as one:
        served = Served(
            one.site.ports["dns"], dns.tsig.Key("tenantmesh", nameserver.tsig_secret(one.site), "hmac-sha256")
        )
        assert await served.send(add(served, name)) == dns.rcode.NOERROR
        await one.stop()
        await one.start()
        assert values(await served.ask(name)) == ["192.0.2.1"]
    assert any(note.startswith("served by the embedded responder, because bind9 is not installed") for note in notes)
