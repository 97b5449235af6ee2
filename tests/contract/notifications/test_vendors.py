"""What is particular to one vendor."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from aiohttp import web
from tests.fixtures.mailvendors import Novu, Resend

from notifications_service.model import NOBODY, Failure, Mailbox, State
from notifications_service.providers import http
from notifications_service.providers.novu import NovuProvider, NovuSettings, subscriber_ids
from notifications_service.providers.resend import ResendProvider, ResendSettings
from notifications_service.providers.ses import SesProvider
from settingskit import SettingsInvalid

from .conftest import novu_settings, resend_settings, ses_settings


@pytest_asyncio.fixture
async def novu():
    async with Novu().running() as server, NovuProvider(novu_settings(server)) as provider:
        yield server, provider


@pytest_asyncio.fixture
async def resend():
    async with Resend().running() as server, ResendProvider(resend_settings(server)) as provider:
        yield server, provider


@pytest.fixture
def nobody_there():
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


# ---------------------------------------------------------------------------------------------------------------- novu


async def test_a_switched_off_novu_is_sent_nothing_and_claims_nothing(letter):
    async with Novu().running() as server, NovuProvider(NovuSettings(enabled=False, url=server.url)) as provider:
        verdict = await provider.send(letter())
        assert (verdict.state, verdict.message_id) == (State.SKIPPED, "skipped-novu-disabled")
        assert not verdict.state.delivered
        assert server.plan.requests == []


async def test_the_subscriber_is_made_first_and_the_workflow_gets_it_all(novu, letter):
    server, provider = novu
    tenant = uuid4()
    message = letter(
        tenant_id=tenant, variables={"tenant_name": "Engines"}, recipient=Mailbox("Ada.L+1@engines.example")
    )
    assert (await provider.send(message)).message_id == message.key
    assert server.plan.requests == ["POST /v2/subscribers", "POST /v1/events/trigger"]
    [(identifier, subscriber)] = server.subscribers.items()
    assert identifier == f"tenant-{tenant}-ada_l_1_engines_example"
    assert subscriber["email"] == "Ada.L+1@engines.example"
    [trigger] = server.triggers.values()
    assert (trigger["name"], trigger["to"], trigger["transactionId"]) == ("welcome", identifier, message.key)
    assert trigger["payload"] == {
        "tenant_name": "Engines", "subject": "s", "html": "<p>h</p>", "text": "t\n", "language": "en",
    }  # fmt: skip
    assert server.keys == [message.key]


async def test_addresses_that_collide_are_told_apart(novu, letter):
    server, provider = novu
    dot, line = "a.b@engines.example", "a_b@engines.example"
    assert subscriber_ids(NOBODY, dot)[0] == subscriber_ids(NOBODY, line)[0]
    for number, email in enumerate([dot, line, dot, line, dot.upper()]):
        verdict = await provider.send(letter(key=f"k-{number}", recipient=Mailbox(email)))
        assert verdict.state is State.SENT
    assert [to.lower() for to, _ in server.sent] == [dot, line, dot, line, dot]
    assert len(server.subscribers) == 2


async def test_whoever_has_both_identifiers_gets_nobody_elses_mail(novu, letter):
    server, provider = novu
    for identifier in subscriber_ids(NOBODY, "ada@engines.example"):
        server.subscribers[identifier] = {"subscriberId": identifier, "email": "eve@evil.example"}
    assert (await provider.send(letter())).failure is Failure.MESSAGE_REFUSED
    assert server.sent == []


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        ("trigger_not_active", Failure.MESSAGE_REFUSED),
        ("no_workflow_steps_defined", Failure.MESSAGE_REFUSED),
        ("error", Failure.MESSAGE_REFUSED),
        ("invalid_recipients", Failure.RECIPIENT_REFUSED),
    ],
)
async def test_an_acknowledged_trigger_is_not_yet_a_message(novu, letter, status, failure):
    server, provider = novu
    server.status = status
    assert (await provider.send(letter())).failure is failure


@pytest.mark.parametrize(
    ("status", "making", "triggering"),
    [
        (409, None, Failure.OUTCOME_UNKNOWN),
        (429, Failure.PROVIDER_UNAVAILABLE, Failure.PROVIDER_UNAVAILABLE),
        (500, Failure.PROVIDER_UNAVAILABLE, Failure.OUTCOME_UNKNOWN),
        (503, Failure.PROVIDER_UNAVAILABLE, Failure.PROVIDER_UNAVAILABLE),
        (402, Failure.PROVIDER_UNAVAILABLE, Failure.PROVIDER_UNAVAILABLE),
        (401, Failure.PROVIDER_CREDENTIALS_REFUSED, Failure.PROVIDER_CREDENTIALS_REFUSED),
        (400, Failure.MESSAGE_REFUSED, Failure.MESSAGE_REFUSED),
        (413, Failure.MESSAGE_REFUSED, Failure.MESSAGE_REFUSED),
    ],
)
async def test_refusals_mean_the_same_before_and_after_but_for_what_may_be_under_way(
    novu, letter, status, making, triggering
):
    server, provider = novu
    if making:
        server.plan.fail("POST", lambda _: server.refusal(status, "no"))
        assert (await provider.send(letter(key="k-1"))).failure is making
    await provider.send(letter(key="k-0"))
    requests = len(server.plan.requests)
    server.plan.fail("POST", lambda _: server.refusal(409, "there already"))
    server.plan.fail("POST", lambda _: server.refusal(status, "no"))
    assert (await provider.send(letter(key="k-2"))).failure is triggering
    assert len(server.plan.requests) == requests + 3, "one try each: the library's own repeats are off"


async def test_an_answer_that_makes_no_sense_is_no_success(novu, letter):
    server, provider = novu
    await provider.send(letter(key="k-0"))
    server.plan.fail("POST", lambda _: server.refusal(409, "there already"))
    server.plan.fail("POST", lambda _: web.json_response({"data": {"what": 1}}, status=201))
    assert (await provider.send(letter(key="k-1"))).failure is Failure.OUTCOME_UNKNOWN


async def test_nobody_there_means_nothing_sent(nobody_there, letter):
    for provider in (
        NovuProvider(novu_settings(Novu(url=nobody_there))),
        ResendProvider(resend_settings(Resend(url=nobody_there))),
        SesProvider(ses_settings(Resend(url=nobody_there))),
    ):
        async with provider:
            assert (await provider.send(letter())).failure is Failure.PROVIDER_UNAVAILABLE


# -------------------------------------------------------------------------------------------------------------- resend


async def test_a_mail_at_resend_has_all_its_parts(resend, letter):
    server, provider = resend
    await provider.send(letter(reply_to="help@mesh.example", unsubscribe_url="https://mesh.example/u/1"))
    [body] = server.bodies
    assert body["from"] == '"Acme, Cloud" <no-reply@mesh.example>'
    assert body["to"] == ["Ada Lovelace <ada@engines.example>"]
    assert (body["html"], body["text"], body["reply_to"]) == ("<p>h</p>", "t\n", "help@mesh.example")
    assert body["headers"]["List-Unsubscribe"] == "<https://mesh.example/u/1>"


@pytest.mark.parametrize(
    ("name", "status", "message", "failure"),
    [
        ("validation_error", 422, "Invalid `to` field.", Failure.RECIPIENT_REFUSED),
        ("invalid_parameter", 422, "The `html` field is wrong.", Failure.MESSAGE_REFUSED),
        ("missing_required_field", 422, "Missing `subject`", Failure.MESSAGE_REFUSED),
        ("validation_error", 400, "no", Failure.MESSAGE_REFUSED),
        ("missing_api_key", 401, "no", Failure.PROVIDER_CREDENTIALS_REFUSED),
        ("invalid_api_key", 403, "no", Failure.PROVIDER_CREDENTIALS_REFUSED),
        ("validation_error", 403, "verify a domain", Failure.MESSAGE_REFUSED),
        ("concurrent_idempotent_requests", 409, "in progress", Failure.OUTCOME_UNKNOWN),
        ("invalid_idempotent_request", 409, "another payload", Failure.OUTCOME_UNKNOWN),
        ("daily_quota_exceeded", 429, "no", Failure.PROVIDER_UNAVAILABLE),
        ("security_error", 451, "no", Failure.MESSAGE_REFUSED),
        ("application_error", 500, "no", Failure.OUTCOME_UNKNOWN),
    ],
)
async def test_what_resend_says(resend, letter, *, name, status, message, failure):
    server, provider = resend
    server.plan.fail("POST", lambda _: server.refusal(name, status, message))
    assert (await provider.send(letter())).failure is failure


@pytest.mark.parametrize("body", ["", "[]", '{"object": "email"}', "<html>"])
async def test_a_success_without_an_identifier_is_none(resend, letter, body):
    server, provider = resend
    server.plan.fail("POST", lambda _: web.Response(text=body))
    assert (await provider.send(letter())).failure is Failure.OUTCOME_UNKNOWN


async def test_the_rate_of_the_account_is_kept(letter):
    async with Resend().running() as server, ResendProvider(resend_settings(server, rate=20.0)) as provider:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await asyncio.gather(*(provider.send(letter(key=f"k-{number}")) for number in range(5)))
        assert loop.time() - begun >= 4 / 20
        assert len(server.sent) == 5


# ----------------------------------------------------------------------------------------------------------------- ses


async def test_ses_takes_no_letters_beyond_ascii(ses_server, letter):
    async with SesProvider(ses_settings(ses_server)) as provider:
        verdict = await provider.send(letter(recipient=Mailbox("jörg@engines.example")))
        assert verdict.failure is Failure.RECIPIENT_REFUSED


@pytest.mark.parametrize(
    ("code", "status", "failure"),
    [
        ("MessageRejected", 400, Failure.MESSAGE_REFUSED),
        ("BadRequestException", 400, Failure.MESSAGE_REFUSED),
        ("SendingPausedException", 400, Failure.PROVIDER_UNAVAILABLE),
        ("LimitExceededException", 400, Failure.PROVIDER_UNAVAILABLE),
        ("ExpiredTokenException", 403, Failure.PROVIDER_CREDENTIALS_REFUSED),
        ("AccountSuspendedException", 400, Failure.PROVIDER_CREDENTIALS_REFUSED),
        ("InternalFailure", 500, Failure.OUTCOME_UNKNOWN),
    ],
)
async def test_what_ses_says(ses_server, letter, code, status, failure):
    await ses_server.reset()
    async with SesProvider(ses_settings(ses_server)) as provider:
        ses_server.plan.fail("POST", lambda _: ses_server.refusal(code, status))
        assert (await provider.send(letter())).failure is failure


async def test_a_sender_nobody_has_verified_is_refused(ses_server, letter):
    await ses_server.reset()
    async with SesProvider(ses_settings(ses_server)) as provider:
        verdict = await provider.send(letter(sender=Mailbox("other@elsewhere.example")))
        assert verdict.failure is Failure.MESSAGE_REFUSED


# ----------------------------------------------------------------------------------------------------------------- all


def test_who_is_asked_needs_a_key():
    for kind, name in ((NovuSettings, "NOVU_API_KEY"), (ResendSettings, "RESEND_API_KEY")):
        with pytest.raises(SettingsInvalid) as invalid:
            kind()
        assert [problem.name for problem in invalid.value.problems] == [name]
        kind(enabled=False)
    with pytest.raises(SettingsInvalid):
        NovuSettings(enabled=False, workflows=("welcome",))


async def test_a_workflow_may_have_another_name(letter):
    async with Novu(workflows={"Tenant Welcome"}).running() as server:
        settings = novu_settings(server, workflows=("welcome=Tenant Welcome",))
        async with NovuProvider(settings) as provider:
            assert (await provider.send(letter())).state is State.SENT


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), ("", None), ("soon", None), ("-1", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)
def test_when_to_come_back_is_said_in_two_ways(header, seconds):
    found = http.retry_after(httpx.Headers({"retry-after": header}))
    assert found == (None if seconds is None else timedelta(seconds=seconds))
