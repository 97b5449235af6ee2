"""A worker as a process of its own, for tests that stop and kill it. What it makes are files in a folder."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from temporalio import activity
from tests.integration.temporalkit.saga_workflows import Making

from chassis.process import run
from settingskit import load
from temporalkit.settings import WorkerSettings
from temporalkit.worker import run_worker
from temporalkit.workers import Queue, Work


class Folder:
    """A world that outlives the process. A file `hang-X` makes X wait until it is gone; `fail-X` makes it fail."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @activity.defn
    async def make(self, name: str) -> str:
        self._say(f"make {name}")
        if (self._path / f"fail-{name}").exists():
            raise RuntimeError("no")
        (self._path / f"thing-{name}").touch()
        await self._wait(name)
        return f"{name}!"

    @activity.defn
    async def remove(self, name: str) -> bool:
        self._say(f"remove {name}")
        await self._wait(f"remove-{name}")
        existed = (self._path / f"thing-{name}").exists()
        (self._path / f"thing-{name}").unlink(missing_ok=True)
        return existed

    async def _wait(self, name: str) -> None:
        while (self._path / f"hang-{name}").exists():  # noqa: ASYNC110 - the test decides
            await asyncio.sleep(0.02)

    def _say(self, line: str) -> None:
        with (self._path / "journal").open("a") as journal:
            journal.write(f"{line}\n")


async def main() -> None:
    """Serve the queue the environment names."""
    folder = Folder(Path(os.environ["WORLD"]))
    queue = Queue(os.environ["QUEUE"], workflows=[Making], activities=[folder.make, folder.remove])
    await run_worker("worker", Work([queue]), settings=load(WorkerSettings, os.environ, service="worker"))


if __name__ == "__main__":
    sys.exit(run(main))
