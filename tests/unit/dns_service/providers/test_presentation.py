from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_service.model import RecordType
from dns_service.providers import presentation

PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=700)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("A", "192.0.2.1", "192.0.2.1"),
        ("AAAA", "2001:db8::1", "2001:db8::1"),
        ("AAAA", str(IPv6Address("::ffff:192.0.2.1")), str(IPv6Address("::ffff:192.0.2.1"))),
        ("CNAME", "edge.example.net", "edge.example.net."),
        ("MX", "10 mail.example.net", "10 mail.example.net."),
        ("CAA", '0 issue "ca.example.net"', '0 issue "ca.example.net"'),
        ("TXT", "v=spf1 -all", '"v=spf1 -all"'),
        ("TXT", 'say "x" \\o/', '"say \\"x\\" \\\\o/"'),
    ],
)
def test_values_are_written_and_read_as_in_a_zone_file(kind, value, text):
    assert presentation.to_text(RecordType[kind], value) == text
    assert presentation.from_text(RecordType[kind], text) == value


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("CNAME", "Edge.Example.NET.", "edge.example.net"),
        ("TXT", '"one" "two"', "onetwo"),
        ("TXT", "unquoted", "unquoted"),
        ("MX", "10 Mail.example.net.", "10 mail.example.net"),
        ("AAAA", "2001:DB8:0::1", "2001:db8::1"),
        ("A", "not an address", "not an address"),
        ("CAA", '0 other "x"', '0 other "x"'),
    ],
)
def test_what_others_wrote_is_read_into_our_form_or_left(kind, text, value):
    assert presentation.from_text(RecordType[kind], text) == value


@given(PRINTABLE)
def test_any_text_survives(value):
    assert presentation.text_from(presentation.text_to(value)) == value
