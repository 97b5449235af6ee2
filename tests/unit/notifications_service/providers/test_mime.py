"""Mails put together: what mail servers take for the end of a line or of a mail stands nowhere else in them."""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from notifications_service.model import NOBODY, Mailbox, Message
from notifications_service.providers.mime import mime

LETTER = Message(
    key="a", time=datetime(2026, 11, 28, 9, tzinfo=UTC), tenant_id=NOBODY, template_id="welcome", language="en",
    sender=Mailbox("no-reply@mesh.example", "Acme"), recipient=Mailbox("ada@engines.example", "Ada"),
    subject="Hello", html="<p>Hello</p>", text="Hello\n",
)  # fmt: skip
ALONE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@pytest.mark.parametrize(
    "body",
    [
        "a\rb",
        "a\r\nb\rc\n",
        "\r",
        "\n.\n",
        "\r\n.\r\n",
        "x\n..\n.y",
        "\u2028\u0085\x0b\x0c",
        "z" * 3000 + "\r" + " \t\n",
    ],
)
def test_line_ends_are_of_one_kind(body):
    raw = mime(replace(LETTER, text=body, html=f"<pre>{body}</pre>"))
    assert not ALONE.search(raw)
    assert raw.endswith(b"\r\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    message = email.message_from_bytes(raw, policy=email.policy.default)
    html = message.get_body(("html",)).get_content()
    assert html.replace("\r\n", "\n").rstrip("\n") == f"<pre>{body}</pre>".replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("length", [0, 1, 56, 57, 58, 114, 5000])
def test_parts_of_every_length_are_read_as_they_were_written(length):
    html = "é" * length
    message = email.message_from_bytes(mime(replace(LETTER, html=html)), policy=email.policy.default)
    assert message.get_body(("html",)).get_content().rstrip("\n") == html
    assert not any(part.defects for part in message.walk())


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\u2028"])
def test_a_header_takes_no_line_end(end):
    with pytest.raises(ValueError, match="linefeed"):
        mime(replace(LETTER, subject=f"Hello{end}Bcc: eve@evil.example"))
