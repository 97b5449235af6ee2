import enum
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.redaction import clean, names_secret, redact

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\nIBADAN\n-----END PRIVATE KEY-----"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("postgres://app:hunter2@db:5432/x is away", "postgres://app:***@db:5432/x is away"),
        ("postgres://app:p@ss:w/rd@db/x", "postgres://app:***@db/x"),
        ("amqp://:hunter2@host", "amqp://:***@host"),
        ("https://ghp_0123456789abcdefghij@example.com/x", "https://***@example.com/x"),
        ("https://example.com/x?token=abc&page=2", "https://example.com/x?token=***&page=2"),
        ("host=db user=app password=hunter2 port=1", "host=db user=app password=*** port=1"),
        ("{'password': 'hunter 2', 'user': 'app'}", "{'password': ***, 'user': 'app'}"),
        ('{"client_secret": "a\\"b c", "x": 1}', '{"client_secret": ***, "x": 1}'),
        ("Authorization: Bearer abcdefghij", "Authorization: Bearer ***"),
        ("authorization=Basic dXNlcjpwYXNz", "authorization=Basic ***"),
        ("got bearer abcdefghij from the caller", "got bearer *** from the caller"),
        ("Cookie: sid=abc; theme=dark", "Cookie: ***"),
        ("set-cookie: sid=abc; Secure\nnext: line", "set-cookie: ***\nnext: line"),
        ("x-api-key: 12345, y", "x-api-key: ***, y"),
        ("AWS_SECRET_ACCESS_KEY=abc/def", "AWS_SECRET_ACCESS_KEY=***"),
        (f"key is {PEM} so there", "key is *** so there"),
        (PEM[:40], "***"),
        (f"token was {JWT}.", "token was ***"),
        (JWT, "***"),
    ],
)
def test_a_secret_is_hidden_and_the_rest_stays(text, safe):
    assert redact(text) == safe


@pytest.mark.parametrize(
    "text",
    [
        "zone refreshed",
        "/tenantmesh.dns.v1.DnsService/GetRecord",
        "http://127.0.0.1:8080/health",
        "https://example.com/path?page=2",
        "postgres://app@db/x",
        "tenant_key=acme idempotency_key=1",
        "018f3c2e-7a1b-7c3d-9e4f-123456789abc",
        "basic rules",
        "",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    "name",
    [
        *("password", "DB_PASSWD", "clientSecret", "api_key", "apikey", "X-Api-Key", "cookie", "private_key"),
        *("access_token", "authorization", "signing-key", "validation_key"),
    ],
)
def test_a_name_that_says_secret(name):
    assert names_secret(name)


@pytest.mark.parametrize("name", ["tenant_key", "key", "method", "duration_ms", "idempotency_key", "author"])
def test_a_name_that_does_not(name):
    assert not names_secret(name)


def test_a_secret_deep_inside_is_hidden():
    value = {"headers": [{"Authorization": "x"}, ("a", "password=b")], "n": {1}}
    assert clean(value) == {"headers": [{"Authorization": "***"}, ["a", "password=***"]], "n": [1]}


class Colour(enum.IntEnum):
    RED = 1


class Awkward:
    def __str__(self):
        msg = "no"
        raise RuntimeError(msg)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Awkward(), "<Awkward: RuntimeError>"),
        ({"a": Awkward()}, "<dict: RuntimeError>"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (2**64, str(2**64)),
        pytest.param(10**5000, "<int: ValueError>", id="no text is that long"),
        (b"abc", "<3 bytes>"),
        (Colour.RED, 1),
        (ValueError("password=x"), "password=***"),
        (True, True),
        (None, None),
        (1.5, 1.5),
    ],
)
def test_anything_can_be_written(value, written):
    assert clean(value) == written


def test_nothing_endless():
    value = []
    value.append(value)
    assert "[[...]]" in json.dumps(clean(value))
    assert len(redact("x" * 1_000_000)) < 20_000


@settings(deadline=None)
@given(st.text())
def test_a_password_in_a_text_of_any_kind_does_not_get_through(around):
    assert "hunter2" not in redact(f"{around} password=hunter2 {around}")


@settings(deadline=None)
@given(st.recursive(st.none() | st.floats() | st.text() | st.integers() | st.binary(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20))  # fmt: skip
def test_clean_values_are_json(value):
    json.loads(json.dumps(clean(value), allow_nan=False))
