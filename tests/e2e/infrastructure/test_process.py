"""The infrastructure service as a process, and through the gateway."""

import asyncio
import json
import signal

import aiohttp
import pytest_asyncio
from tests.fixtures.processes import service, spawn

ACME, GLOBEX = "0192f0c1-2b3c-7d4e-8f50-112233445566", "0192f0c1-2b3c-7d4e-8f50-665544332211"
STACKS = f"/tenants/{ACME}/stacks"


@pytest_asyncio.fixture(scope="module")
async def call(gateway):
    """Calls the gateway with JSON: answers the status and the body."""
    settings = {"INFRASTRUCTURE_MEMORY_PACE": "100ms", "INFRASTRUCTURE_WATCH_INTERVAL": "10ms"}
    async with service("infrastructure", **settings) as process:
        url = (await gateway({"infrastructure": process.address})).url
        async with aiohttp.ClientSession(url) as session:

            async def call(method, path, body=None):
                async with session.request(method, path, **({"json": body} if body is not None else {})) as answer:
                    return answer.status, [json.loads(line) for line in (await answer.read()).splitlines() if line]

            yield call


def wish(name, **more):
    return {"operationId": "provision-acme", "name": name, "tier": "TIER_SILO", **more}


async def test_a_stack_is_held_approved_watched_and_destroyed(call):
    status, [made] = await call("POST", STACKS, wish("tenant-acme", holdForApproval=True))
    assert (status, made["created"], made["stack"]["state"]) == (200, True, "STATE_UPDATING")
    run = f"/tenants/{ACME}/stack-runs/{made['run']['runId']}"
    _, told = await call("GET", f"{run}/watch")
    assert told[-1]["run"]["state"] == "STATE_PLANNED"
    status, [refused] = await call("GET", f"/tenants/{GLOBEX}/stack-runs/{made['run']['runId']}")
    assert (status, refused["details"][0]["reason"]) == (404, "RUN_NOT_FOUND")
    status, _ = await call("POST", f"{run}/approve", {"reason": "budget agreed"})
    assert status == 200
    _, told = await call("GET", f"{run}/watch")
    assert told[-1]["run"]["state"] == "STATE_APPLIED"
    _, [again] = await call("POST", STACKS, wish("tenant-acme"))
    assert (again["created"], "run" in again, again["stack"]["state"]) == (False, False, "STATE_READY")
    status, [refused] = await call("DELETE", f"/tenants/{GLOBEX}/stacks/tenant-acme")
    assert (status, refused["details"][0]["reason"]) == (409, "STACK_NOT_OWNED")
    _, [listed] = await call("GET", STACKS)
    assert [stack["name"] for stack in listed["stacks"]] == ["tenant-acme"]
    _, [gone] = await call("DELETE", f"{STACKS}/tenant-acme?operationId=provision-acme")
    assert (gone["existed"], gone["run"]["kind"]) == (True, "KIND_DESTROY")
    _, told = await call("GET", f"/tenants/{ACME}/stack-runs/{gone['run']['runId']}/watch")
    assert told[-1]["run"]["state"] == "STATE_APPLIED"
    _, [gone] = await call("DELETE", f"{STACKS}/tenant-acme")
    assert not gone.get("existed")


async def test_a_running_run_is_cancelled(call):
    _, [made] = await call("POST", STACKS, wish("tenant-held", holdForApproval=True))
    run = f"/tenants/{ACME}/stack-runs/{made['run']['runId']}"
    _, [cancelled] = await call("POST", f"{run}/cancel", {"reason": "too dear"})
    assert cancelled["run"]["state"] == "STATE_CANCELLED"


async def test_what_breaks_the_bounds_is_named(call):
    status, [refused] = await call("POST", STACKS, wish("x", tier="TIER_UNSPECIFIED"))
    assert (status, refused["details"][0]["reason"]) == (400, "REQUEST_INVALID")


async def test_without_a_provider_nobody_takes_a_stack_for_made(gateway):
    async with service("infrastructure", INFRASTRUCTURE_PROVIDER="none") as process:
        url = (await gateway({"infrastructure": process.address})).url
        async with aiohttp.ClientSession(url) as session, session.post(STACKS, json=wish("tenant-acme")) as answer:
            said = await answer.json()
        assert (said["stack"]["state"], said["stack"]["provider"]) == ("STATE_SKIPPED", "none")
        assert "run" not in said
        process.process.send_signal(signal.SIGTERM)
        assert await process.ended() == 0


async def test_production_refuses_stacks_in_memory():
    production = {"MESH_MODE": "production", "AUTH_JWKS": "https://id.example/jwks", "AUTH_ISSUER": "x"}
    process = await spawn("infrastructure", **production)
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    for problem in ("INFRASTRUCTURE_PROVIDER: memory makes nothing", "AUTH_AUDIENCE"):
        assert problem in output.decode()
