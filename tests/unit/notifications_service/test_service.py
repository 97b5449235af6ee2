"""The chain of providers: the next one is asked only when the one before certainly did not take the message."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from notifications_service.model import NOBODY, Failure, Mailbox, Message, State, Verdict
from notifications_service.service import Chain

MESSAGE = Message(
    key="k-0",
    time=datetime(2026, 1, 1, tzinfo=UTC),
    tenant_id=NOBODY,
    template_id="welcome",
    language="en",
    sender=Mailbox("no-reply@mesh.example"),
    recipient=Mailbox("ada@engines.example"),
    subject="s",
    html="h",
    text="t",
)
SENT = Verdict.sent("id")


class Carrier:
    """A provider that says what it was told to say."""

    def __init__(self, name, *answers, repeatable=False):
        self.name = name
        self.repeatable = repeatable
        self.answers = list(answers)
        self.asked = 0

    async def send(self, _message):
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            await asyncio.Event().wait()
        return answer


def failed(failure):
    return Verdict.failed(failure, "why")


async def ask(*carriers, open_at=""):
    moved = []

    async def moving(name):
        moved.append(name)

    chain = Chain(carriers, timedelta(milliseconds=50))
    name, verdict = await chain.send(MESSAGE, moving=moving, open_at=open_at)
    return name, verdict, moved


async def test_who_takes_it_is_the_last_to_be_asked():
    first, second = Carrier("first", SENT), Carrier("second")
    assert await ask(first, second) == ("first", SENT, [])
    assert second.asked == 0


@pytest.mark.parametrize(
    "failure",
    [Failure.PROVIDER_UNAVAILABLE, Failure.PROVIDER_CREDENTIALS_REFUSED, Failure.MESSAGE_REFUSED],
)
async def test_what_the_provider_is_to_blame_for_goes_to_the_next(failure):
    assert await ask(Carrier("first", failed(failure)), Carrier("second", SENT)) == ("second", SENT, ["second"])


@pytest.mark.parametrize(
    "failure", [Failure.OUTCOME_UNKNOWN, Failure.RECIPIENT_REFUSED, Failure.ADDRESS_INVALID, Failure.BOUNCED]
)
async def test_what_may_be_under_way_or_is_the_recipients_goes_to_nobody_else(failure):
    second = Carrier("second")
    name, verdict, moved = await ask(Carrier("first", failed(failure)), second)
    assert (name, verdict.failure, moved, second.asked) == ("first", failure, [], 0)


@pytest.mark.parametrize("answer", [ValueError("broken"), None])
async def test_a_provider_that_breaks_or_is_silent_may_have_sent_it(answer):
    second = Carrier("second")
    name, verdict, _ = await ask(Carrier("first", answer), second)
    assert (name, verdict.failure, second.asked) == ("first", Failure.OUTCOME_UNKNOWN, 0)


async def test_a_provider_that_is_switched_off_lets_the_next_one_try():
    off = Verdict.skipped("skipped-first-disabled")
    assert await ask(Carrier("first", off), Carrier("second", SENT)) == ("second", SENT, ["second"])


async def test_where_all_are_switched_off_the_first_says_so():
    answers = [Verdict.skipped(f"skipped-{name}-disabled") for name in ("first", "second")]
    name, verdict, _ = await ask(Carrier("first", answers[0]), Carrier("second", answers[1]))
    assert (name, verdict.state, verdict.message_id) == ("first", State.SKIPPED, "skipped-first-disabled")


async def test_who_may_take_it_later_speaks_for_all():
    away, refused = failed(Failure.PROVIDER_UNAVAILABLE), failed(Failure.PROVIDER_CREDENTIALS_REFUSED)
    off = Verdict.skipped("skipped-third-disabled")
    name, verdict, _ = await ask(Carrier("first", refused), Carrier("second", away), Carrier("third", off))
    assert (name, verdict) == ("second", away)


async def test_a_lost_verdict_is_asked_for_again_only_where_that_sends_nothing_twice():
    again = Carrier("first", SENT, repeatable=True)
    assert await ask(again, Carrier("second"), open_at="first") == ("first", SENT, [])
    never = Carrier("first")
    name, verdict, _ = await ask(never, Carrier("second"), open_at="first")
    assert (name, verdict.failure, never.asked) == ("first", Failure.OUTCOME_UNKNOWN, 0)


async def test_a_lost_verdict_of_the_second_is_not_asked_of_the_first():
    first, second = Carrier("first"), Carrier("second", SENT, repeatable=True)
    assert await ask(first, second, open_at="second") == ("second", SENT, [])
    assert first.asked == 0


async def test_a_lost_verdict_of_who_is_no_longer_there_stays_unknown():
    name, verdict, _ = await ask(Carrier("first"), open_at="gone")
    assert (name, verdict.failure) == ("gone", Failure.OUTCOME_UNKNOWN)


async def test_cancelling_is_no_verdict():
    chain = Chain([Carrier("first", None)], timedelta(seconds=10))

    async def moving(_):
        raise AssertionError

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await chain.send(MESSAGE, moving=moving)
