import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults import AlreadyExists, Conflict, Fault, Invalid
from tenants_service.names.model import (
    Holder,
    held,
    is_key,
    is_public,
    is_reserved,
    key_of,
    name_of,
    parse_domain,
    parse_email,
    reserved,
    similar_keys,
)

NOW = datetime(2026, 1, 31, tzinfo=UTC)
KEYS = st.from_regex(r"[a-z][a-z0-9-]{1,29}[a-z0-9]", fullmatch=True)


@pytest.mark.parametrize(
    ("domain", "public"),
    [
        ("gmail.com", True),
        ("mail.gmail.com", False),
        ("gmail.com.example", False),
        ("notgmail.com", False),
        ("gmx.de", True),
        ("gmx.co.uk", True),
        ("gmx.com.br", True),
        ("gmx", False),
        ("gmx.acme.example", False),
        ("gmxx.de", False),
        ("mail.gmx.de", False),
    ],
)
def test_what_a_mail_provider_has(domain, public):
    assert is_public(domain, ("gmail.com", "gmx.*")) is public
    assert not is_public(domain, ())


@pytest.mark.parametrize("key", ["acm", "a1c", "acme-corp", "a" * 31, "a-b"])
def test_these_are_keys(key):
    assert is_key(key)


@pytest.mark.parametrize(
    "key", ["", "ac", "1acme", "-acme", "acme-", "Acme", "acme_corp", "acme corp", "a" * 32, "äöü", "acme\n"]
)
def test_these_are_none(key):
    assert not is_key(key)


@given(KEYS)
def test_every_name_a_key_leads_to_fits_its_target(key):
    assert is_key(key)
    assert re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", f"tenant_{name_of(key)}")  # a schema
    assert len(f"tenant-{key}") <= 63  # a realm, and a label of DNS


@given(KEYS, KEYS)
def test_two_keys_are_one_exactly_when_their_names_meet(one, other):
    assert (name_of(one) == name_of(other)) == (re.sub(r"-+", "-", one) == re.sub(r"-+", "-", other))


def test_separators_make_no_difference():
    assert name_of("acme-corp") == name_of("acme_corp") == name_of("acme--corp") == "acme_corp"
    assert name_of("acmecorp") != name_of("acme-corp")


@pytest.mark.parametrize(
    "key",
    [
        "admin",
        "api",
        "www",
        "app",
        "mail",
        "ftp",
        "status",
        "auth",
        "login",
        "static",
        "cdn",
        "ns1",
        "support",
        "xn--acme",
        "ab--cd",
    ],
)
def test_some_keys_nobody_gets(key):
    assert is_reserved(key)
    assert (reserved(key).kind, reserved(key).reason) == (Invalid.kind, "TENANT_KEY_RESERVED")


def test_an_operator_may_reserve_more():
    assert not is_reserved("acme-corp")
    assert is_reserved("acme-corp", frozenset({"acme_corp"}))


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Acme Corp", "acme-corp"),
        ("acme_corp", "acme-corp"),
        ("  Müller & Söhne GmbH ", "muller-sohne-gmbh"),
        ("Straße", "strasse"),
        ("3M Company", "m-company"),
        ("A" * 200, "a" * 31),
        ("abcdefghijklmnopqrstuvwxyz1234 -x", "abcdefghijklmnopqrstuvwxyz1234"),
        ("日本", ""),
        ("x", ""),
        ("'; DROP TABLE tenants; --", "drop-table-tenants"),
    ],
)
def test_a_name_suggests_a_key(name, key):
    assert key_of(name) == key


@given(st.text())
def test_what_a_name_suggests_is_a_key_or_nothing(name):
    suggested = key_of(name)
    assert suggested == "" or is_key(suggested)
    assert key_of(suggested) == suggested or "--" in suggested


@given(KEYS)
def test_similar_keys_are_keys_and_begin_with_the_wish(key):
    similar = list(similar_keys(key))
    assert similar[0] == key
    assert all(is_key(one) for one in similar)
    assert len(set(similar)) == len(similar)


def test_who_has_a_key_says_how_it_is_refused():
    later = NOW + timedelta(days=1)
    assert isinstance(held("acme", Holder("acme"), NOW), AlreadyExists)
    rests = held("acme", Holder("acme", later), NOW)
    assert isinstance(rests, Conflict)
    assert rests.facts == {"key": "acme", "quarantine_expire_time": later.isoformat()}


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
DOMAINS = st.lists(LABEL, min_size=2, max_size=5).map(".".join).filter(lambda name: not name.split(".")[-1].isdigit())


@given(DOMAINS)
def test_a_domain_has_one_true_form(domain):
    assert parse_domain(f" {domain.upper()}. ", "domain") == domain


@pytest.mark.parametrize(
    "domain",
    [
        "", ".", "acme", "acme..example", ".acme.example", "-acme.example", "acme-.example", "ac me.example",
        "acme_corp.example", "*.example.com", "127.0.0.1", "1.2", "[::1]", "::1", "a." * 127 + "example",
        f"{'a' * 64}.example", "acme.example/path", "acme.example:80", "ä.example", "a'; DROP TABLE tenants.example",
        "acme.example\n.evil.example", "acme.\x00example",
    ],
)  # fmt: skip
def test_these_are_no_domains(domain):
    with pytest.raises(Invalid) as refused:
        parse_domain(domain, "domains[0]")
    assert refused.value.reason == "DOMAIN_INVALID"
    assert refused.value.facts["field"] == "domains[0]"
    assert refused.value.facts["rule"]


@given(st.text())
def test_any_text_is_a_domain_or_is_refused(text):
    try:
        domain = parse_domain(text, "domain")
    except Fault as refused:
        assert refused.reason == "DOMAIN_INVALID"
    else:
        assert parse_domain(domain, "domain") == domain
        assert domain == domain.lower()


@given(st.from_regex(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[a-z0-9]{1,20}){0,2}", fullmatch=True), DOMAINS)
def test_an_address_has_one_true_form(local, domain):
    assert parse_email(f"  {local.upper()}@{domain.title()}\t", "email") == f"{local}@{domain}"


@pytest.mark.parametrize(
    "email",
    [
        "", "ada", "@acme.example", "ada@", "ada@acme", "ada@@acme.example", "a da@acme.example", ".ada@acme.example",
        "ada.@acme.example", "a..da@acme.example", '"ada"@acme.example', "ada@127.0.0.1", "ada@[127.0.0.1]",
        "äda@acme.example", "ada@acme.example\nBcc: eve@evil.example", "a" * 65 + "@acme.example",
        "a" * 64 + "@" + "a." * 100 + "example", "ada\x00@acme.example", "ada@acme.example, eve@evil.example",
    ],
)  # fmt: skip
def test_these_are_no_addresses(email):
    with pytest.raises(Invalid) as refused:
        parse_email(email, "email")
    assert (refused.value.reason, refused.value.facts) == ("EMAIL_INVALID", {"field": "email"})


@given(st.emails())
def test_addresses_of_the_standard_are_read_or_refused(email):
    try:
        parsed = parse_email(email, "email")
    except Invalid as refused:
        assert refused.reason == "EMAIL_INVALID"
    else:
        assert parsed == email.strip().lower()
