"""The handlers over the memory provider; what they decide nothing about is tried with the domain."""

import pytest
from tests.unit.deployments_service.conftest import over

from deployments_service.handlers import DeploymentHandlers
from deployments_service.model import State
from deployments_service.providers.memory import MemoryProvider, MemorySettings
from faults import Invalid
from pagekit import PageSettings, PageTokens
from settingskit import load
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.deployments.v1 import deployment_pb2
from tenantmesh.deployments.v1 import deployment_service_pb2 as pb

ACME = "0192f0c1-2b3c-7d4e-8f50-112233445566"
KEY = {"tenant_id": ACME, "app": "web"}
READY = deployment_pb2.DEPLOYMENT_STATE_READY


class Believing:
    """Believes everything."""

    def verify(self, signed):
        self.signed = signed

    async def accept(self, _signed, report):
        self.report = report
        return State.READY, False


class Called:
    """A call with two headers."""

    def invocation_metadata(self):
        return (("x-timestamp", "1767225600"), ("x-signature", "signed"))


@pytest.fixture
def reports():
    return Believing()


@pytest.fixture
def handlers(reports):
    tokens = PageTokens.configured(load(PageSettings, {}))
    return DeploymentHandlers(over(MemoryProvider(MemorySettings()), reports), tokens)


async def ensure(handlers, **changes):
    request = {**KEY, "operation_id": "provision-acme", "tier": tier_pb2.TIER_SILO, "version": "1.0"}
    return await handlers.EnsureDeployment(pb.EnsureDeploymentRequest(**(request | changes)), None)


async def test_a_deployment_is_made_read_watched_rolled_back_and_removed(handlers):
    made = await ensure(handlers)
    assert (made.created, made.deployment.state) == (True, READY)
    assert (await handlers.GetDeployment(pb.GetDeploymentRequest(**KEY), None)).deployment == made.deployment
    changed = (await ensure(handlers, version="2.0")).deployment
    watched = [one.deployment async for one in handlers.WatchDeployment(pb.WatchDeploymentRequest(**KEY), None)]
    assert watched == [changed]
    undo = pb.RollbackDeploymentRequest(**KEY, rollout_id=changed.rollout_id, operation_id="roll-back", reason="x")
    first, second = [await handlers.RollbackDeployment(undo, None) for _ in range(2)]
    assert (first.rolled_back, first.deployment.version, second.rolled_back) == (True, "1.0", False)
    gone = pb.DeleteDeploymentRequest(**KEY, operation_id="provision-acme")
    first, second = [await handlers.DeleteDeployment(gone, None) for _ in range(2)]
    assert (first.existed, first.HasField("deployment"), second.existed) == (True, False, False)


async def test_pages_go_on_where_they_ended(handlers):
    for index in range(5):
        await ensure(handlers, app=f"app-{index}")
    first = await handlers.ListDeployments(pb.ListDeploymentsRequest(page_size=3), None)
    token = first.next_page_token
    second = await handlers.ListDeployments(pb.ListDeploymentsRequest(page_size=3, page_token=token), None)
    apps = [one.app for page in (first, second) for one in page.deployments]
    assert (apps, second.next_page_token) == ([f"app-{index}" for index in range(5)], "")
    with pytest.raises(Invalid):
        await handlers.ListDeployments(pb.ListDeploymentsRequest(tenant_id=ACME, page_token=token), None)


async def test_a_report_is_handed_on_with_its_signature(handlers, reports):
    request = pb.ReportDeploymentRequest(**KEY, rollout_id="r-1", body={"data": b'{"state": 3}'})
    answer = await handlers.ReportDeployment(request, Called())
    assert (answer.state, answer.changed) == (READY, False)
    assert (reports.signed.rollout_id, reports.signed.signature, reports.report.state) == ("r-1", "signed", State.READY)
