from dataclasses import replace
from datetime import UTC, datetime

import pytest

from deployments_service.model import (
    AT_FIRST,
    Action,
    Deployment,
    FailureReason,
    Owner,
    Report,
    Rollout,
    Spec,
    State,
    Tier,
    failed,
)

ACME = "0192f0c1-2b3c-7d4e-8f50-112233445566"
OWNER = Owner(ACME, "provision-acme", datetime(2026, 1, 1, tzinfo=UTC))


def under(action):
    return Deployment(
        ACME, "web", Spec(Tier.SILO, "1.0"), OWNER, Rollout("r-1", action, "x"), AT_FIRST[action], "webhook"
    )


@pytest.mark.parametrize(
    ("action", "state"),
    [
        (Action.DEPLOY, State.ROLLING_OUT),
        (Action.ROLLBACK, State.ROLLING_BACK),
        (Action.REMOVE, State.DELETING),
    ],
)
def test_a_rollout_under_way_is_called_after_what_it_does(action, state):
    told = under(action).told(Report(State.ROLLING_OUT, 40, web_url="https://ci.example/1"))
    assert (told.state, told.percent, told.web_url) == (state, 40, "https://ci.example/1")


def test_progress_never_falls_and_what_is_not_said_stays():
    told = under(Action.DEPLOY).told(Report(State.ROLLING_OUT, 40, app_url="https://a.example"))
    again = told.told(Report(State.ROLLING_OUT, 10))
    assert (again.percent, again.app_url) == (40, "https://a.example")


@pytest.mark.parametrize("action", [Action.DEPLOY, Action.ROLLBACK])
def test_what_is_ready_is_whole(action):
    told = under(action).told(Report(State.READY, 7))
    assert (told.state, told.percent, told.failure) == (State.READY, 100, None)


def test_what_is_removed_is_gone():
    assert under(Action.REMOVE).told(Report(State.READY)) is None


@pytest.mark.parametrize("action", Action)
def test_what_failed_says_why(action):
    told = under(action).told(failed(FailureReason.CRASHED, "It crashed."))
    assert (told.state, told.failure.reason) == (State.FAILED, FailureReason.CRASHED)


@pytest.mark.parametrize("state", [State.READY, State.FAILED, State.SKIPPED])
def test_what_is_settled_stays_as_it_is(state):
    settled = replace(under(Action.DEPLOY), state=state)
    assert settled.told(Report(State.ROLLING_OUT, 40)) is settled


def test_a_stamp_is_a_tenants_own():
    assert under(Action.DEPLOY).belongs_to(ACME)
    assert not under(Action.DEPLOY).belongs_to("another")
    assert not replace(under(Action.DEPLOY), owner=None).belongs_to(ACME)
