import pytest
from hypothesis import given
from hypothesis import strategies as st

from dns_service.idn import to_ascii, to_unicode
from faults import Invalid


@pytest.mark.parametrize(
    ("letters", "ascii_form"),
    [
        ("münchen.example.com", "xn--mnchen-3ya.example.com"),
        ("MÜNCHEN.example.com", "xn--mnchen-3ya.example.com"),
        ("mu\u0308nchen.example.com", "xn--mnchen-3ya.example.com"),  # the dots as a character of their own
        ("straße.example.com", "xn--strae-oqa.example.com"),
        ("пример.example.com", "xn--e1afmkfd.example.com"),
        ("例え。example。com", "xn--r8jz45g.example.com"),
        ("日本語カナかな.example.com", "xn--u8j2cwjqe354zcvb2w6i.example.com"),
        ("中文ㄅㄆ.example.com", "xn--5ekc105thxu.example.com"),
        ("한국abc.example.com", "xn--abc-lt8lk11n.example.com"),
        ("*.münchen.example.com", "*.xn--mnchen-3ya.example.com"),
        ("_acme-challenge.münchen.example.com", "_acme-challenge.xn--mnchen-3ya.example.com"),
        ("acme.example.com", "acme.example.com"),
        ("ACME.example.com.", "ACME.example.com."),
        ("xn--mnchen-3ya.example.com", "xn--mnchen-3ya.example.com"),
        ("10 mail.münchen.example.com", "10 mail.xn--mnchen-3ya.example.com"),
    ],
)
def test_every_label_gets_its_ascii_form(letters, ascii_form):
    assert to_ascii(letters) == ascii_form


@pytest.mark.parametrize(
    "name",
    [
        "xn--.example.com",
        "xn--a.example.com",
        "xn--mnchen-3ya5.example.com",
        "XN--ZZZZZZZZ.example.com",
        "\u2665.example.com",  # a heart is no letter
        "a\u200db.example.com",  # a joiner that nobody sees
        "-ü.example.com",
        "ü" * 64 + ".example.com",
    ],
)
def test_what_is_no_internationalised_name_is_refused(name):
    with pytest.raises(Invalid) as caught:
        to_ascii(name)
    assert (caught.value.reason, caught.value.facts["rule"]) == ("NAME_INVALID", "idn")


@pytest.mark.parametrize(
    "name",
    [
        "p\u0430ypal.example.com",  # one Cyrillic letter among Latin ones
        "\u0440\u0430\u0443\u0440\u0430l.example.com",
        "\u0430\u0440\u0440\u0435.example.com",  # Cyrillic through and through, and reads like apple
        "ad\u0131das.example.com",  # an i without its dot
        "\u03b1pple.example.com",
        "xn--80ak6aa92e.example.com",  # the well-known apple
    ],
)
def test_a_name_that_could_be_taken_for_another_is_refused(name):
    with pytest.raises(Invalid) as caught:
        to_ascii(name)
    assert (caught.value.reason, caught.value.facts["rule"]) == ("NAME_INVALID", "confusable")


@pytest.mark.parametrize("name", ["café.example.com", "naïve.example.com", "ελλάδα.example.com", "москва.example.com"])
def test_an_honest_name_is_not_taken_for_another(name):
    assert to_unicode(to_ascii(name)) == name


def test_what_is_ascii_has_no_other_letters():
    assert to_unicode("acme.example.com") == ""


def test_somebody_elses_broken_label_is_shown_as_it_is():
    assert to_unicode("xn--a.xn--mnchen-3ya.example.com") == "xn--a.münchen.example.com"


@given(st.text(max_size=80))
def test_any_text_is_encoded_or_refused(text):
    try:
        encoded = to_ascii(text)
    except Invalid as invalid:
        assert invalid.reason == "NAME_INVALID"
    else:
        assert encoded.isascii()
