"""Stacks of their own: the command line, run as a user runs it, on free ports with its own state folder."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from tests.fixtures.servers import CACHE

from localstack import control
from localstack.process import members

PATIENCE = 100


@dataclass(frozen=True)
class Command:
    """`python -m localstack`, for one state folder."""

    state: Path
    program: tuple[str, ...] = (sys.executable, "-m", "localstack")

    @property
    def environment(self):
        own = {"LOCAL_STATE": str(self.state), "LOCAL_CACHE": str(CACHE), "LOCAL_USUAL_PORTS": "false"}
        # Keycloak takes longer to start than all the others; the tests that are about it start it.
        return {**os.environ, **own, "LOCAL_KEYCLOAK": "false"}

    async def run(self, *words):
        """Run it to its end; answers its exit code and what it printed."""
        process = await self.start(*words)
        async with asyncio.timeout(PATIENCE):
            output, _ = await process.communicate()
        return process.returncode, output.decode()

    async def start(self, *words):
        """Start it in a process group of its own, as a shell does."""
        return await asyncio.create_subprocess_exec(
            *self.program, *words, env=self.environment, cwd=self.state.parent,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    async def status(self):
        """What `status --json` says, by component."""
        _, output = await self.run("status", "--json")
        return {one["name"]: one for one in json.loads(output)["components"]}

    def record(self):
        """What the supervisor has written down."""
        return json.loads((self.state / "run" / "stack.json").read_text())

    def members(self):
        """Every process that bears the mark of this state folder."""
        return members(self.state)

    def supervisor(self):
        return psutil.Process(self.record()["supervisor"]["pid"])


async def until(condition, patience=30):
    """Wait for a condition."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        await asyncio.sleep(0.02)


@pytest.fixture
def stack(tmp_path):
    """The command line for a state folder of its own. Afterwards nothing is left, whatever the test did."""
    command = Command(tmp_path / "state")
    yield command
    control.end(command.state)
