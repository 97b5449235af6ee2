import asyncio
import io
import os
import shlex
import signal
import stat

import pytest
from tests.unit.localstack.conftest import SERVE, component

from localstack import record as records
from localstack.process import members
from localstack.stack import State, plan
from localstack.supervisor import AlreadySupervised, Supervisor, alone, environment_file, write_environment


def supervisor(settings, *components, **options):
    state = settings.state.resolve()
    return Supervisor.of(plan(components, settings), state, output=io.StringIO(), **options)


async def until(condition):
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come true")


async def test_it_runs_until_told_to_end_and_keeps_the_record(settings):
    started = []
    one = supervisor(settings, component("a", gives=lambda _: {"A_URL": "x y"}), started=lambda: started.append(1))
    life = asyncio.create_task(one.run())
    await until(lambda: one.record.phase == "running")
    assert started == [1]
    written = records.read(one.state)
    assert written.alive()
    assert written.entries["a"].state is State.READY
    assert written.entries["a"].process.process().pid in [process.pid for process in members(one.state)]
    assert environment_file(one.state).read_text() == "export A_URL='x y'\n"
    os.kill(os.getpid(), signal.SIGTERM)
    assert await life == 0
    assert records.read(one.state).phase == "stopped"
    assert not environment_file(one.state).exists()
    assert members(one.state) == []


async def test_a_start_that_fails_ends_it_with_the_reason(settings):
    one = supervisor(settings, component("a"), component("bad", "print('why'); raise SystemExit(1)"))
    assert await one.run() == 1
    written = records.read(one.state)
    assert (written.phase, written.problem) == ("failed", "bad ended with 1")
    assert written.entries["bad"].last_lines == ["why"]
    assert "    why" in one.output.getvalue().splitlines()
    assert members(one.state) == []


async def test_who_dies_is_taken_down_and_the_rest_stays(settings):
    one = supervisor(settings, component("a", f"print('hello', flush=True); {SERVE}"))
    life = asyncio.create_task(one.run())
    await until(lambda: one.record.phase == "running")
    one.stack.children["a"].process.kill()
    await until(lambda: records.read(one.state).entries["a"].state is State.DIED)
    assert records.read(one.state).entries["a"].last_lines == ["hello"]
    assert not life.done()
    os.kill(os.getpid(), signal.SIGINT)
    assert await life == 0


async def test_told_while_starting_it_ends_at_once(settings):
    one = supervisor(settings, component("a", "import time; time.sleep(600)"))
    life = asyncio.create_task(one.run())
    await until(lambda: members(one.state))
    os.kill(os.getpid(), signal.SIGHUP)
    assert await life == 0
    assert members(one.state) == []


async def test_a_mistake_of_its_own_leaves_nothing_running(settings):
    def command(_):
        return 1 / 0

    one = supervisor(settings, component("a"), component("b", needs=("a",), command=command))
    assert await one.run() == 1
    assert "ZeroDivisionError" in records.read(one.state).problem
    assert members(one.state) == []


def test_a_state_folder_has_one_supervisor(tmp_path):
    with alone(tmp_path), pytest.raises(AlreadySupervised, match="a stack already runs from"), alone(tmp_path):
        pytest.fail("it had two")
    with alone(tmp_path):
        pass


def test_the_settings_are_for_a_shell_and_for_their_owner(tmp_path):
    awkward = "it's; $HOME"
    write_environment(tmp_path, {"B": "1", "A": awkward})
    path = environment_file(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == f"export A={shlex.quote(awkward)}\nexport B=1\n"
    write_environment(tmp_path, {})
    assert path.read_text() == ""
