"""What every provider promises, tried on each."""

from __future__ import annotations

from datetime import timedelta

import pytest

from notifications_service.model import Failure, Mailbox, State
from notifications_service.providers import PROVIDERS, provider_type

from .conftest import OPENERS

ADA = ("ada@engines.example", "s")


def test_the_suite_runs_over_the_registry():
    assert OPENERS.keys() == PROVIDERS.keys()


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_is_called_what_the_registry_calls_it(name):
    assert provider_type(name).name == name


async def test_what_is_taken_over_is_sent_once(carrier, letter):
    verdict = await carrier.provider.send(letter())
    if carrier.provider.name == "logging":
        assert (verdict.state, carrier.sent()) == (State.SKIPPED, [])
        return
    assert (verdict.state, carrier.sent()) == (State.SENT, [ADA])
    assert verdict.message_id
    assert verdict.failure is None


async def test_who_says_so_takes_a_message_twice_and_sends_it_once(carrier, letter):
    if carrier.provider.repeatable:
        verdicts = [await carrier.provider.send(letter()) for _ in range(3)]
        assert len(set(verdicts)) == 1
        assert len(carrier.sent()) <= 1


async def test_a_lost_answer_is_unknown_and_repeated_only_where_it_may_be(carrier, letter):
    if carrier.lose_reply:
        carrier.lose_reply()
        verdict = await carrier.provider.send(letter())
        assert (verdict.failure, carrier.sent()) == (Failure.OUTCOME_UNKNOWN, [ADA])
        if carrier.provider.repeatable:
            assert (await carrier.provider.send(letter())).state is State.SENT
        assert carrier.sent() == [ADA]


async def test_who_is_put_off_can_come_back(carrier, letter):
    if carrier.put_off:
        carrier.put_off()
        verdict = await carrier.provider.send(letter())
        assert (verdict.failure, verdict.transient, carrier.sent()) == (Failure.PROVIDER_UNAVAILABLE, True, [])
        if carrier.provider.name in {"novu", "resend"}:
            assert verdict.retry_after == timedelta(seconds=7)
        assert (await carrier.provider.send(letter())).state is State.SENT


async def test_refused_credentials_are_said_to_be_that(carrier, letter):
    if carrier.refuse_key:
        carrier.refuse_key()
        verdict = await carrier.provider.send(letter())
        assert (verdict.failure, carrier.sent()) == (Failure.PROVIDER_CREDENTIALS_REFUSED, [])


async def test_a_message_that_is_refused_is_not_the_recipients_fault(carrier, letter):
    if carrier.refuse_message:
        carrier.refuse_message()
        verdict = await carrier.provider.send(letter())
        assert (verdict.failure, verdict.passes_on, carrier.sent()) == (Failure.MESSAGE_REFUSED, True, [])


async def test_names_and_subjects_stay_in_their_headers(carrier, letter):
    evil = letter(
        sender=Mailbox("no-reply@mesh.example", "Acme\r\nBcc: eve@evil.example"),
        recipient=Mailbox("ada@engines.example", 'Ada" <eve@evil.example>, "'),
    )
    await carrier.provider.send(evil)
    assert {to for to, _ in carrier.sent()} <= {"ada@engines.example"}


async def test_details_are_for_people(carrier, letter):
    """No text of a vendor's, which may hold anything, reaches the caller."""
    for spoil in (carrier.put_off, carrier.refuse_key, carrier.lose_reply):
        if spoil:
            spoil()
            detail = (await carrier.provider.send(letter(key=f"k-{spoil}"[:60]))).detail
            assert detail.endswith(".")
            assert len(detail) < 120
