"""What of the responder its comparison with BIND does not reach."""

import asyncio

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.tsig
import dns.update
import pytest

from localstack.responder.server import Responder, serving
from localstack.responder.zonedata import MAX_ALIASES, ZoneData

ZONE = "tenantmesh.test"
KEY = dns.tsig.Key("tenantmesh", b"s" * 32, dns.tsig.HMAC_SHA256)
TEXT = """\
$TTL 60
@ IN SOA ns1 hostmaster 1 3600 600 86400 5
@ IN NS ns1
ns1 IN A 127.0.0.1
loop IN CNAME loop
out IN CNAME www.example.org.
"""


@pytest.fixture
def responder(tmp_path):
    file = tmp_path / "zone"
    file.write_text(TEXT)
    return Responder(ZoneData.load(ZONE, file), KEY)


def ask(responder, name, rdtype="A", **options):
    wire = responder.over_udp(dns.message.make_query(name, rdtype, **options).to_wire())
    return dns.message.from_wire(wire)


def test_aliases_that_lead_in_a_circle_end(responder):
    answer = ask(responder, f"loop.{ZONE}")
    assert len(answer.answer) <= MAX_ALIASES


def test_an_alias_that_leads_out_of_the_zone_is_the_answer(responder):
    answer = ask(responder, f"out.{ZONE}")
    assert [str(rrset[0]) for rrset in answer.answer] == ["www.example.org."]
    assert answer.rcode() == dns.rcode.NOERROR


def test_what_it_does_not_do_it_says(responder):
    query = dns.message.make_query(ZONE, "A")
    query.set_opcode(dns.opcode.NOTIFY)
    answer = dns.message.from_wire(responder.over_udp(query.to_wire()))
    assert answer.rcode() == dns.rcode.NOTIMP


def test_an_answer_is_not_answered(responder):
    query = dns.message.make_query(ZONE, "A")
    query.flags |= dns.flags.QR
    assert responder.over_udp(query.to_wire()) is None
    assert list(responder.over_tcp(query.to_wire())) == []


def test_a_fault_of_its_own_is_told_and_logged(responder, monkeypatch, capfd):
    def full(*_):
        msg = "no space left on device"
        raise OSError(msg)

    monkeypatch.setattr(ZoneData, "_keep", full)
    update = dns.update.UpdateMessage(ZONE, keyring=KEY)
    update.add("new", 60, "A", "192.0.2.1")
    (wire,) = responder.over_tcp(update.to_wire())
    assert dns.message.from_wire(wire, keyring=KEY, request_mac=update.mac).rcode() == dns.rcode.SERVFAIL
    assert "no space left on device" in capfd.readouterr().err


async def test_several_questions_follow_each_other_on_one_connection(responder):
    async with serving(responder, "127.0.0.1", 0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for name in (ZONE, f"ns1.{ZONE}"):
            wire = dns.message.make_query(name, "A").to_wire()
            writer.write(len(wire).to_bytes(2, "big") + wire)
        for name in (ZONE, f"ns1.{ZONE}"):
            length = int.from_bytes(await reader.readexactly(2), "big")
            answer = dns.message.from_wire(await reader.readexactly(length))
            assert answer.question[0].name.to_text() == f"{name}."
        writer.close()
        await writer.wait_closed()


def test_what_is_kept_is_what_was_changed(responder):
    update = dns.update.UpdateMessage(ZONE, keyring=KEY)
    update.add("new", 60, "A", "192.0.2.1")
    list(responder.over_tcp(update.to_wire()))
    again = ZoneData.load(ZONE, responder.data.file)
    found = again.answer(dns.name.from_text(f"new.{ZONE}"), dns.rdatatype.A)
    assert [str(rdata) for rdata in found.answer[0]] == ["192.0.2.1"]
    assert [path.name for path in responder.data.file.parent.iterdir()] == ["zone"]
