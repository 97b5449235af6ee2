"""The stack as its user meets it: up, status, logs, down, and everything that can happen in between."""

import asyncio
import json
import os
import signal
import socket
import stat
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import aiohttp
import asyncpg
import psutil
import pytest
from tests.integration.localstack.conftest import Command, until

from localstack.privileges import hand_over, unprivileged
from localstack.servers import objectstore

pytestmark = pytest.mark.chaos

ROOT = Path(__file__).resolve().parents[3]
SMALL = ("--only", "postgres,mailsink")
DEFAULT = {
    *("postgres", "temporal", "objectstore", "nameserver", "mailsink"),
    *("tenants", "identity", "storage", "dns", "notifications", "infrastructure", "deployments"),
    *("provisioning", "worker", "gateway"),
}


def environment_of(stack):
    lines = (stack.state / "env").read_text().splitlines()
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


async def test_the_default_stack_comes_up_is_seen_and_goes_down(stack):
    code, output = await stack.run("up")
    assert code == 0, output
    assert "all ready in" in output
    lines = await stack.status()
    assert {name for name, line in lines.items() if line["state"] == "ready"} >= DEFAULT
    assert all(line["memory"] > 2**20 and line["seconds"] > 0 for line in lines.values() if line["state"] == "ready")
    code, output = await stack.run("status")
    assert code == 0
    assert lines["gateway"]["addresses"]["http"] in output
    assert lines["postgres"]["addresses"]["sql"] in output
    given = environment_of(stack)
    assert stat.S_IMODE((stack.state / "env").stat().st_mode) == 0o600
    async with aiohttp.ClientSession() as client, client.get(f"{given['GATEWAY_URL']}/dns-records") as answer:
        assert (answer.status, await answer.json()) == (200, {"records": [], "nextPageToken": ""})

    code, output = await stack.run("up")
    assert code == 0
    assert "already running" in output

    marked = {process.pid for process in stack.members()}
    assert len(marked) >= len(DEFAULT)
    code, output = await stack.run("down")
    assert code == 0, output
    assert "none is left" in output
    assert stack.members() == []
    assert not any(psutil.pid_exists(pid) for pid in marked)
    assert not (stack.state / "env").exists()
    assert (await stack.run("status"))[0] == 3
    assert await stack.run("down") == (0, "nothing was running\n")


async def test_data_is_kept_between_runs_until_it_is_purged(stack):
    code, output = await stack.run("up", *SMALL)
    assert code == 0, output
    first = environment_of(stack)["DATABASE_URL"]
    connection = await asyncpg.connect(first)
    await connection.execute("create table kept as select 1 as n")
    await connection.close()
    await stack.run("down")
    await stack.run("up", *SMALL)
    connection = await asyncpg.connect(environment_of(stack)["DATABASE_URL"])
    assert await connection.fetchval("select n from kept") == 1
    await connection.close()
    code, output = await stack.run("down", "--purge")
    assert code == 0, output
    assert list(stack.state.iterdir()) == []


async def test_a_component_that_dies_is_reported_and_the_others_stay(stack):
    await stack.run("up", *SMALL)
    victim = (await stack.status())["mailsink"]
    psutil.Process(victim["pid"]).kill()
    await until(lambda: stack.record()["entries"]["mailsink"]["state"] == "died")
    code, output = await stack.run("status")
    assert code == 1
    assert "mailsink: ended with -9" in output
    assert "are shown on http://" in output, "the last lines of its log"
    lines = await stack.status()
    assert (lines["mailsink"]["state"], lines["postgres"]["state"]) == ("died", "ready")
    assert "mailsink died" in (await stack.run("logs", "supervisor"))[1]
    assert (await stack.run("down"))[0] == 0
    assert stack.members() == []


async def test_a_component_that_hangs_is_not_called_ready(stack):
    await stack.run("up", *SMALL)
    process = psutil.Process((await stack.status())["mailsink"]["pid"])
    process.suspend()
    try:
        code, output = await stack.run("status")
        assert code == 1
        assert "silent" in output
    finally:
        process.resume()
    assert (await stack.run("status"))[0] == 0


async def test_the_demo_keeps_its_promises_twice_on_one_stack(stack):
    code, output = await stack.run("up")
    assert code == 0, output
    demo = replace(stack, program=(sys.executable, str(ROOT / "tools" / "demo.py")))
    for _ in range(2):
        code, output = await demo.run()
        assert code == 0, output
        assert "nothing is left of it, asked of every service" in output
        assert "none is left, asked of the servers themselves" in output
        assert "The stack stays up." in output


async def test_nothing_outlives_a_killed_supervisor(stack):
    await stack.run("up")
    owned = stack.members()
    assert len(owned) > len(DEFAULT)
    stack.supervisor().kill()
    _, left = psutil.wait_procs(owned, timeout=20)
    assert [process for process in left if process.is_running()] == []
    code, output = await stack.run("status")
    assert (code, output) == (3, "not running: its supervisor was killed, and everything with it\n")
    code, output = await stack.run("up", *SMALL)
    assert code == 0, output
    assert (await stack.run("down"))[0] == 0
    assert stack.members() == []


@pytest.mark.parametrize("moment", ["the first process", "the first ready"])
async def test_ctrl_c_while_it_starts_leaves_nothing(stack, moment):
    process = await stack.start("up")

    def reached():
        if not (stack.state / "run" / "stack.json").exists():
            return False
        states = {entry["state"] for entry in stack.record()["entries"].values()}
        return "ready" in states if moment == "the first ready" else len(stack.members()) > 1

    await until(reached)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 130, output.decode()
    assert stack.members() == []
    assert not (stack.state / "env").exists()


async def test_ctrl_c_ends_a_stack_in_the_foreground(stack):
    process = await stack.start("up", "--foreground", *SMALL)
    await until((stack.state / "env").exists)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert output.decode().splitlines()[-1] == "stopped"
    assert stack.members() == []


async def test_a_start_that_fails_says_why_and_leaves_nothing(stack):
    data = stack.state / "data" / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("7\n")
    code, output = await stack.run("up", *SMALL)
    assert code == 1
    assert "not started: postgres ended with" in output
    assert "postgres: could not access" in output, "the last lines of its log"
    assert stack.members() == []
    code, output = await stack.run("status")
    assert code == 3
    assert "not started: postgres" in output


async def test_stale_records_and_reused_process_ids_harm_nobody(stack):
    await stack.run("up", *SMALL)
    await stack.run("down")
    bystander = await asyncio.create_subprocess_exec("sleep", "600")
    try:
        record = stack.record()
        record["phase"] = "running"
        record["supervisor"]["pid"] = bystander.pid
        record["entries"]["postgres"]["process"]["pid"] = bystander.pid
        (stack.state / "run" / "stack.json").write_text(json.dumps(record))
        assert (await stack.run("status"))[0] == 3
        assert (await stack.run("down"))[0] == 0
        assert bystander.returncode is None
        code, output = await stack.run("up", *SMALL)
        assert code == 0, output
        assert bystander.returncode is None
    finally:
        bystander.kill()
        await bystander.wait()
    await stack.run("down")


async def test_a_port_that_is_taken_is_replaced_and_status_says_so(stack):
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", 1025))
        except OSError:
            pass  # somebody else holds it: as good
        else:
            holder.listen()
        usual = Command(stack.state, ("env", "LOCAL_USUAL_PORTS=true", *stack.program))
        code, output = await usual.run("up", "--only", "mailsink")
        assert code == 0, output
        assert "* mailsink: smtp is not on its usual port 1025" in output
        assert (await stack.status())["mailsink"]["addresses"]["smtp"] != "127.0.0.1:1025"
    await stack.run("down")


async def test_two_that_start_the_same_stack_start_it_once(stack):
    results = await asyncio.gather(stack.run("up", *SMALL), stack.run("up", *SMALL))
    assert [code for code, _ in results] == [0, 0], results
    assert sum("already running" in output for _, output in results) == 1
    assert len([process for process in stack.members() if "localstack" in process.cmdline()]) == 1
    await stack.run("down")


async def test_asking_for_more_than_runs_is_refused(stack):
    await stack.run("up", "--only", "mailsink")
    code, output = await stack.run("up", *SMALL)
    assert code == 1
    assert "already running, without postgres" in output
    await stack.run("down")


async def test_what_cannot_run_says_so_and_unknown_names_are_listed(stack):
    code, output = await stack.run("up", "--only", "keycloak")
    assert code == 1
    assert "keycloak switched off by LOCAL_KEYCLOAK" in output
    assert stack.members() == []
    code, output = await stack.run("up", "--only", "nonsense")
    assert code == 1
    assert "no component is called nonsense; there are postgres, temporal" in output


def remove_dead_sockets():
    """Those of stores that were killed with their whole stack: what root left there another user could not replace."""
    for file in objectstore.SOCKETS.glob("seaweedfs-*.sock"):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(file))
            except ConnectionRefusedError:
                file.unlink(missing_ok=True)


async def test_it_runs_for_an_ordinary_user():
    """Root starts it as somebody else here; anybody else is an ordinary user already."""
    remove_dead_sockets()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        for path in (Path(folder), state):
            hand_over(path)
        stack = Command(state, tuple(unprivileged(Command(state).program)))
        code, output = await stack.run("up")
        try:
            assert code == 0, output
            assert 0 not in {process.uids().effective for process in stack.members()}
            assert {name for name, line in (await stack.status()).items() if line["state"] == "ready"} >= DEFAULT
        finally:
            code, output = await stack.run("down")
        assert code == 0, output
        assert stack.members() == []


async def test_prometheus_reads_the_others(stack):
    code, output = await stack.run("up", "--only", "prometheus,gateway")
    assert code == 0, output
    base = environment_of(stack)["PROMETHEUS_URL"]

    async def healthy():
        async with aiohttp.ClientSession() as client, client.get(f"{base}/api/v1/targets") as answer:
            targets = (await answer.json())["data"]["activeTargets"]
        return {target["labels"]["job"] for target in targets if target["health"] == "up"}

    for _ in range(600):
        if await healthy() >= {"prometheus", "gateway", "dns"}:
            break
        await asyncio.sleep(0.05)
    assert await healthy() >= {"prometheus", "gateway", "dns"}
    await stack.run("down")


async def test_logs_are_printed_and_followed(stack):
    await stack.run("up", "--only", "mailsink")
    code, output = await stack.run("logs", "mailsink")
    assert code == 0
    assert "are shown on http://" in output
    code, output = await stack.run("logs", "nonsense")
    assert (code, output) == (1, "there is no log of nonsense; there are: mailsink, supervisor\n")
    follower = await stack.start("logs", "mailsink", "-f")
    await follower.stdout.readline()
    with (stack.state / "logs" / "mailsink.log").open("a") as log:
        log.write("something new\n")
    assert await asyncio.wait_for(follower.stdout.readline(), 60) == b"something new\n"
    os.killpg(follower.pid, signal.SIGINT)
    assert await asyncio.wait_for(follower.wait(), 60) == 0
    await stack.run("down")
