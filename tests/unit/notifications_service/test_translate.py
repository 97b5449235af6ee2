import pytest

from notifications_service.translate import email_from, name_from


@pytest.mark.parametrize(
    ("text", "email"),
    [
        (" Ada@Engines.EXAMPLE ", "Ada@engines.example"),
        ("o'brien+tag@engines.example", "o'brien+tag@engines.example"),
        ('"quoted name"@engines.example', '"quoted name"@engines.example'),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("jörg@bücher.example", "jörg@xn--bcher-kva.example"),
        ("用户@例子.example", "用户@xn--fsqu00a.example"),
        ("ada@tenantmesh.test", "ada@tenantmesh.test"),
        ("ada@mailhost", "ada@mailhost"),
    ],
)
def test_an_address_in_its_one_true_form(text, email):
    assert email_from(text) == (email, "")


@pytest.mark.parametrize(
    "text",
    [
        "", "nobody", "@engines.example", "ada@", "a b@engines.example", "ada@engines..example", "ada@-engines.example",
        "a@b.example, c@d.example", "<ada@engines.example>", "Ada <ada@engines.example>", "a\u202eb@engines.example",
        f"{'a' * 65}@engines.example", f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}",
        "ada@engines.example\nBcc: eve@evil.example", "ada@[127.0.0.1]",
    ],
)  # fmt: skip
def test_what_is_no_address_says_why(text):
    assert email_from(text)[1]


def test_a_name_stands_on_one_line():
    assert name_from("Ada\u2028 Lovelace\x85 ") == "Ada Lovelace"
