"""Which ports a stack listens on: the usual ones, or free ones where those are taken."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from localstack.site import HOST

# Below the range the kernel takes the ports of outgoing connections from, so that none of those gets in between.
FIRST, LAST = 20_000, 32_000
SLOT = 64


class PortsTaken(Exception):  # noqa: N818 - names what happened
    """No free port is left in the range."""


def choose(wanted: Mapping[str, Mapping[str, int]], *, usual: bool) -> dict[str, dict[str, int]]:
    """A port for each port of each component: the usual one if it is free and `usual` ones are asked for.

    A port whose usual number is 0 is nobody's business and always a free one.
    """
    free = _candidates()
    taken: set[int] = set()

    def pick(number: int) -> int:
        may_keep = usual and number and number not in taken and is_free(number)
        port = number if may_keep else next(p for p in free if p not in taken)
        taken.add(port)
        return port

    return {name: {port: pick(number) for port, number in ports.items()} for name, ports in wanted.items()}


@contextmanager
def choosing(*, usual: bool) -> Iterator[Callable[[], None]]:
    """Let nobody else choose among the usual ports until those chosen are in use: until the given function is called.

    Stacks of one user that start at the same moment would else find the same ports free.
    """
    if not usual:
        yield lambda: None
        return
    path = Path(tempfile.gettempdir()) / f"tenantmesh-ports-{os.getuid()}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.close


def is_free(port: int) -> bool:
    """Whether nothing on this machine listens on the port, over TCP or UDP, on loopback."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind is socket.SOCK_STREAM:
                # Connections in TIME_WAIT do not hinder a server, so they must not hinder the probe.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                return False
    return True


def _candidates() -> Iterator[int]:
    """Free ports, from a place of this process's own on, so that stacks that start side by side seldom meet."""
    start = os.getpid() * SLOT % (LAST - FIRST)
    for offset in range(LAST - FIRST):
        port = FIRST + (start + offset) % (LAST - FIRST)
        if is_free(port):
            yield port
    msg = f"no free port between {FIRST} and {LAST}"
    raise PortsTaken(msg)
