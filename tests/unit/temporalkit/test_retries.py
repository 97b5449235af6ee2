from datetime import timedelta

import pytest
from temporalio.workflow import ActivityCancellationType

from temporalkit.retries import (
    DEPLOYMENT,
    HEARTBEAT_TIMEOUT,
    IDENTITY,
    INFRASTRUCTURE,
    NOTIFICATIONS,
    PRESETS,
    STORAGE,
    TENANTS,
    UNDO,
    Preset,
    in_sequence,
    side_by_side,
)


def seconds(**units):
    return timedelta(**units)


@pytest.mark.parametrize(
    ("preset", "start_to_close", "first_delay", "attempts"),
    [
        (IDENTITY, seconds(minutes=5), seconds(seconds=10), 3),
        (INFRASTRUCTURE, seconds(minutes=30), seconds(seconds=30), 3),
        (DEPLOYMENT, seconds(minutes=15), seconds(seconds=15), 5),
        (TENANTS, seconds(seconds=30), seconds(seconds=1), 5),
        (STORAGE, seconds(minutes=2), seconds(seconds=5), 3),
        (NOTIFICATIONS, seconds(seconds=30), seconds(seconds=2), 3),
    ],
)
def test_the_presets_are_those_of_the_design(preset, start_to_close, first_delay, attempts):
    options = preset.options()
    policy = options["retry_policy"]
    assert options["start_to_close_timeout"] == start_to_close
    assert (policy.initial_interval, policy.maximum_attempts) == (first_delay, attempts)
    assert policy.backoff_coefficient == 2
    assert not policy.non_retryable_error_types  # the kind of the fault decides


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_every_preset_can_be_cancelled_and_is_waited_for(preset):
    options = preset.options()
    assert options["heartbeat_timeout"] <= HEARTBEAT_TIMEOUT < preset.start_to_close
    assert options["cancellation_type"] is ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
    assert preset.first_delay <= preset.longest_delay


def test_options_take_more():
    options = IDENTITY.options(task_queue="identity", summary="realm")
    assert (options["task_queue"], options["summary"]) == ("identity", "realm")
    assert options["start_to_close_timeout"] == IDENTITY.start_to_close


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        PRESETS["identity"] = UNDO
    with pytest.raises(AttributeError):
        IDENTITY.attempts = 1


def test_the_worst_case_is_every_attempt_and_the_longest_wait_between():
    preset = Preset(
        start_to_close=seconds(seconds=10), first_delay=seconds(seconds=1), attempts=3, longest_delay=seconds(seconds=7)
    )
    assert preset.worst_case == seconds(seconds=3 * 10 + 2 * 7)


def test_the_worst_case_of_a_workflow_is_its_longest_chain():
    total = in_sequence(TENANTS, side_by_side(in_sequence(IDENTITY, IDENTITY), STORAGE), seconds(hours=1))
    assert total == TENANTS.worst_case + 2 * IDENTITY.worst_case + seconds(hours=1)
    assert side_by_side() == in_sequence() == timedelta()


def test_an_undo_bears_an_outage_of_ten_minutes():
    delays = [min(UNDO.first_delay * 2**n, UNDO.longest_delay) for n in range(UNDO.attempts - 1)]
    assert sum(delays, start=timedelta()) >= seconds(minutes=10)
