import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass

import pytest

from chassis import StartFailed, run
from chassis.process import _loop_factory, signals
from settingskit import Problem, SettingsInvalid, setting


def test_a_process_that_ends_well_answers_0(capsys):
    async def main():
        pass

    assert run(main) == 0
    assert capsys.readouterr().err == ""


def test_wrong_settings_are_listed_and_no_traceback_is_shown(capsys):
    async def main():
        raise SettingsInvalid([Problem("RPC_PORT", "must be a whole number"), Problem("AUTH_JWKS", "is required")])

    assert run(main) == 2
    assert capsys.readouterr().err.splitlines() == [
        "these settings are wrong:",
        "  RPC_PORT: must be a whole number",
        "  AUTH_JWKS: is required",
    ]


def test_what_does_not_open_is_said(capsys):
    async def main():
        raise StartFailed("postgres does not open: refused")

    assert run(main) == 1
    assert capsys.readouterr().err == "postgres does not open: refused\n"


def test_a_process_that_is_cut_off_waits_for_nothing():
    program = """
        import asyncio, threading
        from chassis import run

        async def main():
            threading.Thread(target=threading.Event().wait).start()  # Python itself would wait for its end
            print("last words")
            asyncio.current_task().cancel()
            await asyncio.sleep(60)

        run(main)
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "last words\n", "stopped at once\n")


def test_a_bug_is_a_bug():
    async def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(main)


def test_it_runs_on_uvloop_and_without_it(monkeypatch):
    assert _loop_factory().__module__.startswith("uvloop")
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert _loop_factory() is asyncio.new_event_loop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_ends_the_wait(number):
    with signals() as stop:
        waiting = asyncio.create_task(stop.wait())
        await asyncio.sleep(0)
        os.kill(os.getpid(), number)
        await asyncio.wait_for(waiting, 5)


async def test_the_second_one_cancels():
    async def drain():
        with signals() as stop:
            stop_it = asyncio.get_running_loop().call_soon
            stop_it(os.kill, os.getpid(), signal.SIGTERM)
            await stop.wait()
            stop_it(os.kill, os.getpid(), signal.SIGTERM)
            await asyncio.sleep(60)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.create_task(drain()), 5)


async def test_one_before_anything_is_up_cancels():
    async def start():
        with signals():
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
            await asyncio.sleep(60)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.create_task(start()), 5)


@dataclass(frozen=True)
class Settings:
    port: int = setting("RPC_PORT", default=0, help="The port.")
    database: str = setting("DATABASE_URL", help="The database.")
    colour: str = setting("COLOUR", default="", help="The colour.")


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_asked_for_help_it_lists_each_setting_once(capsys, monkeypatch, word):
    monkeypatch.setattr(sys, "argv", ["dns", word])

    async def main():
        pytest.fail("started")

    assert run(main, settings=[Settings, Settings]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "RPC_PORT  (default: 0)",
        "    The port.",
        "DATABASE_URL  (required)",
        "    The database.",
        "COLOUR  (default: none)",
        "    The colour.",
    ]
