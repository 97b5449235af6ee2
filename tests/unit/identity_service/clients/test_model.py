import pytest

from faults import Invalid
from identity_service.clients.model import Wish, check_redirect_uri, check_web_origin
from identity_service.model import ClientType


@pytest.mark.parametrize(
    "uri",
    [
        "https://acme.example/callback", "https://acme.example:8443/*", "http://localhost:3000/callback",
        "http://127.0.0.1/callback", "http://[::1]:8080/callback", "myapp:/callback", "com.acme.app://callback",
        "https://acme.example/callback?next=1", "https://bücher.example/callback",
    ],
)  # fmt: skip
def test_a_safe_redirect_uri_is_taken(uri):
    check_redirect_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "http://acme.example/callback", "https://", "https://*", "https://*.acme.example/*", "https://acme.example/*/x",
        "https://acme.example/callback?to=/*", "https://acme.example/callback#top", "https://user@acme.example/",
        "https://acme.example\\@evil.example/", "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x",
        "file:///etc/passwd", "callback", "/callback", "*", "https://acme.example:port/", "https://[::1/",
        "https://acme.example/a b", "https://acme.example/\r\nx",
    ],
)  # fmt: skip
def test_an_unsafe_redirect_uri_is_refused(uri):
    with pytest.raises(Invalid) as caught:
        check_redirect_uri(uri)
    assert caught.value.reason == "REDIRECT_URI_INVALID"
    assert caught.value.facts["uri"] == uri


@pytest.mark.parametrize("origin", ["https://acme.example", "https://acme.example:8443", "http://localhost:3000"])
def test_a_web_origin_is_taken(origin):
    check_web_origin(origin)


@pytest.mark.parametrize(
    "origin", ["https://acme.example/", "http://acme.example", "*", "https://*", "null", "https://acme.example?x", "ws://a"]
)  # fmt: skip
def test_what_is_no_web_origin_is_refused(origin):
    with pytest.raises(Invalid):
        check_web_origin(origin)


def test_domains_give_redirect_uris_and_origins_each_once():
    wish = Wish(
        "app", "", ClientType.PUBLIC, ("a.example", "b.example"), ("https://a.example/*",), ("http://localhost",)
    )
    wish.check()
    assert wish.all_redirect_uris == ("https://a.example/*", "https://b.example/*")
    assert wish.all_web_origins == ("https://a.example", "https://b.example", "http://localhost")
