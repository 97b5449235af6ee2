from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from faults import Invalid
from tenantmesh.tenants.v1 import address_pb2, contact_pb2
from tenants_service.tenants.model import Address, Contact
from tenants_service.translate import (
    address_from,
    address_to,
    contact_from,
    contact_to,
    domain_from,
    domains_from,
    email_from,
    id_from,
    id_to,
    text_from,
    time_to,
)


def test_times_are_moments_wherever_they_were_taken():
    noon = datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))
    assert time_to(noon).ToDatetime(UTC) == noon
    assert time_to(None) is None


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
def test_no_moment_loses_a_microsecond(moment):
    message = Timestamp()
    message.FromDatetime(moment)
    assert time_to(moment) == message


def test_an_identifier_that_is_not_given_is_none():
    assert (id_from(""), id_to(None)) == (None, "")
    assert id_to(id_from(str(UUID(int=7)))) == str(UUID(int=7))


@pytest.mark.parametrize(
    ("domain", "ascii_form"),
    [
        (" Acme.Example. ", "acme.example"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("日本語。jp", "xn--wgv71a119e.jp"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("\uff21\uff23\uff2d\uff25\uff0eexample", "acme.example"),
    ],
)
def test_domains_have_one_form_whatever_their_script(domain, ascii_form):
    assert domain_from(domain, "domain") == ascii_form


@pytest.mark.parametrize(
    "domain",
    ["a\u200db.example", "\u0301acme.example", "ac\u202eme.example", "ü" * 64 + ".example", "日本", "\uff0e\uff0e"],
)
def test_what_has_no_ascii_form_is_no_domain(domain):
    with pytest.raises(Invalid) as refused:
        domain_from(domain, "domains[3]")
    assert (refused.value.reason, refused.value.facts["field"]) == ("DOMAIN_INVALID", "domains[3]")


@given(st.text(max_size=80))
def test_any_text_is_a_domain_or_is_refused(text):
    try:
        domain = domain_from(text, "domain")
    except Invalid as refused:
        assert refused.reason == "DOMAIN_INVALID"
    else:
        assert domain_from(domain, "domain") == domain


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_is_refused(text):
    try:
        email = email_from(text, "email")
    except Invalid as refused:
        assert refused.reason == "EMAIL_INVALID"
    else:
        assert email_from(email, "email") == email == email.lower().strip()


def test_the_same_domain_twice_is_one():
    assert domains_from(["b.example", "A.example", "a.example."]) == ("b.example", "a.example")


def test_the_domain_of_an_address_may_be_in_any_script():
    assert email_from(" Ada@Bücher.example ", "email") == "ada@xn--bcher-kva.example"


@given(st.text())
def test_any_text_is_a_name_or_is_refused(text):
    try:
        name = text_from(text, "name")
    except Invalid as refused:
        assert (refused.reason, refused.domain) == ("REQUEST_INVALID", "tenantmesh")
        assert [violation.field for violation in refused.violations] == ["name"]
    else:
        assert name == text_from(name, "name")
        assert name.isprintable()
        assert 1 <= len(name) <= 200


@pytest.mark.parametrize("text", ["", "  ", "x" * 201, "a\x00b", "a\u202eb", "a\u200bb", "\ud83d"])
def test_these_are_no_names(text):
    with pytest.raises(Invalid):
        text_from(text, "name")


def test_a_name_has_one_form():
    assert text_from("  Cafe\u0301 \t Bern ", "name") == "Café Bern"
    assert text_from("x" * 200, "name") == "x" * 200


def test_an_address_is_read_without_spaces():
    message = address_pb2.Address(country="ch", address=" Bahnhofstrasse 1 ", city=" Bern", state="BE ", zip=" 3000 ")
    assert address_from(message) == Address("CH", "Bahnhofstrasse 1", "Bern", "BE", "3000")
    assert address_from(address_to(address_from(message))) == address_from(message)


def test_a_contact_comes_back_as_it_was():
    contact = Contact("Ada", "Lovelace", "ada@acme.example", "+41 31", "Countess", primary=True)
    assert contact_from(contact_to(contact), "contacts[0]") == contact


def test_a_contact_is_refused_by_its_place():
    with pytest.raises(Invalid) as refused:
        contact_from(contact_pb2.Contact(first_name="A", last_name="B", email="none"), "contacts[2]")
    assert refused.value.facts["field"] == "contacts[2].email"
