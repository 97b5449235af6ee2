import json
from datetime import UTC, datetime

import protovalidate
import pytest

from deployments_service import translate
from deployments_service.model import (
    Action,
    Deployment,
    Failure,
    FailureReason,
    Owner,
    Report,
    Rollout,
    Spec,
    State,
    Tier,
)
from faults import Invalid
from tenantmesh.deployments.v1 import deployment_pb2
from tenantmesh.deployments.v1 import deployment_service_pb2 as pb

ACME = "0192f0c1-2b3c-7d4e-8f50-112233445566"
TIME = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = Owner(ACME, "provision-acme", TIME)
SPEC = Spec(Tier.SILO, "1.0", "web:1.0", ("acme.example.com",), {"A": "1"}, {"B": "secret/b"})


def deployment(**changes):
    standing = {"spec": SPEC, "owner": OWNER, "state": State.READY, **changes}
    return Deployment(
        ACME, "web", standing.pop("spec"), standing.pop("owner"), Rollout("r-1", Action.DEPLOY, "x"),
        standing.pop("state"), "webhook", create_time=TIME, **standing,
    )  # fmt: skip


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_word_of_the_contract(state):
    message = translate.deployment_to(deployment(state=state))
    protovalidate.validate(message)
    assert deployment_pb2.DeploymentState.Name(message.state) == f"DEPLOYMENT_STATE_{state.name}"


@pytest.mark.parametrize("reason", FailureReason)
def test_every_reason_of_a_failure_has_a_word_of_the_contract_both_ways(reason):
    message = translate.deployment_to(deployment(state=State.FAILED, failure=Failure(reason, "It failed.")))
    said = {"state": "DEPLOYMENT_STATE_FAILED", "failure": {"reason": f"REASON_{reason.name}", "message": "It failed."}}
    assert deployment_pb2.DeploymentFailure.Reason.Name(message.failure.reason) == said["failure"]["reason"]
    assert translate.report_from(json.dumps(said).encode()).failure == Failure(reason, "It failed.")


@pytest.mark.parametrize("tier", Tier)
def test_every_tier_has_a_word_of_the_contract_both_ways(tier):
    message = translate.deployment_to(deployment(spec=Spec(tier, "1.0")))
    assert translate.wish_from(pb.EnsureDeploymentRequest(tenant_id=ACME, tier=message.tier)).tier is tier


def test_what_is_written_another_way_is_the_same_wish():
    one = pb.EnsureDeploymentRequest(tenant_id=ACME.upper(), tier=1, hostnames=["B.example", "a.example"])
    other = pb.EnsureDeploymentRequest(tenant_id=ACME, tier=1, hostnames=["a.example", "b.example"])
    assert translate.wish_from(one) == translate.wish_from(other)


def test_what_stood_before_and_what_is_not_known():
    message = translate.deployment_to(deployment(previous=SPEC, owner=None))
    assert (message.previous_version, message.HasField("ownership"), message.HasField("update_time")) == (
        "1.0", False, False,
    )  # fmt: skip
    assert dict(message.references) == {"B": "secret/b"}


def test_a_report_is_read_by_either_spelling_and_what_we_do_not_know_is_left_out():
    for name in ("appUrl", "app_url"):
        said = {"state": "DEPLOYMENT_STATE_READY", name: "https://a.example", "mood": "good"}
        assert translate.report_from(json.dumps(said).encode()) == Report(State.READY, app_url="https://a.example")


def test_a_failure_without_words_gets_some_and_one_that_is_none_is_left_out():
    assert translate.report_from(b'{"state": 4}').failure.message
    assert translate.report_from(b'{"state": 3, "failure": {"message": "but"}}').failure is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", None),
        (b"<html>", None),
        (b"[]", "state"),
        (b"\xff\xfe", None),
        (b'{"state": "DEPLOYMENT_STATE_READY"', None),
        (b'{"state": "DEPLOYMENT_STATE_READY", "percent": 1e9}', "percent"),
        (b'{"state": "DEPLOYMENT_STATE_DELETING"}', "state"),
        (b"{}", "state"),
        (b'{"state": 3, "appUrl": "javascript:alert(1)"}', "app_url"),
        (b'{"state": 3, "webUrl": "https://' + b"x" * 2048 + b'"}', "web_url"),
        (b'{"state": 3, "appUrl": "https://a.example/\\u0000"}', "app_url"),
        (b'{"state": 4, "failure": {"message": "\\u0000"}}', "failure.message"),
        (b'{"state": 4, "failure": {"message": "\\ud800"}}', None),
        (b'{"state": 3, "mood": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", None),
    ],
)
def test_what_is_no_report_is_refused_and_its_field_named(body, field):
    with pytest.raises(Invalid) as caught:
        translate.report_from(body)
    assert caught.value.reason == "REPORT_INVALID"
    assert caught.value.facts.get("field") == field


def test_a_signature_is_read_from_the_metadata_and_bytes_are_none():
    request = pb.ReportDeploymentRequest(tenant_id=ACME.upper(), app="web", rollout_id="r-1", body={"data": b"{}"})
    signed = translate.signed_from(request, [("x-timestamp", "1"), ("x-signature", "a,b"), ("x-bin", b"")])
    assert (signed.tenant_id, signed.body, signed.timestamp, signed.signature) == (ACME.upper(), b"{}", "1", "a,b")
    assert translate.signed_from(request, [("x-timestamp", b"1")]).timestamp == ""
