"""The service as a server over a pipeline and a database, both real."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest_asyncio
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from tests.fixtures.pipelines import CiCd, cicd, environment, report_headers

from chassis import Servicer, running
from deployments_service import app
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.deployments.v1 import deployment_pb2
from tenantmesh.deployments.v1 import deployment_service_pb2 as pb
from tenantmesh.deployments.v1 import deployment_service_pb2_grpc as rpc

ACME, GLOBEX = "0192f0c1-2b3c-7d4e-8f50-112233445566", "0192f0c1-2b3c-7d4e-8f50-665544332211"
KEY = {"tenant_id": ACME, "app": "web"}
WISH = {**KEY, "operation_id": "provision-acme", "tier": tier_pb2.TIER_SILO, "version": "1.0"}


@dataclass(slots=True)
class Mesh:
    """A running service, and the pipeline it calls."""

    stub: rpc.DeploymentServiceStub
    system: CiCd
    environ: dict[str, str]
    provider: Any

    async def ensure(self, **changes):
        return (await self.stub.EnsureDeployment(pb.EnsureDeploymentRequest(**(WISH | changes)))).deployment

    async def ended(self, **key):
        """The deployment at the end of its rollout."""
        watching = self.stub.WatchDeployment(pb.WatchDeploymentRequest(**(KEY | key)), timeout=60)
        return [answer.deployment async for answer in watching][-1]

    async def report(self, rollout_id, body, *, tenant=ACME, signed=None, **how):
        """What a pipeline says, signed as it is told to."""
        headers = report_headers(signed or (tenant, "web", rollout_id), body, **how)
        request = pb.ReportDeploymentRequest(tenant_id=tenant, app="web", rollout_id=rollout_id, body={"data": body})
        metadata = [(name.lower(), value) for name, value in headers.items()]
        return await self.stub.ReportDeployment(request, metadata=metadata)


async def refusal(call):
    """The code and the reason a call is refused with."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        info = error_details_pb2.ErrorInfo()
        [first, *_] = rpc_status.from_call(error).details
        assert first.Unpack(info)
        return error.code().name, info.reason
    raise AssertionError("it was not refused")


@asynccontextmanager
async def serving(environ, system):
    environ = {"MESH_MODE": "development", "RPC_PORT": "0", "OPS_PORT": "0", **environ}
    server, provider, handlers = app.compose(environ)
    servicer = Servicer(rpc.add_DeploymentServiceServicer_to_server, handlers)
    async with (
        running("deployments", servicers=[servicer], resources=[provider], settings=server) as served,
        grpc.aio.insecure_channel(served.address) as channel,
    ):
        yield Mesh(rpc.DeploymentServiceStub(channel), system, environ, provider)


@pytest_asyncio.fixture
async def system():
    async with cicd() as one:
        yield one


@pytest_asyncio.fixture
async def mesh(postgres, system):
    async with serving(await environment(postgres, system), system) as one:
        yield one


State = deployment_pb2.DeploymentState
