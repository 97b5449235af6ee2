"""What a component of the stack is: one description that `make up`, the tests, the benchmarks and the demo share."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from localstack.site import Site


class Profile(Enum):
    """Which components run: those of every day, or all of them."""

    DEFAULT = "default"
    FULL = "full"


class Absent(Exception):  # noqa: N818 - says what is the case
    """A component cannot run on this machine; the message says why. The others run without it."""


class Unprepared(Exception):  # noqa: N818 - says what is the case
    """What a component needs could not be made; the message says what went wrong."""


class NotReady(Exception):  # noqa: N818 - says what is the case
    """A component runs, but does not serve yet; the message says what it answered."""


@dataclass(frozen=True, slots=True)
class Stop:
    """How a component is asked to end, and how long it may take before it is killed."""

    signal: signal.Signals = signal.SIGTERM
    grace: timedelta = timedelta(seconds=10)


async def nothing_to_prepare(_: Site) -> str | None:
    """Most components need only their own, empty folder."""
    return None


async def nothing_to_arrange(_: Site) -> None:
    """Most components are as they should be when they serve."""


def nothing_given(_: Site) -> Mapping[str, str]:
    """Some components have no clients."""
    return {}


def nothing_to_tidy(_: Site) -> None:
    """Most components leave nothing outside their folder."""


@dataclass(frozen=True, slots=True)
class Component:
    """One process of the stack, described by what differs from one to the next."""

    name: str
    summary: str
    command: Callable[[Site], Sequence[str]]
    ready: Callable[[Site], Awaitable[None]]
    """Raises until the process serves. A real question, never only an open port."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """The usual number of each; 0 for a port that only the component itself knows of."""
    needs: tuple[str, ...] = ()
    """The components that are started first and stopped last, and whose settings it gets."""
    profile: Profile = Profile.DEFAULT
    prepare: Callable[[Site], Awaitable[str | None]] = nothing_to_prepare
    """Makes what the command reads. May answer with a note for the user, or raise Absent."""
    arrange: Callable[[Site], Awaitable[None]] = nothing_to_arrange
    """What is done to it once it serves, before anybody else uses it. It may have been done in an earlier run."""
    gives: Callable[[Site], Mapping[str, str]] = nothing_given
    """The settings by which other components and clients find it."""
    environment: Callable[[Site], Mapping[str, str]] = nothing_given
    """What only its own process gets."""
    tidy: Callable[[Site], None] = nothing_to_tidy
    """Removes what it leaves outside its folder."""
    stop: Stop = field(default_factory=Stop)
    patience: timedelta = timedelta(seconds=60)
