"""Small components made of the Python interpreter: they start in milliseconds and fail on demand."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from localstack.component import Component, NotReady, Stop
from localstack.process import members
from localstack.settings import StackSettings

SERVE = "import pathlib, time; pathlib.Path('up').touch(); time.sleep(600)"


async def is_up(site):
    if not (site.folder / "up").exists():
        raise NotReady(site.name)


def component(name: str, code: str = SERVE, **changes) -> Component:
    """A component whose process runs some Python code."""
    described: Mapping = {
        "summary": name,
        "command": lambda _: [sys.executable, "-S", "-c", code],
        "ready": is_up,
        "stop": Stop(grace=timedelta(seconds=5)),
        "patience": timedelta(seconds=20),
        **changes,
    }
    return Component(name=name, **described)


@pytest.fixture
def settings(tmp_path: Path):
    """Settings of a stack in a folder of its own. Whatever the test did, nothing is left of it."""
    yield StackSettings(state=tmp_path / "state", usual_ports=False)
    left = members((tmp_path / "state").resolve())
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=10)
