"""How a process begins and ends: signals, exit codes, and start-up problems told to a person."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, cast

from chassis.resources import StartFailed
from settingskit import SettingsInvalid, describe

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(main: Callable[[], Coroutine[Any, Any, None]], *, settings: Iterable[type] = ()) -> int:
    """Run a process, on uvloop where that is installed, and answer its exit code.

    With `--help` it lists what can be set in the environment instead: `settings`, in their order.

    0: it was told to stop, and did. 1: it could not start, or was told to stop at once. 2: its settings are wrong.
    """
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(*_manual(settings), sep="\n")  # noqa: T201 - what was asked for
        return 0
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(main())
    except SettingsInvalid as invalid:
        return _ended(2, "these settings are wrong:", *(f"  {problem}" for problem in invalid.problems))
    except StartFailed as failed:
        return _ended(1, str(failed))
    except (asyncio.CancelledError, KeyboardInterrupt):
        _ended(1, "stopped at once")
        _leave(1)
    return 0


class Stop:
    """The wish of whoever started the process that it end."""

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self._waited_for = False
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())

    async def wait(self) -> None:
        """Return when the first signal comes; only what is up and waits here ends gently."""
        self._waited_for = True
        await self._told.wait()

    def tell(self) -> None:
        """Take a signal: the first one ends the wait, any other cancels the task, wherever it is."""
        if self._waited_for and not self._told.is_set():
            self._told.set()
        else:
            self._task.cancel()


@contextmanager
def signals() -> Iterator[Stop]:
    """Take SIGTERM and SIGINT for as long as the block lasts."""
    loop, stop = asyncio.get_running_loop(), Stop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.tell)
    try:
        yield stop
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _manual(settings: Iterable[type]) -> Iterator[str]:
    """What a person must know to start the process."""
    yield "It reads its settings from the environment and serves until it is told to stop.\n"
    shown = set()
    for setting in (each for kind in settings for each in describe(kind)):
        if setting.name not in shown:
            shown.add(setting.name)
            default = "required" if setting.required else f"default: {setting.default or 'none'}"
            yield f"{setting.name}  ({default})\n    {setting.help}"


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _leave(code: int) -> NoReturn:
    """End without Python's own end, which waits for every thread, such as one in a call to a vendor."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _ended(code: int, *lines: str) -> int:
    print(*lines, sep="\n", file=sys.stderr)  # noqa: T201 - whoever started it reads this
    return code
