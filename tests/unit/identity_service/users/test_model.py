import pytest

from faults import Invalid
from identity_service.users.model import parse_email


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("Ada@Acme.Example", "ada@acme.example"),
        (" ada+ops@acme.example. ", "ada+ops@acme.example"),
        ("o'neil@acme.example", "o'neil@acme.example"),
        ('"ada lovelace"@acme.example', '"ada lovelace"@acme.example'),
        ("JÖRG@BÜCHER.example", "jörg@bücher.example"),
        ("jo\u0308rg@acme.example", "jörg@acme.example"),
        ("用户@例子.广告", "用户@例子.广告"),
        ("a/b=c{d}@acme.example", "a/b=c{d}@acme.example"),
    ],
)
def test_an_address_has_one_true_form(text, email):
    assert parse_email(text) == email


@pytest.mark.parametrize(
    "text",
    [
        "ada", "ada@", "@acme.example", "ada@acme", "a da@acme.example", "ada@acme..example", "ada@-acme.example",
        ".ada@acme.example", "ada.@acme.example", "ada@127.0.0.1", "ada@[127.0.0.1]", 'a"da@acme.example',
        '""@acme.example', f"{'a' * 65}@acme.example", f"ada@{'a.' * 125}example", "ada@acme.example\r\nx@y.example",
        "ada@acme.exa mple", "ada@acme_corp.example",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text):
    with pytest.raises(Invalid) as caught:
        parse_email(text)
    assert caught.value.reason == "EMAIL_INVALID"
    assert text not in str(caught.value)
