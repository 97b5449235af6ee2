"""How invitations go from state to state: every step from every state, and to the second."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from faults import Conflict, Exhausted, Fault
from tenants_service.invitations.model import (
    COOL_DOWN,
    LIFE,
    MOST_RESENDS,
    Invitation,
    State,
    accepted,
    overdue,
    reminded,
    resent,
    usable,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NEW = Invitation(
    invitation_id=UUID(int=1),
    tenant_id=UUID(int=2),
    email="ada@acme.example",
    first_name="Ada",
    last_name="Lovelace",
    roles=("admin",),
    operation_id="",
    principal="me",
    token_digest=b"0" * 32,
    token_create_time=NOW,
    expire_time=NOW + LIFE,
    create_time=NOW,
    update_time=NOW,
)
LATER = NOW + COOL_DOWN
STEPS = {
    "accept": lambda one, now: accepted(one, "", "", now),
    "resend": lambda one, now: resent(one, b"1" * 32, now),
    "remind": lambda one, now: reminded(one, b"1" * 32, now),
}


def test_a_token_lives_exactly_seven_days():
    assert timedelta(days=7) == LIFE
    assert usable(NEW, NOW + LIFE - SECOND) is NEW
    assert not overdue(NEW, NOW + LIFE - SECOND)
    with pytest.raises(Conflict) as caught:
        usable(NEW, NOW + LIFE)
    assert caught.value.reason == "INVITATION_EXPIRED"
    assert caught.value.facts == {"invitation_id": str(NEW.invitation_id), "expire_time": "2026-01-08T12:00:00+00:00"}
    assert overdue(NEW, NOW + LIFE)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("state", set(State) - {State.PENDING})
def test_nothing_leads_back(step, state):
    with pytest.raises(Conflict) as caught:
        step(replace(NEW, state=state), LATER)
    assert caught.value.reason == ("INVITATION_EXPIRED" if state is State.EXPIRED else "INVITATION_NOT_PENDING")


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_nothing_is_done_with_what_is_too_old_and_not_marked_so(step):
    with pytest.raises(Conflict, match="expired"):
        step(NEW, NOW + LIFE)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_every_step_is_a_revision(step):
    after = step(NEW, LATER)
    assert (after.revision, after.update_time, after.create_time) == (2, LATER, NOW)


def test_who_comes_may_say_what_they_are_called():
    assert accepted(NEW, "", "", LATER).first_name == "Ada"
    after = accepted(NEW, "Augusta", "King", LATER)
    assert (after.first_name, after.last_name, after.state, after.accept_time) == (
        "Augusta", "King", State.ACCEPTED, LATER,
    )  # fmt: skip


def test_sending_again_makes_a_token_that_lives_seven_days_again():
    after = resent(NEW, b"1" * 32, LATER)
    assert (after.token_digest, after.token_create_time, after.expire_time) == (b"1" * 32, LATER, LATER + LIFE)
    assert (after.resend_count, after.state) == (1, State.PENDING)


def test_there_are_five_minutes_between_two():
    with pytest.raises(Exhausted) as caught:
        resent(NEW, b"1" * 32, LATER - SECOND)
    assert (caught.value.reason, caught.value.retry_after) == ("INVITATION_COOLING_DOWN", SECOND)


def test_there_are_five_in_all():
    one, now = NEW, NOW
    for _ in range(MOST_RESENDS):
        now += COOL_DOWN
        one = resent(one, b"1" * 32, now)
    for wait in (timedelta(0), COOL_DOWN):  # waiting does not help
        with pytest.raises(Exhausted) as caught:
            resent(one, b"1" * 32, now + wait)
        assert (caught.value.reason, caught.value.facts["limit"]) == ("INVITATION_RESENDS_EXHAUSTED", "5")
        assert caught.value.retry_after is None


def test_a_reminder_brings_a_token_and_no_more_time():
    after = reminded(NEW, b"1" * 32, LATER)
    assert (after.token_digest, after.reminder_time, after.expire_time) == (b"1" * 32, LATER, NEW.expire_time)
    with pytest.raises(Fault) as caught:
        reminded(after, b"2" * 32, LATER)
    assert caught.value.reason == "INVITATION_REMINDED"
