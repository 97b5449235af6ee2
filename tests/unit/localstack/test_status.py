import asyncio
import os
import sys
from dataclasses import replace

import psutil
import pytest
from tests.unit.localstack.conftest import component

from localstack import status
from localstack.component import NotReady
from localstack.record import Entry, Identity, Record
from localstack.settings import StackSettings
from localstack.stack import State


async def fine(_):
    pass


async def refuses(_):
    msg = "not now"
    raise NotReady(msg)


async def hangs(_):
    await asyncio.sleep(60)


@pytest.fixture
def one(monkeypatch):
    """Makes a component the only one there is."""

    def known(**changes):
        described = component("a", ready=fine, ports={"http": 8080, "inner": 0})
        monkeypatch.setattr(status, "COMPONENTS", (replace(described, **changes),))

    return known


async def look(entry):
    (line,) = await status.look(Record(Identity(1, 1.0), {"a": entry, "forgotten": Entry({})}), StackSettings())
    return line


def entry(state=State.READY, **changes):
    facts = {"ports": {"http": 8081, "inner": 9}, "process": Identity.of(os.getpid())}
    return Entry(state=state, **{**facts, **changes})


async def test_what_answers_is_ready_and_measured(one):
    one()
    line = await look(entry(seconds=1.234, note="by other means"))
    assert (line.state, line.note, line.seconds, line.pid) == ("ready", "by other means", 1.23, os.getpid())
    assert line.memory > 2**20
    assert line.addresses == {"http": "127.0.0.1:8081"}
    assert line.moved == {"http": 8080}
    assert line.as_json()["name"] == "a"


async def test_what_does_not_answer_is_silent_and_says_why(one, monkeypatch):
    one(ready=refuses)
    line = await look(entry())
    assert (line.state, line.note) == ("silent", "NotReady: not now")
    monkeypatch.setattr(status, "PATIENCE", 0.05)
    one(ready=hangs)
    assert (await look(entry())).note.startswith("TimeoutError")


async def test_what_is_gone_has_died(one):
    one()
    line = await look(entry(process=Identity(os.getpid(), 1.0)))
    assert (line.state, line.note, line.memory, line.pid) == ("died", "its process is gone", 0, None)


@pytest.mark.parametrize("state", [State.DIED, State.FAILED, State.STARTING, State.ABSENT])
async def test_what_never_was_ready_is_not_asked(one, state):
    one(ready=refuses)
    line = await look(entry(state, process=None, note="as noted"))
    assert (line.state, line.note) == (state.value, "as noted")
    assert bool(line.addresses) is (state is not State.ABSENT)


async def test_memory_counts_the_children_too(one, monkeypatch):
    one()
    child = await status.asyncio.create_subprocess_exec(
        sys.executable, "-c", "x = b'1' * 50_000_000; print(flush=True); input()", stdin=-1, stdout=-1
    )
    try:
        assert await child.stdout.readline()  # it has its memory
        together = (await look(entry())).memory
        assert together > (await look(entry(process=Identity.of(child.pid)))).memory > 50_000_000

        def denied(_):
            raise psutil.AccessDenied

        monkeypatch.setattr(psutil.Process, "memory_full_info", denied)
        assert (await look(entry(process=Identity.of(child.pid)))).memory > 50_000_000
        monkeypatch.setattr(psutil.Process, "memory_info", denied)
        assert (await look(entry(process=Identity.of(child.pid)))).memory == 0
    finally:
        child.kill()
        await child.wait()


async def test_what_was_asked_a_moment_ago_is_not_asked_again(one):
    one(ready=refuses)
    (line,) = await status.look(Record(Identity(1, 1.0), {"a": entry()}), StackSettings(), ask=False)
    assert line.state == "ready"
