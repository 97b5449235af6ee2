"""What a pipeline says by itself, and what somebody else would like to say in its name."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from tests.fixtures import pipelines
from tests.fixtures.pipelines import FAILED, OLD_SECRET, READY, ROLLING, eventually
from tests.integration.deployments.conftest import ACME, GLOBEX, KEY, State, refusal, serving

from tenantmesh.deployments.v1 import deployment_service_pb2 as pb

SAYS_READY, SAYS_ROLLING = json.dumps(READY).encode(), json.dumps(ROLLING).encode()
NOW = State.DEPLOYMENT_STATE_READY


@pytest.fixture
async def rollout(mesh):
    """A rollout whose pipeline reports by itself."""
    mesh.system.polled = False
    made = await mesh.ensure()
    await eventually(lambda: mesh.system.runs)
    return made.rollout_id


async def state(mesh):
    return (await mesh.stub.GetDeployment(pb.GetDeploymentRequest(**KEY))).deployment.state


async def test_a_pipeline_reports_until_it_is_done(mesh, rollout):
    under_way = await mesh.report(rollout, SAYS_ROLLING)
    assert (under_way.state, under_way.changed) == (State.DEPLOYMENT_STATE_ROLLING_OUT, True)
    done = await mesh.report(rollout, SAYS_READY)
    assert (done.state, done.changed) == (NOW, True)
    assert (await mesh.ended()).app_url == "https://acme.example.com"
    late = await mesh.report(rollout, json.dumps(FAILED).encode())
    assert (late.state, late.changed) == (NOW, False)


async def test_a_report_is_told_to_whoever_watches(mesh, rollout):
    watching = asyncio.create_task(mesh.ended())
    await mesh.report(rollout, SAYS_READY)
    assert (await watching).state == NOW


async def test_what_was_reported_is_not_believed_again_by_any_replica(mesh, rollout):
    async with serving(mesh.environ, mesh.system) as other:
        at = int(time.time())
        await mesh.report(rollout, SAYS_ROLLING, at=at)
        for replica in (mesh, other):
            replayed = replica.report(rollout, SAYS_ROLLING, at=at)
            assert await refusal(replayed) == ("ALREADY_EXISTS", "REPORT_REPLAYED")


async def test_many_replays_at_once_are_believed_once(mesh, rollout):
    at = int(time.time())
    many = [mesh.report(rollout, SAYS_ROLLING, at=at) for _ in range(10)]
    answers = await asyncio.gather(*many, return_exceptions=True)
    assert sum(not isinstance(answer, Exception) for answer in answers) == 1


async def test_of_two_signatures_each_alone_is_a_replay(postgres, system):
    system.polled = False
    environ = await pipelines.environment(postgres, system, DEPLOYMENT_WEBHOOK_SECRET_PREVIOUS=OLD_SECRET)
    async with serving(environ, system) as mesh:
        rollout = (await mesh.ensure()).rollout_id
        at = int(time.time())
        await mesh.report(rollout, SAYS_ROLLING, at=at)
        replayed = mesh.report(rollout, SAYS_ROLLING, at=at, secret=OLD_SECRET)
        assert await refusal(replayed) == ("ALREADY_EXISTS", "REPORT_REPLAYED")
        assert (await mesh.report(rollout, SAYS_READY, secret=OLD_SECRET)).state == NOW


@pytest.mark.parametrize("skew", [-60, 60])
async def test_a_report_that_is_too_old_or_too_new_is_refused(mesh, rollout, skew):
    expired = mesh.report(rollout, SAYS_READY, at=int(time.time()) + skew)
    assert await refusal(expired) == ("UNAUTHENTICATED", "SIGNATURE_EXPIRED")
    assert await state(mesh) != NOW


async def test_a_report_signed_for_another_tenant_rollout_or_by_another_is_refused(mesh, rollout):
    for how in (
        {"signed": (GLOBEX, "web", rollout)},
        {"signed": (ACME, "api", rollout)},
        {"signed": (ACME, "web", "another")},
        {"secret": "a-secret-that-nobody-has-agreed-upon"},
    ):
        assert await refusal(mesh.report(rollout, SAYS_READY, **how)) == ("UNAUTHENTICATED", "SIGNATURE_INVALID")
    unsigned = pb.ReportDeploymentRequest(**KEY, rollout_id=rollout, body={"data": SAYS_READY})
    assert await refusal(mesh.stub.ReportDeployment(unsigned)) == ("UNAUTHENTICATED", "SIGNATURE_INVALID")
    assert await state(mesh) != NOW


async def test_a_rightly_signed_report_about_what_is_not_there_is_told(mesh, rollout):
    assert await refusal(mesh.report("another", SAYS_READY)) == ("FAILED_PRECONDITION", "ROLLOUT_SUPERSEDED")
    assert await refusal(mesh.report(rollout, SAYS_READY, tenant=GLOBEX)) == ("NOT_FOUND", "DEPLOYMENT_NOT_FOUND")


async def test_a_report_about_an_earlier_rollout_changes_nothing(mesh, rollout):
    await mesh.report(rollout, SAYS_READY)
    await mesh.ensure(version="2.0")
    late = mesh.report(rollout, json.dumps(FAILED).encode())
    assert await refusal(late) == ("FAILED_PRECONDITION", "ROLLOUT_SUPERSEDED")


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"state": 6}'])
async def test_a_signed_report_that_is_none_is_refused_and_can_be_sent_again(mesh, rollout, body):
    for _ in range(2):
        assert await refusal(mesh.report(rollout, body)) == ("INVALID_ARGUMENT", "REPORT_INVALID")
    assert (await mesh.report(rollout, SAYS_READY)).changed


async def test_a_removal_is_reported_as_ready_and_then_gone(mesh, rollout):
    await mesh.report(rollout, SAYS_READY)
    going = (await mesh.stub.DeleteDeployment(pb.DeleteDeploymentRequest(**KEY))).deployment
    assert (await mesh.report(going.rollout_id, SAYS_READY)).changed
    assert await refusal(state(mesh)) == ("NOT_FOUND", "DEPLOYMENT_NOT_FOUND")


async def test_a_report_that_is_faster_than_the_answer_to_the_call_stands(mesh):
    mesh.system.polled = False
    free = asyncio.Event()
    mesh.system.faults = [pipelines.hang_until(free)]
    made = await mesh.ensure()
    await eventually(lambda: mesh.system.calls)
    await mesh.report(made.rollout_id, SAYS_READY)
    free.set()
    await eventually(lambda: mesh.system.runs)
    assert await state(mesh) == NOW


async def test_who_reports_is_told_where(postgres, system):
    environ = await pipelines.environment(postgres, system, DEPLOYMENT_PUBLIC_URL="https://mesh.example/")
    async with serving(environ, system) as mesh:
        made = await mesh.ensure()
        await mesh.ended()
    [told] = system.begun
    path = f"/tenants/{ACME}/deployments/web/rollouts/{made.rollout_id}/report"
    assert told["reportUrl"] == f"https://mesh.example{path}"
