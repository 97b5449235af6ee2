import json
from datetime import UTC, datetime, timedelta

import pytest

from deployments_service.model import Action, Deployment, FailureReason, Owner, Rollout, Spec, State, Tier
from deployments_service.translate import report_from
from deployments_service.webhook.model import Answer, Verdict, body_of, pause_before, verdict_on

READY = b'{"state": "DEPLOYMENT_STATE_READY"}'
SOON = timedelta(seconds=7)
OWNER = Owner("acme", "provision-acme", datetime(2026, 1, 1, tzinfo=UTC))
SPEC = Spec(Tier.SILO, "2.0", "web:2.0", ("acme.example.com",), {"A": "1"}, {"B": "secret/b"})
DEPLOYMENT = Deployment(
    "acme", "web", SPEC, OWNER, Rollout("r-1", Action.DEPLOY, "deploy-acme"), State.PENDING, "webhook",
    previous=Spec(Tier.SILO, "1.0"),
)  # fmt: skip


def on(status, body=b"", *, call=True):
    return verdict_on(Answer(status, body, SOON), call=call, reading=report_from)


def test_a_pipeline_is_told_everything_in_the_same_bytes_each_time():
    body = body_of(DEPLOYMENT, "https://mesh.example/report")
    assert body == body_of(DEPLOYMENT, "https://mesh.example/report")
    assert json.loads(body) == {
        "action": "DEPLOY", "tenantId": "acme", "app": "web", "tier": "SILO", "rolloutId": "r-1",
        "operationId": "deploy-acme", "version": "2.0", "previousVersion": "1.0", "image": "web:2.0",
        "hostnames": ["acme.example.com"], "settings": {"A": "1"}, "references": {"B": "secret/b"},
        "reportUrl": "https://mesh.example/report",
    }  # fmt: skip


@pytest.mark.parametrize("call", [True, False])
def test_a_report_is_believed(call):
    verdict = on(200, READY, call=call)
    assert (verdict.report.state, verdict.taken, verdict.retry_after) == (State.READY, True, SOON)


@pytest.mark.parametrize("body", [b"", b" \n"])
@pytest.mark.parametrize("status", [200, 202, 204])
def test_an_empty_answer_takes_the_call_and_says_nothing(status, body):
    assert on(status, body) == Verdict(taken=True, retry_after=SOON)


def test_a_page_for_people_takes_no_call_but_may_stand_between_two_answers():
    failure = on(200, b"<html>Please log in</html>").report.failure
    assert (failure.reason, failure.retryable) == (FailureReason.PIPELINE_FAILED, True)
    assert on(200, b"<html>Back soon</html>", call=False).report is None


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("call", [True, False])
def test_who_puts_us_off_is_asked_again_not_before_he_said(status, call):
    assert on(status, READY, call=call) == Verdict(retry_after=SOON)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_is_followed(status):
    assert "elsewhere" in on(status).report.failure.message


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_signature_is_ours_to_mend(status):
    assert on(status).report.failure.reason is FailureReason.PROVIDER_FAILED


def test_a_run_may_not_be_known_yet_a_pipeline_must():
    assert on(404, call=False) == Verdict(retry_after=SOON)
    assert on(404).report.failure.reason is FailureReason.PIPELINE_FAILED


def test_a_refusal_may_say_why():
    why = b'{"state": 4, "failure": {"reason": "REASON_VERSION_NOT_FOUND", "message": "No 2.0."}}'
    assert on(422, why).report.failure.reason is FailureReason.VERSION_NOT_FOUND
    for body in (b"", b"<html>", READY):
        failure = on(422, body).report.failure
        assert (failure.reason, failure.retryable) == (FailureReason.PIPELINE_FAILED, False)


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 1), (1, 2), (4, 16), (5, 30), (10_000, 30)])
def test_pauses_double_up_to_the_longest(attempt, seconds):
    pause = pause_before(attempt, first=timedelta(seconds=1), longest=timedelta(seconds=30))
    assert pause == timedelta(seconds=seconds)
