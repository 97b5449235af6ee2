"""Real SMTP: over TLS to the sink, read by the standard library's parser; and to servers on bad days."""

from __future__ import annotations

import email
import email.policy
import re

import pytest
from aiosmtpd.smtp import AuthResult
from tests.fixtures.mailservers import CUT, SILENCE
from tests.fixtures.notifications import environment, failure, over_smtp, serving, states

from notifications_service.templates.providers.mjml import MjmlWriter

TEMPLATES = MjmlWriter().templates


def parsed(raw: bytes):
    # From text, since the parser of bytes takes headers for ASCII, which those of SMTPUTF8 are not.
    return email.message_from_string(raw.decode(), policy=email.policy.default)


def parts(message) -> tuple[str, str]:
    return tuple(message.get_body((kind,)).get_content() for kind in ("plain", "html"))


@pytest.mark.parametrize("tls", ["starttls", "implicit", "none"])
async def test_a_mail_arrives_whole(postgres, mail_sink, tls):
    ports = {"starttls": mail_sink.starttls_port, "implicit": mail_sink.tls_port, "none": mail_sink.port}
    login = {} if tls == "none" else {"SMTP_USERNAME": "mesh", "SMTP_PASSWORD": "hunter2"}
    told = over_smtp(mail_sink, SMTP_TLS=tls, SMTP_PORT=str(ports[tls]), **login)
    async with serving(await environment(postgres, **told)) as service:
        one = await service.send_one({"email": f"ada+{tls}@engines.example", "display_name": "Ada, Countess"})
    assert (states([one]), one.delivered, one.provider, one.attempts) == (["SENT"], True, "smtp", 1)
    [mail] = mail_sink.mailbox.to(f"ada+{tls}@engines.example")
    message = parsed(mail.raw)
    assert mail.sender == "no-reply@mesh.example"
    assert message["Message-ID"] == one.message_id
    assert message["From"].addresses[0].display_name == "Acme Cloud"
    assert message["To"].addresses[0].display_name == "Ada, Countess"
    assert message["Subject"] == "Analytical Engines is ready"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] is None
    text, html = parts(message)
    for part in (text, html):
        assert "https://engines.example/login" in part
    assert not message.defects
    assert not any(part.defects for part in message.walk())


@pytest.mark.parametrize("template_id", TEMPLATES)
@pytest.mark.parametrize("language", ["en", "de", "fr"])
async def test_every_template_arrives_with_working_links(service, mail_sink, template_id, language):
    template = TEMPLATES[template_id]
    secrets = {one.name: one.sample for one in template.variables if one.confidential}
    variables = {name: value for name, value in template.samples.items() if name not in secrets}
    to = f"{template_id}.{language}@engines.example"
    one = await service.send_one(
        {"email": to, "language": language},
        template_id=template_id, variables=variables, secret_variables=secrets,
    )  # fmt: skip
    assert states([one]) == ["SENT"]
    [mail] = mail_sink.mailbox.to(to)
    message = parsed(mail.raw)
    text, html = parts(message)
    links = set(re.findall(r'href="([^"]+)"', html))
    for url in (one.sample for one in template.variables if one.form.value == "url"):
        assert url in links
        assert url in text
    assert message["Content-Language"] == language
    declinable = template.category.value == "OPTIONAL"
    assert (message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click") is declinable
    assert max(map(len, mail.raw.split(b"\r\n"))) <= 998


async def test_no_header_can_be_injected(service, mail_sink):
    evil = "x\r\nBcc: eve@evil.example\r\n\r\nbody"
    one = await service.send_one(
        {"email": "injected@engines.example", "display_name": 'Ada "\u2028Bcc: eve@evil.example <eve@evil.example>'},
        variables={"tenant_name": evil, "login_url": "https://engines.example"},
        branding={"sender_name": "Mesh\u0085Bcc: eve", "product_name": "Mesh <eve@evil.example>,"},
    )
    assert states([one]) == ["SENT"]
    [mail] = mail_sink.mailbox.to("injected@engines.example")
    message = parsed(mail.raw)
    assert mail.recipients == ("injected@engines.example",)
    assert message["Bcc"] is None
    assert message["Subject"] == "x Bcc: eve@evil.example body is ready"
    assert [address.addr_spec for address in message["To"].addresses] == ["injected@engines.example"]
    assert [address.addr_spec for address in message["From"].addresses] == ["no-reply@mesh.example"]


@pytest.mark.parametrize(
    ("given", "envelope"),
    [
        ('"quoted name"@engines.example', '"quoted name"@engines.example'),
        ("o'brien@engines.example", "o'brien@engines.example"),
        ("jörg@bücher.example", "jörg@xn--bcher-kva.example"),
        ("用户@例子.example", "用户@xn--fsqu00a.example"),
    ],
)
async def test_unusual_addresses_arrive(service, mail_sink, given, envelope):
    one = await service.send_one({"email": given, "display_name": "Jörg „der Große“ 😀"})
    assert (states([one]), one.email) == (["SENT"], envelope)
    [mail] = mail_sink.mailbox.to(envelope)
    assert parsed(mail.raw)["To"].addresses[0].display_name == "Jörg „der Große“ 😀"


async def test_a_server_without_utf8_refuses_only_who_needs_it(bad_days):
    async with bad_days({"utf8": False}) as day:
        answer = await day.send("jörg@engines.example", "ada@engines.example")
    assert states(answer.recipients) == ["FAILED", "SENT"]
    assert failure(answer.recipients[0]) == "RECIPIENT_REFUSED"


async def test_one_of_ten_is_refused_and_the_others_are_not(bad_days):
    people = [f"p{number}@engines.example" for number in range(10)]
    async with bad_days() as day:
        day.mails.always["RCPT", "p3@engines.example"] = "550 5.1.1 no such user"
        answer = await day.send(*people)
        assert states(answer.recipients) == ["SENT"] * 3 + ["FAILED"] + ["SENT"] * 6
        refused = answer.recipients[3]
        assert (failure(refused), refused.delivered, refused.attempts) == ("RECIPIENT_REFUSED", False, 1)
        assert dict(answer.delivery.counts) == {"SENT": 9, "FAILED": 1}
        assert sorted(to for to, _ in day.mails.kept) == sorted(set(people) - {"p3@engines.example"})


@pytest.mark.parametrize(
    ("moment", "answer", "expected"),
    [
        ("RCPT", "550 no", "RECIPIENT_REFUSED"),
        ("RCPT", "553 5.1.3 bad", "RECIPIENT_REFUSED"),
        ("MAIL", "550 not from you", "MESSAGE_REFUSED"),
        ("MAIL", "530 5.7.0 log in first", "PROVIDER_CREDENTIALS_REFUSED"),
        ("DATA", "554 spam", "MESSAGE_REFUSED"),
        ("DATA", "552 5.3.4 too large", "MESSAGE_REFUSED"),
        ("DATA", "550 5.1.1 no such user", "RECIPIENT_REFUSED"),
    ],
)
async def test_what_is_refused_for_good_is_not_tried_again(bad_days, moment, answer, expected):
    async with bad_days() as day:
        day.mails.once(moment, answer)
        one = await day.send_one()
        assert (states([one]), failure(one), one.attempts, one.delivered) == (["FAILED"], expected, 1, False)
        assert answer[:3] in one.detail
        assert not day.mails.kept
        assert states([await day.send_one("next@engines.example")]) == ["SENT"], "the connection is of use again"


@pytest.mark.parametrize(
    ("moment", "answer"),
    [
        ("MAIL", "421 4.3.2 shutting down"),
        ("RCPT", "421 4.3.2 shutting down"),
        ("RCPT", "451 4.7.1 greylisted, come back later"),
        ("RCPT", "450 4.2.1 mailbox busy"),
        ("DATA", "421 4.3.2 shutting down"),
        ("DATA", "451 4.3.0 local error"),
        ("MAIL", CUT),
        ("RCPT", CUT),
    ],
)
async def test_who_is_put_off_comes_back_and_sends_once(bad_days, moment, answer):
    async with bad_days() as day:
        day.mails.once(moment, answer)
        one = await day.send_one()
        assert states([one]) == ["SENT"]
        assert one.attempts == 2
        assert len(day.mails.kept) == 1


async def test_who_is_put_off_for_too_long_fails_and_can_be_retried(bad_days):
    async with bad_days(NOTIFICATION_ATTEMPTS="3") as day:
        day.mails.always["RCPT", "ada@engines.example"] = "451 4.7.1 greylisted"
        one = await day.send_one()
        assert (states([one]), failure(one), one.attempts) == (["FAILED"], "PROVIDER_UNAVAILABLE", 3)
        assert "451" in one.detail


@pytest.mark.parametrize("answer", [CUT, SILENCE])
async def test_a_lost_answer_is_not_sent_twice_and_not_claimed(bad_days, answer):
    """The server took it, and the answer was lost: SMTP knows no way to ask, so nobody sends it again by himself."""
    async with bad_days(SMTP_TIMEOUT="500ms") as day:
        day.mails.once("AFTER", answer)
        sent = await day.send("ada@engines.example")
        [one] = sent.recipients
        assert (states([one]), failure(one), one.delivered) == (["FAILED"], "OUTCOME_UNKNOWN", False)
        assert len(day.mails.to("ada@engines.example")) == 1
        assert states([await day.send_one("next@engines.example")]) == ["SENT"]
        assert len(day.mails.to("ada@engines.example")) == 1


async def test_a_lost_answer_before_it_was_kept_looks_the_same(bad_days):
    async with bad_days() as day:
        day.mails.once("DATA", CUT)
        one = await day.send_one()
        assert (failure(one), one.delivered, day.mails.kept) == ("OUTCOME_UNKNOWN", False, [])


async def test_a_server_that_is_away_is_waited_for(postgres, bad_days):
    async with bad_days(NOTIFICATION_ATTEMPTS="2") as day:
        port = str(day.mails.port)
    told = await environment(
        postgres, NOTIFICATION_PROVIDER="smtp", SMTP_HOST="127.0.0.1", SMTP_PORT=port, SMTP_TLS="none",
        NOTIFICATION_ATTEMPTS="2",
    )  # fmt: skip
    async with serving(told) as service:
        one = await service.send_one()
    assert (states([one]), failure(one), one.attempts) == (["FAILED"], "PROVIDER_UNAVAILABLE", 2)


async def test_a_certificate_nobody_vouches_for_gets_no_mail(postgres, mail_sink):
    told = over_smtp(mail_sink, NOTIFICATION_ATTEMPTS="1")
    del told["SMTP_CA_FILE"]
    async with serving(await environment(postgres, **told)) as service:
        one = await service.send_one("distrusted@engines.example")
    assert failure(one) == "PROVIDER_UNAVAILABLE"
    assert not mail_sink.mailbox.to("distrusted@engines.example")


async def test_a_server_without_starttls_gets_no_mail_in_plain_text(bad_days):
    async with bad_days(tls="starttls", NOTIFICATION_ATTEMPTS="1") as day:
        one = await day.send_one()
        assert (failure(one), day.mails.kept) == ("PROVIDER_UNAVAILABLE", [])


async def test_wrong_credentials_are_named_and_hidden(postgres, mail_sink, monkeypatch, caplog):
    monkeypatch.setattr("localstack.mailsink.smtp.AuthResult", lambda **_: AuthResult(success=False, handled=False))
    login = {"SMTP_USERNAME": "mesh", "SMTP_PASSWORD": "hunter2-secret"}
    async with serving(await environment(postgres, **over_smtp(mail_sink, **login))) as service:
        one = await service.send_one("locked-out@engines.example")
    assert (failure(one), one.attempts) == ("PROVIDER_CREDENTIALS_REFUSED", 1)
    assert "hunter2-secret" not in caplog.text + str(one)
    assert not mail_sink.mailbox.to("locked-out@engines.example")


async def test_connections_are_kept_and_bounded(bad_days):
    async with bad_days(SMTP_CONNECTIONS="2", SMTP_MESSAGES_PER_CONNECTION="1000") as day:
        await day.send(*[f"p{number}@engines.example" for number in range(40)])
        assert len(day.mails.kept) == 40
        assert day.mails.connections <= 2


async def test_connections_are_replaced_in_time(bad_days):
    async with bad_days(SMTP_CONNECTIONS="1", SMTP_MESSAGES_PER_CONNECTION="10") as day:
        await day.send(*[f"p{number}@engines.example" for number in range(40)])
        assert (len(day.mails.kept), day.mails.connections) == (40, 4)


async def test_an_idle_connection_that_was_closed_is_no_failure(bad_days):
    async with bad_days(NOTIFICATION_ATTEMPTS="1") as day:
        await day.send_one()
        day.mails.once("MAIL", CUT)
        one = await day.send_one("second@engines.example")
        assert (states([one]), one.attempts, day.mails.connections) == (["SENT"], 1, 2)


async def test_a_switched_off_server_is_sent_nothing(bad_days):
    async with bad_days(SMTP_ENABLED="false") as day:
        one = await day.send_one()
        assert (states([one]), one.delivered, one.message_id) == (["SKIPPED"], False, "skipped-smtp-disabled")
        assert not day.mails.kept
        assert day.mails.connections == 0
