"""Runs that began under an earlier build go on under this one: committed histories are replayed, commands compared.

What a failure means, and what to do, stands in docs/how-to/change-a-workflow.md.
"""

from pathlib import Path

import pytest
from temporalio.workflow import NondeterminismError

from temporalkit.fingerprints import difference
from temporalkit.testing.replay import read, replay
from worker_service.app import SHARED
from worker_service.tables import provision_tenant
from worker_service.workflows.health_check import HealthCheck
from worker_service.workflows.provision_tenant import ProvisionTenant

HERE = Path(__file__).parent
HISTORIES = sorted((HERE / "histories").glob("*.json"))
COMMANDS = ("worker_service.workflows", "worker_service.operation", "worker_service.tables")


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_what_a_run_did_is_what_it_would_do_now(path):
    await replay(read(path), ProvisionTenant, HealthCheck, shared=SHARED)


def test_every_way_a_run_can_go_has_its_history():
    assert {path.stem for path in HISTORIES} >= {
        "health-check",
        *(f"provision-{tier}" for tier in ("pooled", "bridge", "silo")),
        *(f"provision-{way}" for way in ("refused-at-dns", "left-behind", "cancelled", "held", "resumed", "rejected")),
    }


async def test_a_step_that_is_gone_is_noticed(monkeypatch):
    steps = [step for step in provision_tenant.STEPS if step.name != "bucket"]
    monkeypatch.setattr("worker_service.workflows.provision_tenant.STEPS", steps)
    history = read(HERE / "histories" / "provision-pooled.json")
    with pytest.raises(NondeterminismError):
        await replay(history, ProvisionTenant, shared=("worker_service",))  # all of it, so that the change is seen


def test_commands_are_those_that_were_committed():
    assert difference(HERE / "fingerprints.json", COMMANDS) == ""


def test_no_history_says_where_it_was_recorded():
    for path in HISTORIES:
        text = path.read_text()
        assert '"identity"' not in text
        assert "/tests/" not in text
        assert "site-packages" not in text
