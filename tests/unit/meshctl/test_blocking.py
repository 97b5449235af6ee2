"""The client for scripts: against a channel that a test plays the other side of, and against a real server."""

import asyncio
import threading
from datetime import timedelta
from pathlib import Path

import grpc
import grpc_testing
import pytest
from tests.unit.meshctl.conftest import FAILED, OPERATION, RUN, SUCCEEDED, TENANT, operation

from chassis.client import ClientSettings
from faults import Unavailable
from meshctl import MeshSettings, OperationFailed
from meshctl.blocking import BlockingMesh, open_blocking
from tenantmesh.provisioning.v1 import operation_requests_pb2 as pb
from tenantmesh.provisioning.v1 import provisioning_service_pb2
from tenantmesh.provisioning.v1.tenant_requests_pb2 import ProvisionTenantRequest, ProvisionTenantResponse

SERVICE = provisioning_service_pb2.DESCRIPTOR.services_by_name["ProvisioningService"]
WANTED = ProvisionTenantRequest(tenant_id=TENANT)


@pytest.fixture
def channel():
    return grpc_testing.channel([SERVICE], grpc_testing.strict_real_time())


@pytest.fixture
def script(channel):
    """Runs a script in a thread of its own, and answers what it returned or raised when asked."""
    threads = []

    def run(work):
        outcome = {}

        def thread():
            try:
                outcome["answer"] = work(BlockingMesh(channel))
            except Exception as error:  # noqa: BLE001 - it is looked at by the test
                outcome["error"] = error

        threads.append(threading.Thread(target=thread, daemon=True))
        threads[-1].start()

        def ended():
            threads[-1].join(20)
            return outcome

        return ended

    yield run
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def answered(channel, name, answer, code=grpc.StatusCode.OK):
    """Take the next call of a method, answer it, and hand out its request."""
    _, request, call = channel.take_unary_unary(SERVICE.methods_by_name[name])
    call.send_initial_metadata(())
    call.terminate(answer, (), code, "")
    return request


def test_a_start_waits_for_the_answer(channel, script):
    ended = script(lambda mesh: mesh.start(WANTED))
    request = answered(channel, "ProvisionTenant", ProvisionTenantResponse(operation=operation(), started=True))
    assert request.tenant_id == TENANT
    assert request.request_id
    assert ended()["answer"].operation_id == OPERATION


def test_a_result_is_asked_for_until_it_is_there(channel, script, monkeypatch):
    monkeypatch.setattr("meshctl.blocking._LOOK_AGAIN", 0.01)
    ended = script(lambda mesh: mesh.result(operation()))
    answered(channel, "GetOperation", pb.GetOperationResponse(operation=operation(percent=50)))
    answered(channel, "GetOperation", pb.GetOperationResponse(), grpc.StatusCode.UNAVAILABLE)
    request = answered(channel, "GetOperation", pb.GetOperationResponse(operation=SUCCEEDED))
    assert (request.operation_id, request.run_id) == (OPERATION, RUN)
    assert ended()["answer"] == SUCCEEDED


def test_a_failure_is_raised_with_its_ledger(channel, script):
    ended = script(lambda mesh: mesh.result(operation()))
    answered(channel, "GetOperation", pb.GetOperationResponse(operation=FAILED))
    error = ended()["error"]
    assert isinstance(error, OperationFailed)
    assert error.operation == FAILED


def test_nothing_waits_for_ever(channel, script):
    ended = script(lambda mesh: mesh.result(operation(), timedelta(0)))
    answered(channel, "GetOperation", pb.GetOperationResponse(), grpc.StatusCode.UNAVAILABLE)
    assert isinstance(ended()["error"], Unavailable)


def test_an_operation_can_be_cancelled_and_retried(channel, script):
    ended = script(lambda mesh: (mesh.cancel(operation(), "wrong"), mesh.retry(operation(), "mended")))
    cancel = answered(channel, "CancelOperation", pb.CancelOperationResponse(operation=operation("UNDOING")))
    retry = answered(channel, "RetryOperation", pb.RetryOperationResponse(operation=operation(), started=True))
    assert (cancel.reason, retry.reason) == ("wrong", "mended")
    assert [each.run_id for each in ended()["answer"]] == [RUN, RUN]


async def test_a_real_server_is_called(mesh):
    def work():
        with open_blocking(mesh.settings) as blocking:
            return blocking.state(blocking.start(WANTED))

    assert (await asyncio.to_thread(work)).operation_id == OPERATION


def test_a_bearer_token_is_refused_rather_than_left_out():
    settings = MeshSettings(client=ClientSettings(token_file=Path("token")))
    with pytest.raises(ValueError, match="open_mesh"), open_blocking(settings):
        pass
