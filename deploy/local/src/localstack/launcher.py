"""Become another program that dies when its parent does.

    python launcher.py PARENT PROGRAM [ARGUMENT ...]

Run as a script, for every process of the stack: it imports nothing that takes time.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Tell the kernel, make sure that the parent did not die before it was told, and become the program."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(f"{parent}, which started {command[0]}, is gone")
    os.execvp(command[0], command)  # noqa: S606 - to become it is the purpose


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
