import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from datetime import timedelta

import psutil
import pytest

from localstack import launcher, process
from localstack.component import Stop
from localstack.process import MARKER, Child, finish, members, spawn, tail

WAIT = "import time; time.sleep(600)"


@pytest.fixture
def state(tmp_path):
    yield tmp_path
    for one in members(tmp_path):
        one.kill()


async def start(state, *command, env=None):
    return await spawn("it", command, state=state, folder=state, log=state / "logs" / "it.log", env=env or {})


async def test_a_child_has_its_folder_its_settings_its_mark_and_its_log(state):
    code = f"import os; print(os.getcwd(), os.environ['HELLO'], os.environ['{MARKER}'], flush=True)"
    child = await start(state, sys.executable, "-c", code, env={"HELLO": "world"})
    assert await child.process.wait() == 0
    assert tail(child.log) == [f"{state} world {state}"]


async def test_the_log_before_stands_beside_the_log(state):
    for word in ("first", "second"):
        await (await start(state, "echo", word)).process.wait()
    assert tail(state / "logs" / "it.log") == ["second"]
    assert tail(state / "logs" / "it.log.1") == ["first"]


async def test_a_child_of_the_child_is_ended_with_it(state):
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{WAIT}']); {WAIT}"
    child = await start(state, sys.executable, "-c", code)
    for _ in range(1000):
        if len(members(state)) == 2:
            break
        await asyncio.sleep(0.01)
    family = members(state)
    assert len(family) == 2
    await child.stop(Stop(grace=timedelta(seconds=5)))
    psutil.wait_procs(family, timeout=10)
    assert members(state) == []
    await child.stop(Stop())


async def test_a_process_dies_with_its_parent_however_that_dies(state):
    code = textwrap.dedent(f"""
        import asyncio, pathlib, sys
        from localstack.process import spawn
        state = pathlib.Path({str(state)!r})
        async def main():
            await spawn("it", [sys.executable, "-c", {WAIT!r}], state=state, folder=state, log=state / "log", env={{}})
            print("up", flush=True)
            await asyncio.sleep(600)
        asyncio.run(main())
    """)
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE)
    assert await parent.stdout.readline() == b"up\n"
    (child,) = members(state)
    parent.kill()
    await parent.wait()
    assert await asyncio.to_thread(psutil.wait_procs, [child], timeout=10) == ([child], [])


async def test_the_launcher_refuses_a_parent_that_is_gone(tmp_path):
    command = [sys.executable, launcher.__file__, "1", sys.executable, "-c", f"open({str(tmp_path / 'ran')!r}, 'w')"]
    done = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
    _, output = await done.communicate()
    assert done.returncode == 1
    assert b"1, which started" in output
    assert not (tmp_path / "ran").exists()


async def test_on_other_systems_the_command_is_run_as_it_is(state, monkeypatch):
    monkeypatch.setattr(process.sys, "platform", "darwin")
    child = await start(state, sys.executable, "-c", "print('plain')")
    assert await child.process.wait() == 0
    assert tail(child.log) == ["plain"]


async def test_a_short_command_gives_its_exit_code_and_output(state):
    code = "import os, sys; print(os.environ['WORD']); print('bad', file=sys.stderr); sys.exit(4)"
    assert await finish([sys.executable, "-c", code], state, {"WORD": "good"}) == (4, "good\nbad\n")


async def test_a_short_command_does_not_outlive_its_caller(state):
    task = asyncio.create_task(finish([sys.executable, "-c", WAIT], state))
    for _ in range(1000):
        if members(state):
            break
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert members(state) == []


async def test_a_program_that_does_not_exist_fails_with_words(state):
    child = await start(state, "no-such-program")
    assert await child.process.wait() == 1
    assert "No such file or directory" in tail(child.log)[-1]


def test_the_tail_of_a_log_is_its_last_lines(tmp_path):
    log = tmp_path / "log"
    assert tail(log) == []
    log.write_bytes(b"\xff bad\n" + b"".join(b"line %d\n" % number for number in range(5000)))
    assert tail(log, 2) == ["line 4998", "line 4999"]


async def test_only_marked_processes_are_members(state):
    child = await start(state, sys.executable, "-c", WAIT)
    other = subprocess.Popen([sys.executable, "-c", WAIT])  # noqa: ASYNC220 - unmarked, and started otherwise
    try:
        assert [one.pid for one in members(state)] == [child.process.pid]
        assert os.getpid() not in [one.pid for one in members(state)]
        assert members(state / "elsewhere") == []
    finally:
        other.kill()
        other.wait()
        await child.stop(Stop(signal.SIGKILL))
    assert isinstance(child, Child)
    assert not child.running
