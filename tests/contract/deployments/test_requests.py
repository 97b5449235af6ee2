import protovalidate
import pytest

from tenantmesh.deployments.v1 import deployment_pb2, deployment_service_pb2

TENANT = "01890a5d-ac96-774b-bcce-b302099a8057"


def broken_rules(message):
    try:
        protovalidate.validate(message)
    except protovalidate.ValidationError as error:
        return [violation.proto.rule_id for violation in error.violations]
    return []


@pytest.mark.parametrize(("size", "broken"), [(0, ["body.size"]), (1, []), (65536, []), (65537, ["body.size"])])
def test_the_raw_body_of_a_report_has_a_size(size, broken):
    request = deployment_service_pb2.ReportDeploymentRequest(tenant_id=TENANT, app="web", rollout_id="r-1")
    request.body.data = b"x" * size
    request.body.content_type = "application/json"
    assert broken_rules(request) == broken


def test_a_report_has_a_body():
    request = deployment_service_pb2.ReportDeploymentRequest(tenant_id=TENANT, app="web", rollout_id="r-1")
    assert broken_rules(request) == ["required"]


@pytest.mark.parametrize("state", deployment_pb2.DeploymentState.values())
def test_a_pipeline_reports_only_what_it_can_know(state):
    told = {
        deployment_pb2.DEPLOYMENT_STATE_ROLLING_OUT,
        deployment_pb2.DEPLOYMENT_STATE_READY,
        deployment_pb2.DEPLOYMENT_STATE_FAILED,
    }
    assert broken_rules(deployment_pb2.DeploymentReport(state=state)) == ([] if state in told else ["enum.in"])
