"""Records the histories that `test_replay` replays. Named on the command line it runs, otherwise never:

    pytest tests/replay/recording.py

Run it when a workflow is new, or when runs of the old kind are gone for good. While runs of the old kind may still be
in flight, the old histories stay beside the new ones: give the new ones other names.
"""

import asyncio
import uuid
from contextlib import suppress
from pathlib import Path

import pytest
from temporalio.client import WorkflowFailureError
from tests.fixtures.memorymesh import Hanging, fails_after, fails_before, refused, unavailable
from tests.integration.worker.conftest import client, mesh, progress_of, provisioning, queues  # noqa: F401 - fixtures

from temporalkit.testing.replay import recorded
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.provisioning.v1 import provision_tenant_pb2 as pb
from tenantmesh.provisioning.v1.commands_pb2 import (
    APPROVAL_DECISION_APPROVED,
    APPROVAL_DECISION_REJECTED,
    Amendment,
    Approval,
    Cancellation,
    Continuation,
)
from tenantmesh.provisioning.v1.health_check_pb2 import HealthCheckInput
from tenantmesh.provisioning.v1.operation_state_pb2 import OPERATION_STATE_HELD, OPERATION_STATE_WAITING
from tenantmesh.provisioning.v1.tenant_environment_pb2 import Resumption

HISTORIES = Path(__file__).parent / "histories"


async def keep(name, handle):
    """Let a run end, however it ends, and keep what it did."""
    with suppress(WorkflowFailureError):
        await handle.result()
    (HISTORIES / f"{name}.json").write_text(await recorded(handle))


async def reaches(handle, state):
    async with asyncio.timeout(30):
        while (await progress_of(handle)).state != state:  # noqa: ASYNC110 - a run tells nobody when it changes
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("tier", ["pooled", "bridge", "silo"])
async def test_each_tier(provisioning, tier):  # noqa: F811 - the fixture
    provisioning.tier = tier_pb2.Tier.Value(f"TIER_{tier.upper()}")
    await keep(f"provision-{tier}", await provisioning.start(infrastructure=tier == "silo"))


@pytest.mark.parametrize(
    ("name", "method", "trouble"),
    [
        ("refused-at-dns", "EnsureRecord", [fails_before(refused)]),
        ("refused-after-its-effect", "EnsureBucket", [fails_after(refused)]),
        ("tried-again", "EnsureSchema", [fails_before(unavailable)]),
        ("without-its-mail", "SendNotification", [fails_before(refused)]),
    ],
)
async def test_trouble(provisioning, name, method, trouble):  # noqa: F811 - the fixture
    provisioning.mesh.misbehave(method, provisioning.tenant_id, *trouble)
    await keep(f"provision-{name}", await provisioning.start())


async def test_left_behind(provisioning):  # noqa: F811 - the fixture
    provisioning.mesh.misbehave("DeleteBucket", provisioning.tenant_id, fails_before(refused))
    provisioning.mesh.misbehave("EnsureRecord", provisioning.tenant_id, fails_before(refused))
    await keep("provision-left-behind", await provisioning.start())


async def test_cancelled(provisioning):  # noqa: F811 - the fixture
    hanging = Hanging(after_effect=True)
    provisioning.mesh.misbehave("EnsureDeployment", provisioning.tenant_id, hanging)
    handle = await provisioning.start()
    await hanging.entered.wait()
    await handle.execute_update("cancel", Cancellation(origin={"principal": "grace", "reason": "a mistake"}))
    await keep("provision-cancelled", handle)


@pytest.mark.parametrize(
    ("name", "decision"), [("approved", APPROVAL_DECISION_APPROVED), ("rejected", APPROVAL_DECISION_REJECTED)]
)
async def test_decided(provisioning, name, decision):  # noqa: F811 - the fixture
    handle = await provisioning.start(infrastructure=True, require_approval=True)
    await reaches(handle, OPERATION_STATE_WAITING)
    await handle.execute_update("amend", Amendment(domains=["shop.example.com"], skip_steps=["welcome"]))
    await handle.execute_update("approve", Approval(decision=decision))
    await keep(f"provision-{name}", handle)


async def test_held(provisioning):  # noqa: F811 - the fixture
    provisioning.mesh.misbehave("EnsureDeployment", provisioning.tenant_id, fails_before(refused))
    handle = await provisioning.start(failure_policy=pb.FAILURE_POLICY_HOLD)
    await reaches(handle, OPERATION_STATE_HELD)
    await handle.execute_update("retry", Continuation())
    await keep("provision-held", handle)


async def test_resumed(provisioning):  # noqa: F811 - the fixture
    hanging = Hanging()
    provisioning.mesh.misbehave("EnsureDeployment", provisioning.tenant_id, hanging)
    handle = await provisioning.start()
    await hanging.entered.wait()
    resumption = await handle.query("getResumption", result_type=Resumption)
    await handle.terminate("as an operator would")
    await keep("provision-resumed", await provisioning.start(resumption=resumption))


async def test_planned(provisioning):  # noqa: F811 - the fixture
    await keep("provision-planned", await provisioning.start(validate_only=True))


async def test_health(client, queues):  # noqa: F811 - the fixtures
    handle = await client.start_workflow(
        "HealthCheck", HealthCheckInput(), id=f"health-check-{uuid.uuid4()}", task_queue=queues.of("pooled")
    )
    await keep("health-check", handle)
