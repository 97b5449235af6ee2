import pytest
from hypothesis import given
from hypothesis import strategies as st

from faults import Invalid
from pagekit import PageSettings, PageTokens, page_size
from settingskit import Secret

TOKENS = PageTokens([b"key"])
SCALARS = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False))


@given(st.lists(SCALARS, max_size=4), st.text(max_size=40))
def test_a_token_reads_back_in_its_scope(position, scope):
    assert TOKENS.open(TOKENS.sign(position, scope=scope), scope=scope) == tuple(position)


def test_a_long_name_in_any_script_fits_a_request():
    assert len(TOKENS.sign(("資" * 200,), scope="list")) <= 1024


def test_the_empty_token_is_the_first_page():
    assert TOKENS.open("", scope="any") is None


def refused(token, *, tokens=TOKENS, scope="list|acme"):
    with pytest.raises(Invalid) as caught:
        tokens.open(token, scope=scope)
    assert (caught.value.reason, caught.value.domain) == ("PAGE_TOKEN_INVALID", "tenantmesh")


def test_a_token_of_another_list_is_refused():
    token = TOKENS.sign(("a",), scope="list|acme")
    refused(token, scope="list|other")
    refused(token, scope="list|acm")


def test_a_token_signed_elsewhere_is_refused():
    refused(PageTokens([b"other"]).sign(("a",), scope="list|acme"))


@given(st.data())
def test_a_changed_token_is_refused(data):
    token = TOKENS.sign(("acme.example.com", 7), scope="list|acme")
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda character: character != token[place]))
    changed = token[:place] + other + token[place + 1 :]
    try:
        position = TOKENS.open(changed, scope="list|acme")
    except Invalid:
        return
    # The last character of base64 may carry bits that mean nothing; then the token says the same.
    assert position == ("acme.example.com", 7)


@given(st.text())
def test_any_text_is_refused_or_the_first_page(text):
    try:
        assert TOKENS.open(text, scope="list") is None
    except Invalid as invalid:
        assert invalid.reason == "PAGE_TOKEN_INVALID"


def test_keys_rotate():
    old = PageTokens.configured(PageSettings(key=Secret("old")))
    new = PageTokens.configured(PageSettings(key=Secret("new"), previous_key=Secret("old")))
    assert new.open(old.sign((1,), scope="s"), scope="s") == (1,)
    refused(new.sign((1,), scope="s"), tokens=old, scope="s")


def test_without_a_configured_key_each_process_has_its_own():
    first, second = PageTokens.configured(PageSettings()), PageTokens.configured(PageSettings())
    refused(first.sign((1,), scope="s"), tokens=second, scope="s")


def test_there_is_always_a_key():
    with pytest.raises(ValueError, match="need a key"):
        PageTokens([])


@pytest.mark.parametrize(("asked", "size"), [(0, 100), (1, 1), (500, 500), (501, 500)])
def test_a_page_has_a_default_and_a_limit(asked, size):
    assert page_size(asked, default=100, limit=500) == size
