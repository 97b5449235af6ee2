"""Printing logs."""

from __future__ import annotations

import time
from pathlib import Path

from localstack.process import tail

LOOK_EVERY = 0.2


class NoLog(Exception):  # noqa: N818 - says what is the case
    """There is no such log."""


def show(state: Path, name: str, lines: int, *, follow: bool) -> None:
    """Print the last lines of a log, and what is added to it for as long as it is followed."""
    path = state / "logs" / f"{name}.log"
    if not path.exists():
        there = ", ".join(sorted(one.stem for one in path.parent.glob("*.log"))) or "none"
        msg = f"there is no log of {name}; there are: {there}"
        raise NoLog(msg)
    position = path.stat().st_size  # what is added while this is printed belongs to what is followed
    for line in tail(path, lines, end=position):
        print(line)
    if follow:
        _follow(path, position)


def _follow(path: Path, position: int) -> None:
    while True:
        time.sleep(LOOK_EVERY)
        size = path.stat().st_size
        position = 0 if size < position else position  # it was started anew
        with path.open("rb") as file:
            file.seek(position)
            added = file.read()
        print(added.decode(errors="replace"), end="", flush=True)
        position += len(added)
