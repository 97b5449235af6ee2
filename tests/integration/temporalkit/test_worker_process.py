"""The worker as a process: started, stopped, killed, replaced."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from tests.integration.temporalkit.saga_workflows import Making, Plan

from temporalkit.failures import fault_of

pytestmark = pytest.mark.chaos

ROOT = Path(__file__).resolve().parents[3]


class Process:
    """A worker process and what it has said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[dict[str, object]] = []
        self._told, self._ended = asyncio.Event(), False
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for line in self._process.stdout:
            self.lines.append(json.loads(line))
            self._told.set()
        self._ended = True
        self._told.set()

    async def says(self, message: str) -> dict[str, object]:
        while not (found := [line for line in self.lines if line["message"] == message]):
            assert not self._ended, f"it ended without saying {message!r}"
            self._told.clear()
            await self._told.wait()
        return found[0]

    async def send(self, number: signal.Signals) -> int:
        if self._process.returncode is None:
            self._process.send_signal(number)
        await self._reading
        return await self._process.wait()

    async def ended(self) -> int:
        await self._reading
        return await self._process.wait()


@pytest.fixture
def world(tmp_path) -> Path:
    return tmp_path


@pytest.fixture
def process(temporal, queue, world):
    """Start worker processes; what a test leaves running is killed."""

    @asynccontextmanager
    async def starting(**environ: str):
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "TEMPORAL_ADDRESS": temporal.address,
            "QUEUE": queue,
            "WORLD": str(world),
            "WORKER_HEARTBEAT_INTERVAL": "50ms",
            "PYTHONWARNINGS": "error",
            **environ,
        }
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.temporalkit.worker_process",
            env=variables, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        one = Process(child)
        try:
            yield one
        finally:
            await one.send(signal.SIGKILL)

    return starting


@pytest.fixture
def start(client, queue, run_id):
    return lambda plan: client.start_workflow(Making.run, plan, id=run_id, task_queue=queue)


def journal(world):
    path = world / "journal"
    return path.read_text().splitlines() if path.exists() else []


async def until(condition):
    while not condition():  # noqa: ASYNC110 - another process works on it
        await asyncio.sleep(0.02)


async def test_it_is_ready_then_works_then_stops_when_told(process, start, world):
    (world / "hang-a").touch()
    async with process() as worker:
        await worker.says("dependency is usable")
        handle = await start(Plan(steps=["a"]))
        await until(lambda: journal(world) == ["make a"])
        stopping = asyncio.create_task(worker.send(signal.SIGTERM))
        await worker.says("stopping")
        (world / "hang-a").unlink()  # within the grace the activity ends as if nothing had happened
        assert await stopping == 0
    succeeded = [line for line in worker.lines if line["message"] == "activity succeeded"]
    assert [(line["activity"], line["step"], line["attempt"]) for line in succeeded] == [("make", "a", 1)]
    assert succeeded[0]["workflow_id"] == handle.id
    async with process():
        assert await handle.result() == ["a!"]
    assert journal(world) == ["make a"]


async def test_past_the_grace_an_activity_is_cancelled_and_tried_elsewhere(process, start, world):
    (world / "fail-b").touch()
    (world / "hang-remove-b").touch()
    async with process(SHUTDOWN_GRACE="100ms") as worker:
        handle = await start(Plan(steps=["b"]))
        await until(lambda: "remove b" in journal(world))
        assert await worker.send(signal.SIGTERM) == 0
    assert [line["message"] for line in worker.lines].count("activity cancelled") == 1
    (world / "hang-remove-b").unlink()
    async with process():
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert journal(world) == ["make b", "remove b", "remove b"]


async def test_one_that_is_killed_in_the_middle_of_the_undo_is_replaced(process, start, world):
    (world / "fail-c").touch()
    (world / "hang-remove-b").touch()
    async with process() as worker:
        handle = await start(Plan(steps=["a", "b", "c"], heartbeat_timeout=3))
        await until(lambda: "remove b" in journal(world))
        await worker.send(signal.SIGKILL)
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    (world / "hang-remove-b").unlink()
    async with process():
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert fault_of(caught.value).facts["step"] == "c"
    assert not list(world.glob("thing-*"))
    assert journal(world) == ["make a", "make b", "make c", "remove c", "remove b", "remove b", "remove a"]


async def test_what_works_before_it_is_ready_is_drained_all_the_same(process, start, world):
    (world / "hang-a").touch()
    handle = await start(Plan(steps=["a"]))
    async with process() as worker:
        await until(lambda: journal(world) == ["make a"])
        stopping = asyncio.create_task(worker.send(signal.SIGTERM))
        await worker.says("stopping")
        (world / "hang-a").unlink()
        await stopping
    async with process():
        assert await handle.result() == ["a!"]
    assert journal(world) == ["make a"]


async def test_a_second_signal_stops_at_once(process, start, world):
    (world / "hang-a").touch()
    async with process() as worker:
        await start(Plan(steps=["a"]))
        await until(lambda: journal(world) == ["make a"])
        stopping = asyncio.create_task(worker.send(signal.SIGTERM))
        await worker.says("stopping")
        assert await worker.send(signal.SIGTERM) == 1
        await stopping


async def test_a_namespace_that_is_not_there_ends_it(process):
    async with process(TEMPORAL_NAMESPACE="nowhere") as worker:
        assert await worker.ended() == 1


async def test_wrong_settings_are_all_named(process):
    async with process(MAX_CONCURRENT_WORKFLOWS="1", TEMPORAL_PROFILE="x") as worker:
        assert await worker.ended() == 2
