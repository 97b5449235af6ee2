from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from faults import Conflict
from tenants_service.outbox.model import Claim, Entry, State, Wish, cancelled, deferred, requeued, started

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
CLAIM, OTHER = uuid4(), uuid4()
WISH = Wish(uuid4(), "provision", "provision-tenant-acme", "tenantmesh.provisioning.v1.ProvisionTenantRequest", b"...")
WAITING = Entry(uuid4(), WISH, "somebody", State.WAITING, NOW, create_time=NOW, update_time=NOW)
CLAIMED = replace(WAITING, state=State.CLAIMED, claim_id=CLAIM, due_time=NOW + timedelta(seconds=30))
STARTED = replace(WAITING, state=State.STARTED, due_time=None, start_time=NOW)
PARKED = replace(WAITING, state=State.PARKED, due_time=None, attempts=6)
CANCELLED = replace(WAITING, state=State.CANCELLED, due_time=None)


def reason(change, *arguments):
    with pytest.raises(Conflict) as raised:
        change(*arguments)
    return raised.value.reason


def test_a_claim_lasts_until_its_end_and_not_longer():
    end = CLAIMED.due_time
    assert CLAIMED.at(end - timedelta(microseconds=1)) is CLAIMED
    assert CLAIMED.at(end).state is State.WAITING
    assert CLAIMED.at(end).claim_id is None


@pytest.mark.parametrize("entry", [WAITING, STARTED, PARKED, CANCELLED])
def test_time_alone_changes_nothing_else(entry):
    assert entry.at(NOW + timedelta(days=365)) is entry


def test_an_entry_that_was_started_is_done():
    entry = started(CLAIMED, CLAIM, LATER)
    assert (entry.state, entry.start_time, entry.update_time) == (State.STARTED, LATER, LATER)
    assert (entry.due_time, entry.claim_id, entry.revision) == (None, None, CLAIMED.revision + 1)


def test_it_is_tried_again_after_60_300_900_3600_and_7200_seconds_and_then_parked():
    entry, waits = CLAIMED, []
    for attempt in range(1, 7):
        entry = deferred(replace(entry, state=State.CLAIMED, claim_id=CLAIM), CLAIM, f"failed {attempt}", NOW)
        assert (entry.attempts, entry.last_error, entry.claim_id) == (attempt, f"failed {attempt}", None)
        waits.append(entry.due_time and (entry.due_time - NOW).total_seconds())
    assert waits == [60, 300, 900, 3600, 7200, None]
    assert entry.state is State.PARKED


def test_requeueing_gives_an_entry_all_its_turns_again():
    for entry in (PARKED, replace(WAITING, attempts=3, due_time=NOW + timedelta(hours=1))):
        again = requeued(entry, NOW)
        assert (again.state, again.due_time, again.attempts) == (State.WAITING, NOW, 0)


def test_only_who_holds_the_claim_can_say_how_it_went():
    for entry in (CLAIMED, WAITING, PARKED, CLAIMED.at(CLAIMED.due_time)):
        assert reason(started, entry, OTHER, NOW) == "OUTBOX_CLAIM_LOST"
        assert reason(deferred, entry, OTHER, "", NOW) == "OUTBOX_CLAIM_LOST"
    for entry in (WAITING, PARKED, CLAIMED.at(CLAIMED.due_time)):
        assert reason(started, entry, CLAIM, NOW) == "OUTBOX_CLAIM_LOST"


def test_what_is_done_stays_done():
    for entry in (STARTED, CANCELLED):
        assert reason(started, entry, CLAIM, NOW) == "OUTBOX_STATE_FORBIDS"
        assert reason(deferred, entry, CLAIM, "", NOW) == "OUTBOX_STATE_FORBIDS"
        assert reason(requeued, entry, NOW) == "OUTBOX_STATE_FORBIDS"
    assert reason(cancelled, STARTED, None, NOW) == "OUTBOX_STATE_FORBIDS"


def test_what_somebody_is_starting_is_not_requeued():
    assert reason(requeued, CLAIMED, NOW) == "OUTBOX_STATE_FORBIDS"


def test_what_nobody_is_starting_can_be_given_up():
    for entry in (WAITING, PARKED):
        assert cancelled(entry, None, LATER).state is State.CANCELLED
        assert reason(cancelled, entry, CLAIM, LATER) == "OUTBOX_CLAIM_LOST"


def test_what_somebody_is_starting_only_they_can_give_up():
    assert reason(cancelled, CLAIMED, None, LATER) == "OUTBOX_CLAIM_LOST"
    assert reason(cancelled, CLAIMED, OTHER, LATER) == "OUTBOX_CLAIM_LOST"
    assert cancelled(CLAIMED, CLAIM, LATER).state is State.CANCELLED


def test_a_claim_lasts_half_a_minute_where_nobody_says():
    assert Claim(CLAIM).duration == timedelta(seconds=30)
