"""The webhook on a pipeline that misbehaves in every way a pipeline can."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import asyncpg
import pytest
from tests.fixtures import pipelines
from tests.fixtures.pipelines import (
    FAILED,
    OLD_SECRET,
    READY,
    ROLLING,
    SECRET,
    answers,
    eventually,
    hang_until,
    lose_the_reply,
)
from tests.integration.deployments.conftest import ACME, KEY, State, refusal, serving

from postgreskit.catalog import tenancy_violations
from tenantmesh.deployments.v1 import deployment_pb2
from tenantmesh.deployments.v1 import deployment_service_pb2 as pb

Reason = deployment_pb2.DeploymentFailure.Reason


@asynccontextmanager
async def _owner(environ):
    """The database, as who owns it."""
    connection = await asyncpg.connect(environ["ADMIN_DATABASE_URL"])
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_rollout_is_called_for_asked_about_and_ready(mesh):
    mesh.system.says = ROLLING
    made = await mesh.ensure(hostnames=["acme.example.com"], settings={"A": "1"})
    assert made.state == State.DEPLOYMENT_STATE_PENDING
    await eventually(lambda: len(mesh.system.requests) >= 3)
    mesh.system.says = READY
    ready = await mesh.ended()
    assert (ready.state, ready.percent, ready.app_url) == (
        State.DEPLOYMENT_STATE_READY, 100, "https://acme.example.com",
    )  # fmt: skip
    [told] = mesh.system.begun
    assert (told["action"], told["tenantId"], told["version"], told["hostnames"]) == (
        "DEPLOY", ACME, "1.0", ["acme.example.com"],
    )  # fmt: skip
    assert list(mesh.system.runs) == [made.rollout_id]


@pytest.mark.parametrize(
    "fault",
    [
        answers(500, "<html>oops</html>"),
        answers(502),
        answers(429, Retry_After="0"),
        answers(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
        lose_the_reply,
    ],
    ids=["500", "502", "429", "503", "lost reply"],
)
async def test_who_puts_us_off_is_called_again_under_the_same_key(mesh, fault):
    mesh.system.faults = [fault, fault]
    made = await mesh.ensure()
    assert (await mesh.ended()).state == State.DEPLOYMENT_STATE_READY
    assert len(mesh.system.calls) >= 2
    assert {call["Idempotency-Key"] for call in mesh.system.calls} == {made.rollout_id}
    deliveries = [call["X-Delivery-Id"] for call in mesh.system.calls]
    assert len(set(deliveries)) == len(deliveries)
    assert len(mesh.system.runs) == 1


async def test_a_pipeline_that_says_when_is_not_called_before(mesh):
    mesh.system.faults = [answers(429, Retry_After="3600")]
    await mesh.ensure()
    await eventually(lambda: mesh.system.calls)
    # It is due when the rollout is out of time, which is sooner than an hour.
    async with asyncio.timeout(60), _owner(mesh.environ) as connection:
        waits = None
        while waits is None:
            waits = await connection.fetchval(_WAITS)
    assert 800 < waits <= 900
    assert len(mesh.system.calls) == 1


_WAITS = "SELECT extract(epoch FROM due_time - update_time)::float AS seconds FROM deployments WHERE attempts > 0"


@pytest.mark.parametrize(
    ("fault", "reason", "retryable"),
    [
        (answers(200, "<html>Please log in</html>"), Reason.REASON_PIPELINE_FAILED, True),
        (answers(200, "{" + " " * 70_000 + "}"), Reason.REASON_PIPELINE_FAILED, True),
        (answers(302, Location="http://127.0.0.1:1/elsewhere"), Reason.REASON_PIPELINE_FAILED, False),
        (answers(400), Reason.REASON_PIPELINE_FAILED, False),
        (answers(404), Reason.REASON_PIPELINE_FAILED, False),
        (answers(403), Reason.REASON_PROVIDER_FAILED, False),
        (answers(422, json.dumps(FAILED)), Reason.REASON_CRASHED, True),
        (answers(200, '{"state": 2, "statusUrl": "http://evil.example/"}'), Reason.REASON_PIPELINE_FAILED, False),
        (answers(200, '{"state": 2, "statusUrl": "http://169.254.169.254/"}'), Reason.REASON_PIPELINE_FAILED, False),
    ],
    ids=["HTML", "too long", "redirect", "400", "404", "403", "says why", "another host", "metadata"],
)
async def test_what_is_no_answer_fails_the_rollout(mesh, fault, reason, retryable):
    mesh.system.faults = [fault]
    await mesh.ensure()
    failed = await mesh.ended()
    assert (failed.state, failed.failure.reason, failed.failure.retryable) == (
        State.DEPLOYMENT_STATE_FAILED, reason, retryable,
    )  # fmt: skip
    assert "<html>" not in failed.failure.message
    # It rolls out again when somebody asks again.
    again = await mesh.ensure()
    assert again.rollout_id != failed.rollout_id
    assert (await mesh.ended()).state == State.DEPLOYMENT_STATE_READY


@pytest.mark.parametrize("fault", [answers(500), answers(200, "<html>"), answers(404), lose_the_reply])
async def test_a_status_that_stumbles_is_asked_again(mesh, fault):
    mesh.system.says = ROLLING
    await mesh.ensure()
    await eventually(lambda: len(mesh.system.requests) >= 2)
    mesh.system.faults = [fault]
    await eventually(lambda: not mesh.system.faults)
    mesh.system.says = READY
    assert (await mesh.ended()).state == State.DEPLOYMENT_STATE_READY


async def test_a_pipeline_that_fails_says_why(mesh):
    mesh.system.says = FAILED
    await mesh.ensure()
    failed = await mesh.ended()
    assert (failed.failure.reason, failed.failure.message) == (Reason.REASON_CRASHED, "It started and ended again.")


async def test_who_does_not_share_the_secret_is_not_believed_by_the_pipeline(mesh):
    mesh.system.secret = "another-secret-of-at-least-32-letters"
    await mesh.ensure()
    assert (await mesh.ended()).failure.reason == Reason.REASON_PROVIDER_FAILED
    assert mesh.system.runs == {}


async def test_the_secret_changes_without_a_pause(postgres, system):
    environ = await pipelines.environment(postgres, system, DEPLOYMENT_WEBHOOK_SECRET_PREVIOUS=OLD_SECRET)
    async with serving(environ, system) as mesh:
        for version, secret in (("1.0", OLD_SECRET), ("2.0", SECRET)):
            system.secret = secret
            await mesh.ensure(version=version)
            assert (await mesh.ended()).state == State.DEPLOYMENT_STATE_READY


async def test_a_pipeline_that_never_ends_is_given_up(postgres, system):
    system.says = ROLLING
    environ = await pipelines.environment(postgres, system, DEPLOYMENT_ROLLOUT_TIMEOUT="200ms")
    async with serving(environ, system) as mesh:
        await mesh.ensure()
        failed = await mesh.ended()
    assert (failed.failure.reason, failed.failure.retryable) == (Reason.REASON_NOT_READY_IN_TIME, True)


async def test_a_pipeline_that_does_not_answer_is_given_up_and_called_again(postgres, system):
    environ = await pipelines.environment(postgres, system, DEPLOYMENT_WEBHOOK_TIMEOUT="250ms")
    free = asyncio.Event()
    async with serving(environ, system) as mesh:
        system.faults = [hang_until(free), hang_until(free)]
        await mesh.ensure()
        await eventually(lambda: len(system.calls) >= 3)
        free.set()
        assert (await mesh.ended()).state == State.DEPLOYMENT_STATE_READY
    assert len(system.runs) == 1


async def test_this_machine_is_not_called_unless_it_is_allowed(postgres, system):
    environ = await pipelines.environment(postgres, system, DEPLOYMENT_WEBHOOK_ALLOWED_NETWORKS="")
    for host in ("127.0.0.1", "localhost"):
        url = system.url.replace("127.0.0.1", host)
        async with serving({**environ, "DEPLOYMENT_WEBHOOK_URL": f"{url}/deploy"}, system) as mesh:
            await mesh.ensure(version=host)
            assert (await mesh.ended()).failure.reason == Reason.REASON_PIPELINE_FAILED
    assert system.requests == []


async def test_a_rollback_and_a_removal_are_called_for_as_well(mesh):
    first = await mesh.ensure()
    await mesh.ended()
    await mesh.ensure(version="2.0", operation_id="deploy-acme")
    second = await mesh.ended()
    undo = pb.RollbackDeploymentRequest(**KEY, rollout_id=second.rollout_id, operation_id="undo-it", reason="x")
    assert (await mesh.stub.RollbackDeployment(undo)).rolled_back
    assert ((await mesh.ended()).version, (await mesh.ended()).state) == ("1.0", State.DEPLOYMENT_STATE_READY)
    gone = await mesh.stub.DeleteDeployment(pb.DeleteDeploymentRequest(**KEY, operation_id="provision-acme"))
    assert (gone.existed, gone.deployment.state) == (True, State.DEPLOYMENT_STATE_DELETING)
    assert await refusal(mesh.ended()) == ("NOT_FOUND", "DEPLOYMENT_NOT_FOUND")
    told = [(one["action"], one["version"], one["previousVersion"]) for one in mesh.system.begun]
    assert told == [("DEPLOY", "1.0", ""), ("DEPLOY", "2.0", "1.0"), ("ROLLBACK", "1.0", ""), ("REMOVE", "1.0", "")]
    assert first.rollout_id == mesh.system.begun[0]["rolloutId"]


async def test_an_undo_overtakes_a_call_that_hangs(mesh):
    free = asyncio.Event()
    mesh.system.faults = [hang_until(free)]
    await mesh.ensure()
    await eventually(lambda: mesh.system.calls)
    await mesh.stub.DeleteDeployment(pb.DeleteDeploymentRequest(**KEY, operation_id="provision-acme"))
    assert await refusal(mesh.ended()) == ("NOT_FOUND", "DEPLOYMENT_NOT_FOUND")
    free.set()  # the answer to what nobody wants any more changes nothing
    assert await refusal(mesh.stub.GetDeployment(pb.GetDeploymentRequest(**KEY))) == (
        "NOT_FOUND", "DEPLOYMENT_NOT_FOUND",
    )  # fmt: skip


async def test_two_replicas_call_once(postgres, system):
    environ = await pipelines.environment(postgres, system)
    async with serving(environ, system) as one, serving(environ, system) as other:
        made = await asyncio.gather(*(mesh.ensure() for mesh in (one, other) for _ in range(10)))
        assert len({deployment.rollout_id for deployment in made}) == 1
        assert (await other.ended()).state == (await one.ended()).state == State.DEPLOYMENT_STATE_READY
    assert len(system.runs) == 1
    assert len(system.calls) == 1


async def test_what_one_process_left_another_goes_on_with(postgres, system):
    environ = await pipelines.environment(postgres, system)
    free = asyncio.Event()
    system.faults = [hang_until(free)]
    async with serving(environ, system) as first:
        made = await first.ensure()
        await eventually(lambda: system.calls)
    free.set()
    async with _owner(environ) as connection:
        # As if the lease of whoever was killed had run out.
        await connection.execute("UPDATE deployments SET due_time = now()")
    async with serving(environ, system) as second:
        assert (await second.ensure()).rollout_id == made.rollout_id
        assert (await second.ended()).state == State.DEPLOYMENT_STATE_READY
    assert list(system.runs) == [made.rollout_id]


async def test_rows_are_fenced_by_tenant(mesh):
    await mesh.ensure()
    role = mesh.environ["DATABASE_URL"].partition("//")[2].partition(":")[0]
    async with _owner(mesh.environ) as connection:
        assert await tenancy_violations(connection, role=role, reference_tables={"hostnames"}) == []


async def test_nothing_secret_is_logged(mesh, caplog):
    mesh.system.faults = [answers(500, SECRET)]
    await mesh.ensure()
    await mesh.ended()
    assert SECRET not in caplog.text
    assert all(call["X-Signature"] not in caplog.text for call in mesh.system.calls)
