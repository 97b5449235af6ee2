"""What a component of the stack is: one description that `make up`, the tests, the benchmarks and the demo share."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from localstack.site import Site

Check = Callable[[Site], Awaitable[None]]


class Profile(Enum):
    """Which components run: the default ones, or all of them."""

    DEFAULT = "default"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Stop:
    """How a component is asked to end, and how long it may take before it is killed."""

    signal: signal.Signals = signal.SIGTERM
    grace: timedelta = timedelta(seconds=5)


async def nothing_to_prepare(_: Site) -> None:
    """Most components need only their own, empty folder."""


def nothing_given(_: Site) -> Mapping[str, str]:
    """Some components have no clients."""
    return {}


def always_there(_: Site) -> str | None:
    """Most components come with the packages that are installed."""
    return None


@dataclass(frozen=True, slots=True)
class Component:
    """One process of the stack.

    `prepare` makes what the command reads, `ready` raises until the process serves, `gives` are the settings that
    others and clients find it by, `environment` is what only its own process gets, and `missing` says in a sentence why
    the component cannot run here, or nothing.
    """

    name: str
    summary: str
    command: Callable[[Site], Sequence[str]]
    ready: Check
    ports: Mapping[str, int] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    profile: Profile = Profile.DEFAULT
    prepare: Check = nothing_to_prepare
    gives: Callable[[Site], Mapping[str, str]] = nothing_given
    environment: Callable[[Site], Mapping[str, str]] = nothing_given
    missing: Callable[[Site], str | None] = always_there
    stop: Stop = field(default_factory=Stop)
    patience: timedelta = timedelta(seconds=60)
