"""The thin client for scripts: no event loop, no streams that go on; ask, wait, done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import grpc

from chassis.client.credentials import channel_credentials
from chassis.errors import faults_raised
from faults import Fault
from meshctl.outcome import is_final, succeeded
from meshctl.requests import Patience, StartRequest, repeatable, rpc_of
from meshctl.settings import MeshSettings
from tenantmesh.provisioning.v1 import operation_pb2
from tenantmesh.provisioning.v1 import operation_requests_pb2 as pb
from tenantmesh.provisioning.v1 import provisioning_service_pb2_grpc as rpc

_LOOK_AGAIN = 1.0  # seconds between two looks at an operation that runs


@contextmanager
def open_blocking(settings: MeshSettings | None = None) -> Iterator[BlockingMesh]:
    """Open a client that waits in the calling thread.

    Raises:
        ValueError: when a bearer token would cross a network in plain text.
    """
    settings = settings or MeshSettings()
    credentials = channel_credentials(settings.client.tls)()
    if settings.client.token_file is not None:
        message = "the blocking client proves itself by a certificate; for bearer tokens take open_mesh"
        raise ValueError(message)
    channel = (
        grpc.secure_channel(settings.address, credentials) if credentials else grpc.insecure_channel(settings.address)
    )
    with channel:
        yield BlockingMesh(channel, settings.client.timeout)


class BlockingMesh:
    """The mesh as a script sees it. Every method raises the `Fault` that a service answers."""

    def __init__(self, channel: grpc.Channel, timeout: timedelta = timedelta(seconds=10)) -> None:
        """Call over a channel; no call takes longer than the time-out."""
        self.provisioning = rpc.ProvisioningServiceStub(channel)
        self._timeout = timeout.total_seconds()

    def start(self, request: StartRequest) -> operation_pb2.Operation:
        """Start an operation, or find it where it runs already with the same input."""
        with faults_raised():
            answer = getattr(self.provisioning, rpc_of(request))(repeatable(request), timeout=self._timeout)
        operation: operation_pb2.Operation = answer.operation
        return operation

    def state(self, operation: operation_pb2.Operation) -> operation_pb2.Operation:
        """Read how it stands now."""
        request = pb.GetOperationRequest(
            operation_id=operation.operation_id, tenant_id=operation.tenant_id, run_id=operation.run_id
        )
        with faults_raised():
            return self.provisioning.GetOperation(request, timeout=self._timeout).operation

    def result(
        self, operation: operation_pb2.Operation, patience: timedelta = timedelta(minutes=5)
    ) -> operation_pb2.Operation:
        """Wait for its end and answer it as it ended.

        Raises:
            OperationFailed: it failed; the exception has the operation with its ledger.
            OperationCancelled: it was cancelled.
            Fault: when the mesh has not answered for as long as the patience lasts.
        """
        waiting = Patience(patience)
        while not is_final(operation):
            try:
                operation = self.state(operation)
            except Fault as fault:
                time.sleep(waiting.pause(fault))
            else:
                waiting.answered()
                time.sleep(0 if is_final(operation) else _LOOK_AGAIN)
        return succeeded(operation)

    def cancel(self, operation: operation_pb2.Operation, reason: str = "") -> operation_pb2.Operation:
        """End it and undo what it made."""
        request = pb.CancelOperationRequest(
            operation_id=operation.operation_id, tenant_id=operation.tenant_id, reason=reason
        )
        with faults_raised():
            return self.provisioning.CancelOperation(repeatable(request), timeout=self._timeout).operation

    def retry(self, operation: operation_pb2.Operation, reason: str = "") -> operation_pb2.Operation:
        """Take it up again at its first step not done."""
        request = pb.RetryOperationRequest(
            operation_id=operation.operation_id, tenant_id=operation.tenant_id, reason=reason
        )
        with faults_raised():
            return self.provisioning.RetryOperation(repeatable(request), timeout=self._timeout).operation
