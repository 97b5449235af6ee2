from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_service.model import RecordData, RecordKey, RecordType, parse_name
from faults import Invalid

TTL = timedelta(seconds=300)
LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("acme.example.com", "acme.example.com"),
        ("ACME.Example.COM.", "acme.example.com"),
        ("  acme.example.com ", "acme.example.com"),
        ("*.acme.example.com", "*.acme.example.com"),
        ("_acme-challenge.example.com", "_acme-challenge.example.com"),
        ("xn--mnchen-3ya.example.com", "xn--mnchen-3ya.example.com"),
    ],
)
def test_a_name_has_one_true_form(raw, name):
    assert parse_name(raw) == name


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        ("", "hostname"),
        ("com", "hostname"),
        ("*.com", "hostname"),
        ("192.0.2.1", "hostname"),
        ("a.*.example.com", "hostname"),
        ("-acme.example.com", "hostname"),
        ("acme-.example.com", "hostname"),
        ("ac me.example.com", "hostname"),
        ("acme..example.com", "hostname"),
        (f"{'a' * 64}.example.com", "hostname"),
        ("acme.example.com; drop", "hostname"),
        ("münchen.example.com", "ascii"),
        (".".join(["a" * 49] * 5) + ".toolong", "length"),
    ],
)
def test_what_is_no_name_is_refused_with_the_rule(raw, rule):
    with pytest.raises(Invalid) as caught:
        parse_name(raw)
    assert (caught.value.reason, caught.value.facts["rule"]) == ("NAME_INVALID", rule)


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        ("_tenantmesh.acme.example.com", "reserved"),
        ("acme._tenantmesh.example.com", "reserved"),
        (f"{'.'.join(['a' * 57] * 4)}.example.co", "length"),  # 242 characters: no room for the stamp before it
        (f"{'.'.join(['a' * 60] * 4)}.example.c", "length"),  # 253
        (f"{'.'.join(['a' * 60] * 4)}.example.co", "length"),  # 254
    ],
)
def test_what_is_no_name_for_a_record_is_refused_with_the_rule(raw, rule):
    with pytest.raises(Invalid) as caught:
        RecordKey.parse(raw, RecordType.A)
    assert (caught.value.reason, caught.value.facts["rule"]) == ("NAME_INVALID", rule)


def test_the_longest_name_for_a_record_leaves_room_for_its_stamp():
    name = f"{'.'.join(['a' * 57] * 4)}.example.c"
    assert RecordKey.parse(name, RecordType.A).name == name
    assert len(f"_tenantmesh.{name}") == 253


@given(st.lists(LABEL, min_size=1, max_size=5))
def test_parsing_a_name_twice_changes_nothing(labels):
    once = parse_name(".".join([*labels, "example"]).upper() + ".")
    assert parse_name(once) == once


@given(st.text())
def test_any_text_is_a_name_or_is_refused(text):
    try:
        name = parse_name(text)
    except Invalid as invalid:
        assert invalid.reason == "NAME_INVALID"
    else:
        assert name == name.lower()
        assert len(name) <= 253


@pytest.mark.parametrize(
    ("kind", "values", "parsed"),
    [
        ("A", ["192.0.2.7", "192.0.2.10", "192.0.2.7"], ("192.0.2.10", "192.0.2.7")),
        ("AAAA", ["2001:DB8:0::1"], ("2001:db8::1",)),
        ("CAA", ['128 iodef "mailto:x@example.net; a=b"'], ('128 iodef "mailto:x@example.net; a=b"',)),
        ("CNAME", ["Edge.Example.NET."], ("edge.example.net",)),
        ("TXT", ["v=spf1 -all"], ("v=spf1 -all",)),
        ("CAA", ['000 issue "ca.example.net"'], ('0 issue "ca.example.net"',)),
        ("MX", ["10 Mail.Example.com"], ("10 mail.example.com",)),
    ],
)
def test_values_are_brought_into_the_form_of_their_type(kind, values, parsed):
    key = RecordKey.parse("acme.example.com", RecordType[kind])
    assert RecordData.parse(key, tuple(values), TTL, proxied=False).values == parsed


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("A", ["2001:db8::1"]),
        ("A", ["192.0.2.256"]),
        ("A", ["192.0.2.1", "soon"]),
        ("AAAA", ["192.0.2.1"]),
        ("AAAA", ["fe80::1%eth0"]),
        ("CNAME", ["192.0.2.1"]),
        ("CNAME", ["*.example.net"]),
        ("CNAME", ["not a host"]),
        ("CNAME", ["a.example.com", "b.example.com"]),
        ("TXT", ["line\nbreak"]),
        ("TXT", ["grüße"]),
        ("CAA", ["issue ca.example.net"]),
        ("CAA", ['256 issue "ca.example.net"']),
        ("CAA", ['0 issue "ca\\.example.net"']),
        ("CAA", ['0 issue "ca\nexample.net"']),
        ("CAA", ['0 issue "müller.example.net"']),
        ("MX", ["10 192.0.2.1"]),
        ("MX", ["mail.example.com"]),
        ("MX", ["70000 mail.example.com"]),
        ("MX", ["10 not a host"]),
    ],
)
def test_a_value_of_another_type_is_refused(kind, values):
    key = RecordKey.parse("acme.example.com", RecordType[kind])
    with pytest.raises(Invalid) as caught:
        RecordData.parse(key, tuple(values), TTL, proxied=False)
    assert caught.value.reason == "VALUE_INVALID"
    assert caught.value.facts["value"] in values
    assert ".." not in caught.value.message


@pytest.mark.parametrize(
    ("ttl", "proxied", "held"),
    [(timedelta(seconds=60.9), False, timedelta(seconds=60)), (timedelta(hours=1), True, timedelta(minutes=5))],
)
def test_a_ttl_is_what_providers_can_hold(ttl, proxied, held):
    key = RecordKey.parse("acme.example.com", RecordType.A)
    assert RecordData.parse(key, ("192.0.2.1",), ttl, proxied=proxied).ttl == held
