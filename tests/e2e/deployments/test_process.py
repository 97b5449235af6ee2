"""The deployments service as a process: through the gateway, killed in the middle, told to stop."""

import asyncio
import json
import signal
from contextlib import asynccontextmanager

import aiohttp
import asyncpg
import pytest_asyncio
from tests.fixtures.pipelines import (
    READY,
    SECRET,
    cicd,
    environment,
    eventually,
    hang_until,
    report_headers,
)
from tests.fixtures.processes import service, spawn

ACME, GLOBEX = "0192f0c1-2b3c-7d4e-8f50-112233445566", "0192f0c1-2b3c-7d4e-8f50-665544332211"
DEPLOYMENTS = f"/tenants/{ACME}/deployments"
WISH = {"operationId": "provision-acme", "app": "web", "tier": "TIER_SILO", "version": "1.0"}


@pytest_asyncio.fixture
async def system():
    async with cicd() as one:
        yield one


@asynccontextmanager
async def through(gateway, process):
    """Calls the gateway by HTTP: answers the status and the lines of the body."""
    url = (await gateway({"deployments": process.address})).url
    async with aiohttp.ClientSession(url) as session:

        async def call(method, path, body=None, **more):
            more |= {"json": body} if body is not None else {}
            async with session.request(method, path, **more) as answer:
                return answer.status, [json.loads(line) for line in (await answer.read()).splitlines() if line]

        yield call


async def test_a_deployment_is_reported_ready_through_the_gateway(gateway, postgres, system):
    system.polled = False
    async with (
        service("deployments", **await environment(postgres, system)) as process,
        through(gateway, process) as call,
    ):
        status, [made] = await call("POST", DEPLOYMENTS, WISH)
        assert (status, made["created"]) == (200, True)
        rollout = made["deployment"]["rolloutId"]
        await eventually(lambda: rollout in system.runs)
        path, body = f"{DEPLOYMENTS}/web/rollouts/{rollout}/report", json.dumps(READY, indent=4).encode()
        headers = report_headers((ACME, "web", rollout), body)
        sent = {"data": body, "headers": {**headers, "Content-Type": "application/json"}}
        stolen = path.replace(ACME, GLOBEX)
        status, [refused] = await call("POST", stolen, **sent)
        assert (status, refused["details"][0]["reason"]) == (401, "SIGNATURE_INVALID")
        status, [taken] = await call("POST", path, **sent)
        assert (status, taken["state"], taken["changed"]) == (200, "DEPLOYMENT_STATE_READY", True)
        status, [refused] = await call("POST", path, **sent)
        assert (status, refused["details"][0]["reason"]) == (409, "REPORT_REPLAYED")
        _, told = await call("GET", f"{DEPLOYMENTS}/web/watch")
        assert told[-1]["deployment"]["appUrl"] == READY["appUrl"]
        _, [listed] = await call("GET", DEPLOYMENTS)
        assert [one["app"] for one in listed["deployments"]] == ["web"]
    log = "\n".join(process.lines)
    assert SECRET not in log
    assert headers["X-Signature"] not in log


async def test_a_process_that_is_killed_leaves_its_rollout_to_another(postgres, system):
    environ = await environment(postgres, system)
    free = asyncio.Event()
    system.faults = [hang_until(free)]
    async with service("deployments", **environ) as process:
        async with _rpc(process) as first:
            made = await first.ensure()
        await eventually(lambda: system.calls)
        process.process.kill()
        await process.ended()
    free.set()
    connection = await asyncpg.connect(environ["ADMIN_DATABASE_URL"])
    try:
        # As if the lease of whoever was killed had run out.
        await connection.execute("UPDATE deployments SET due_time = now()")
    finally:
        await connection.close()
    async with service("deployments", **environ) as process, _rpc(process) as second:
        assert (await second.ensure()).rollout_id == made.rollout_id
        assert (await second.ended()).app_url == READY["appUrl"]
        process.process.send_signal(signal.SIGTERM)
        assert await process.ended() == 0
    assert list(system.runs) == [made.rollout_id]
    assert {call["Idempotency-Key"] for call in system.calls} == {made.rollout_id}


async def test_without_a_provider_nobody_takes_a_deployment_for_made(gateway):
    async with service("deployments", DEPLOYMENT_PROVIDER="none") as process, through(gateway, process) as call:
        _, [said] = await call("POST", DEPLOYMENTS, WISH)
        assert said["deployment"]["state"] == "DEPLOYMENT_STATE_SKIPPED"
        assert not said.get("created")
        report = f"{DEPLOYMENTS}/web/rollouts/r-1/report"
        status, [refused] = await call("POST", report, READY)
        assert (status, refused["details"][0]["reason"]) == (400, "REPORT_NOT_EXPECTED")


async def test_production_names_every_missing_credential():
    process = await spawn("deployments", MESH_MODE="production", DEPLOYMENT_PROVIDER="webhook")
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    for name in ("DATABASE_URL", "DEPLOYMENT_WEBHOOK_URL", "DEPLOYMENT_WEBHOOK_SECRET", "AUTH_JWKS"):
        assert f"{name}: " in output.decode()


@asynccontextmanager
async def _rpc(process):
    import grpc
    from tests.integration.deployments.conftest import Mesh

    from tenantmesh.deployments.v1 import deployment_service_pb2_grpc as rpc

    async with grpc.aio.insecure_channel(process.address) as channel:
        yield Mesh(rpc.DeploymentServiceStub(channel), None, {}, None)
