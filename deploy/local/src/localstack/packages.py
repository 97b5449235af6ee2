"""The programs that come with installed Python packages."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path


def program(name: str) -> str:
    """The path of a program that a package put beside the interpreter, which need not be on the PATH."""
    beside = Path(sysconfig.get_path("scripts")) / name
    if beside.exists():
        return str(beside)
    return str(Path(sys.executable).parent / name)
