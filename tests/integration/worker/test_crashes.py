import pytest
from tests.integration.worker.conftest import Provisioning
from tests.integration.worker.crashes import METHODS, WAYS, tried

from tenantmesh.common.v1 import tier_pb2
from worker_service.tables.provision_tenant import STEPS


def test_the_matrix_has_every_step():
    assert set(METHODS) == {step.name for step in STEPS} - {"approval"}


@pytest.mark.parametrize("way", WAYS)
async def test_whatever_goes_wrong_at_whichever_step_a_tenant_is_whole_or_gone(client, mesh, queues, way):
    tally = await tried(lambda: Provisioning(client, mesh, queues, tier_pb2.TIER_SILO), way, at_once=True)
    assert (tally.wrong, tally.leftovers, tally.passed) == ([], 0, len(METHODS))
