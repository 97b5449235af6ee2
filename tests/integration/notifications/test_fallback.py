"""A chain of providers, `novu,smtp`: what one did not take the next one gets, and nobody gets anything twice."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from tests.fixtures.mailservers import CUT, mail_server
from tests.fixtures.mailvendors import Novu, Resend
from tests.fixtures.notifications import environment, failure, serving, states


@pytest.fixture
def chain(postgres):
    """Novu, and a mail server behind it."""

    @asynccontextmanager
    async def chain(providers="novu,smtp", **more):
        async with Novu().running() as novu, mail_server() as mails:
            told = await environment(
                postgres, NOTIFICATION_PROVIDER=providers, NOVU_API_KEY=novu.key, NOVU_API_URL=novu.url,
                SMTP_HOST="127.0.0.1", SMTP_PORT=str(mails.port), SMTP_TLS="none", **more,
            )  # fmt: skip
            async with serving(told) as service:
                yield SimpleNamespace(novu=novu, mails=mails, send_one=service.send_one, service=service)

    return chain


async def test_the_first_one_is_enough(chain):
    async with chain() as there:
        one = await there.send_one()
        assert (states([one]), one.provider) == (["SENT"], "novu")
        assert (len(there.novu.sent), there.mails.kept) == (1, [])


@pytest.mark.parametrize("status", [401, 402, 422, 429, 503])
async def test_what_the_first_certainly_did_not_take_the_second_gets(chain, status):
    async with chain() as there:
        there.novu.plan.fail("POST", lambda _: there.novu.refusal(status, "no"))
        one = await there.send_one()
        assert (states([one]), one.provider, one.attempts) == (["SENT"], "smtp", 1)
        assert (there.novu.sent, len(there.mails.kept)) == ([], 1)


async def test_a_lost_answer_goes_back_to_who_lost_it(chain):
    async with chain() as there:
        there.novu.lose_trigger()
        one = await there.send_one()
        assert (states([one]), one.provider, one.attempts) == (["SENT"], "novu", 2)
        assert (len(there.novu.sent), there.mails.kept) == (1, [])


async def test_a_conflict_is_a_request_that_is_still_worked_on(chain):
    async with chain() as there:
        await there.send_one("first@engines.example")
        there.novu.plan.fail("POST", lambda _: there.novu.refusal(409, "there already"))
        there.novu.plan.fail("POST", lambda _: there.novu.refusal(409, "still being processed"))
        one = await there.send_one("first@engines.example")
        assert (states([one]), one.provider, one.attempts) == (["SENT"], "novu", 2)
        assert (len(there.novu.sent), there.mails.kept) == (2, [])


async def test_an_answer_that_stays_lost_is_said_to_be_unknown(chain):
    async with chain(NOTIFICATION_ATTEMPTS="3") as there:
        await there.send_one("first@engines.example")
        for _ in range(3):
            there.novu.plan.fail("POST", lambda _: there.novu.refusal(409, "there already"))
            there.novu.plan.fail("POST", lambda _: there.novu.refusal(500, "oops"))
        one = await there.send_one("first@engines.example")
        assert (failure(one), one.provider, one.attempts, one.delivered) == ("OUTCOME_UNKNOWN", "novu", 3, False)
        assert there.mails.kept == []


async def test_a_lost_answer_of_the_second_goes_nowhere(chain):
    async with chain() as there:
        there.novu.plan.fail("POST", lambda _: there.novu.refusal(503, "away"))
        there.mails.once("AFTER", CUT)
        one = await there.send_one()
        assert (failure(one), one.provider) == ("OUTCOME_UNKNOWN", "smtp")
        assert (there.novu.sent, len(there.mails.kept)) == ([], 1)


async def test_one_that_is_switched_off_is_passed_over(chain):
    async with chain(NOVU_ENABLED="false") as there:
        one = await there.send_one()
        assert (states([one]), one.provider, there.novu.plan.requests) == (["SENT"], "smtp", [])


async def test_all_switched_off_is_skipped_and_not_delivered(chain):
    async with chain(NOVU_ENABLED="false", SMTP_ENABLED="false") as there:
        one = await there.send_one()
        assert (states([one]), one.delivered, one.message_id) == (["SKIPPED"], False, "skipped-novu-disabled")
        assert there.mails.connections == 0


async def test_the_last_resort_is_tried_again_from_the_start(chain):
    async with chain() as there:
        there.novu.plan.fail("POST", lambda _: there.novu.refusal(429, "later", {"Retry-After": "0"}))
        there.mails.once("RCPT", "451 4.7.1 greylisted")
        one = await there.send_one()
        assert (states([one]), one.provider, one.attempts) == (["SENT"], "novu", 2)
        assert (len(there.novu.sent), there.mails.kept) == (1, [])


async def test_resend_refuses_a_recipient_and_nobody_else_is_asked(postgres):
    async with Resend().running() as resend, mail_server() as mails:
        told = await environment(
            postgres, NOTIFICATION_PROVIDER="resend,smtp", RESEND_API_KEY=resend.key, RESEND_URL=resend.url,
            RESEND_REQUESTS_PER_SECOND="1000", SMTP_HOST="127.0.0.1", SMTP_PORT=str(mails.port), SMTP_TLS="none",
        )  # fmt: skip
        async with serving(told) as service:
            one = await service.send_one("jörg@engines.example")
            assert (failure(one), one.provider) == ("RECIPIENT_REFUSED", "resend")
            resend.plan.lose_reply("POST")
            again = await service.send_one("ada@engines.example")
            assert (states([again]), again.provider, again.attempts) == (["SENT"], "resend", 2)
        assert resend.sent == [("ada@engines.example", "Analytical Engines is ready")]
        assert mails.kept == []
