"""The typed client and the command line, against provisioning, a worker and Temporal that are real."""

import asyncio
import json
import os
import sys

import pytest
from tests.e2e.provisioning.conftest import operation_id, provision
from tests.fixtures import processes
from tests.fixtures.memorymesh import Hanging, fails_before
from tests.fixtures.memorymesh import refused as denied

from meshctl import MeshSettings, OperationFailed, open_mesh
from meshctl.exits import Exit


@pytest.fixture(scope="module")
async def address(working):
    async with processes.service("provisioning", **working.environment) as process:
        yield process.address


@pytest.fixture
async def client(address):
    async with open_mesh(MeshSettings(address=address)) as client:
        yield client


@pytest.fixture
def meshctl(address):
    """Runs a command in a process of its own, and answers its exit code and what it said."""

    async def meshctl(*words):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "meshctl", "--address", address, *words,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={"PATH": os.environ["PATH"]},
        )  # fmt: skip
        said, wrong = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, said.decode(), wrong.decode()

    return meshctl


async def test_a_program_starts_watches_and_awaits(client, working):
    tenant_id = await working.tenant()
    plan = await client.plan(provision(tenant_id))
    assert plan.acceptable
    operation = await client.start(provision(tenant_id, reason="sign-up"))
    assert operation.started
    percents = [now.percent async for now in operation.watch()]
    assert percents == sorted(percents)
    done = await operation.result()
    assert done.provision_tenant.success
    assert (await client.operation(operation_id(tenant_id))).latest.run_id == done.run_id
    assert await working.state(tenant_id) == "ACTIVE"


async def test_a_failure_is_raised_and_can_be_retried(client, working):
    tenant_id = await working.tenant()
    working.memory.misbehave("EnsureRecord", tenant_id, fails_before(denied))
    operation = await client.start(provision(tenant_id))
    with pytest.raises(OperationFailed) as caught:
        await operation.result()
    assert caught.value.operation.failed_step == "dns_record"
    assert (await (await operation.retry("mended")).result()).provision_tenant.success


async def test_a_tenant_is_provisioned_by_a_command(meshctl, working):
    tenant_id = await working.tenant()
    code, said, wrong = await meshctl("provision", tenant_id)
    assert (code, wrong) == (Exit.OK, "")
    lines = said.splitlines()
    assert any(line.startswith(f"100 %  {operation_id(tenant_id)}  succeeded") for line in lines)
    assert any("schema  done" in line for line in lines)
    code, said, _ = await meshctl("--json", "operations", "show", operation_id(tenant_id))
    assert code == Exit.OK
    assert json.loads(said)["provisionTenant"]["success"]
    code, _, wrong = await meshctl("provision", tenant_id)
    assert code == Exit.REFUSED
    assert "OPERATION_ALREADY_SUCCEEDED" in wrong


async def test_a_failure_names_the_step_and_what_to_do(meshctl, working):
    tenant_id = await working.tenant()
    working.memory.misbehave("EnsureRecord", tenant_id, fails_before(denied))
    code, said, _ = await meshctl("provision", tenant_id)
    assert code == Exit.FAILED
    assert "dns_record: No. (PROVIDER_CREDENTIALS_REFUSED" in said
    assert f"meshctl operations retry {operation_id(tenant_id)}" in said


async def test_an_operation_is_cancelled_by_a_command(meshctl, working):
    tenant_id = await working.tenant()
    hanging = Hanging()
    working.memory.misbehave("EnsureDeployment", tenant_id, hanging)
    assert (await meshctl("provision", tenant_id, "--no-wait"))[0] == Exit.OK
    await hanging.entered.wait()
    code, said, _ = await meshctl("operations", "cancel", operation_id(tenant_id), "--reason", "wrong customer")
    assert code == Exit.OK
    assert "cancelled" in said
    assert await working.state(tenant_id) == "CANCELLED"


async def test_health_is_told(meshctl):
    code, said, _ = await meshctl("health", "--prove")
    assert code == Exit.OK
    assert said.startswith("serving")
