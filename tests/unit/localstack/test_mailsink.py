import asyncio
import smtplib
import ssl
from contextlib import asynccontextmanager
from email.message import EmailMessage

import aiohttp
import pytest
from tests.fixtures.certificates import Authority

from localstack.mailsink import Mailbox, mailbox, pages, receiving


def mail(subject="Welcome", to="ann@example.com", text="Hello Ann", html=None, attachment=None):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "mesh@example.com", to, subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    if attachment:
        message.add_attachment(b"data", maintype="application", subtype="pdf", filename=attachment)
    return message


async def send(port, message, **options):
    await asyncio.to_thread(_send, port, message, **options)


def _send(port, message, *, starttls=None, tls=None, login=False):
    client = smtplib.SMTP_SSL("localhost", port, context=tls) if tls else smtplib.SMTP("localhost", port)
    with client:
        if starttls:
            client.starttls(context=starttls)
        if login:
            client.login("user", "password")
        client.send_message(message)


@asynccontextmanager
async def sink(**options):
    box = Mailbox()
    async with receiving(box, "127.0.0.1", 0, **options) as port:
        yield box, port


@asynccontextmanager
async def shown():
    box = Mailbox()
    async with (
        receiving(box, "127.0.0.1", 0) as port,
        pages(box, "127.0.0.1", 0) as http,
        aiohttp.ClientSession(f"http://127.0.0.1:{http}") as session,
    ):
        yield box, port, session


async def test_keeps_envelope_and_content():
    async with sink() as (box, port):
        await send(port, mail("Grüße", text="Schön", html="<b>Schön</b>"))
        (kept,) = box.mails
        assert (kept.sender, kept.recipients, kept.subject) == ("mesh@example.com", ("ann@example.com",), "Grüße")
        assert (kept.text.strip(), kept.html.strip()) == ("Schön", "<b>Schön</b>")
        assert kept.number == 1


async def test_finds_by_recipient_and_waits_for_what_comes_later():
    async with sink() as (box, port):
        waiting = asyncio.create_task(box.wait(lambda one: one.subject == "Second"))
        await send(port, mail("First"))
        await send(port, mail("Second", to="Bob@Example.com"))
        assert (await waiting).subject == "Second"
        assert [one.subject for one in box.to("bob@example.com")] == ["Second"]
        assert (await box.wait(lambda one: one.subject == "First")).number == 1
        with pytest.raises(TimeoutError):
            await box.wait(lambda _: False, timeout=0.05)
        box.clear()
        assert list(box.mails) == []
        await send(port, mail("Third"))
        assert box.mails[0].number == 3, "a number is never given twice"


async def test_forgets_the_oldest_when_it_is_full(monkeypatch):
    monkeypatch.setattr(mailbox, "CAPACITY", 2)
    box = Mailbox()
    for number in range(3):
        await box.add("a", ("b",), f"Subject: {number}\n\n".encode())
    assert [one.subject for one in box.mails] == ["1", "2"]


@pytest.fixture
def authority(tmp_path):
    return Authority.new(tmp_path)


@pytest.mark.parametrize("implicit", [False, True])
async def test_speaks_tls(authority, implicit):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("localhost"))
    trusting = ssl.create_default_context(cafile=authority.ca_file)
    async with sink(tls=context, implicit=implicit) as (box, port):
        await send(port, mail(), **({"tls": trusting} if implicit else {"starttls": trusting}), login=True)
        assert len(box.mails) == 1
        stranger = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            await send(port, mail(), **({"tls": stranger} if implicit else {"starttls": stranger}))


async def test_a_mail_without_body_or_subject_is_kept():
    async with shown() as (box, _, session):
        await box.add("", (), b"")
        await box.add("a", ("b",), b"Content-Type: application/pdf\n\nx")
        assert [(one.subject, one.text, one.html) for one in box.mails] == [("", "", "")] * 2
        async with session.get("/") as answer:
            assert (await answer.text()).count("(no subject)") == 2


async def test_pages_show_the_mails_newest_first():
    async with shown() as (_, port, session):
        async with session.get("/") as answer:
            assert "No mail yet" in await answer.text()
        await send(port, mail("First"))
        await send(port, mail("Second", html="<b>hi</b>", attachment="contract.pdf"))
        async with session.get("/") as answer:
            text = await answer.text()
            assert text.index("Second") < text.index("First")
        async with session.get("/mails/2") as answer:
            text = await answer.text()
            assert '<iframe sandbox src="/mails/2/html">' in text
            assert "contract.pdf" in text
        async with session.get("/mails/1") as answer:
            assert "<pre>Hello Ann" in await answer.text()
        async with session.get("/mails/1/text") as answer:
            assert (await answer.text()).strip() == "Hello Ann"
        async with session.get("/mails/1/raw") as answer:
            assert "Subject: First" in await answer.text()
            assert answer.content_type == "text/plain"
        async with session.get("/mails/9") as answer:
            assert answer.status == 404


async def test_a_mail_cannot_run_or_load_anything():
    evil = "<script>alert(1)</script>"
    async with shown() as (_, port, session):
        await send(port, mail(evil, text=evil, html=evil))
        await send(port, mail("plain", text=evil))
        for path in ("/", "/mails/1", "/mails/2"):
            async with session.get(path) as answer:
                assert "<script>" not in await answer.text()
                assert "default-src 'none'" in answer.headers["content-security-policy"]
        for path in ("/mails/1/raw", "/mails/1/text"):
            async with session.get(path) as answer:
                assert answer.content_type == "text/plain"
                assert answer.headers["x-content-type-options"] == "nosniff"
        async with session.get("/mails/1/html") as answer:
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("sandbox; default-src 'none'")
            assert "script-src" not in policy


async def test_programs_read_and_clear_it_as_json():
    async with shown() as (_, port, session):
        await send(port, mail("First", attachment="a.pdf"))
        await send(port, mail("Second", to="bob@example.com"))
        async with session.get("/api/mails") as answer:
            first, second = await answer.json()
        assert (first["subject"], first["recipients"], first["attachments"]) == (
            "First",
            ["ann@example.com"],
            ["a.pdf"],
        )
        assert first["headers"]["From"] == "mesh@example.com"
        async with session.get("/api/mails", params={"to": "bob@example.com"}) as answer:
            assert await answer.json() == [second]
        async with session.get("/api/mails/1") as answer:
            assert await answer.json() == first
        async with session.delete("/api/mails") as answer:
            assert answer.status == 204
        async with session.get("/api/mails") as answer:
            assert await answer.json() == []
