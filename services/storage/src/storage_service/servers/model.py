"""Database servers: how much each may take, how full it is, and which one is next."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from faults import Exhausted, Fault, Invalid


@dataclass(frozen=True, slots=True)
class Share:
    """How much of what is new a server takes."""

    name: str
    weight: int = 100
    """Against the weights of the others; 0 takes only who is sent there by name."""
    limit: int = 1000
    """How many schemas it may hold; rows in the shared schema do not count."""


@dataclass(frozen=True, slots=True)
class State:
    """A server as it is now."""

    share: Share
    available: bool
    writable: bool = True
    version: str = ""
    schemas: int = 0
    size: int = 0
    detail: str = ""

    @property
    def full(self) -> bool:
        """Whether it holds as many schemas as it may."""
        return self.schemas >= self.share.limit

    @property
    def accepting(self) -> bool:
        """Whether new schemas are laid there."""
        return self.available and self.writable and not self.full and self.share.weight > 0


@dataclass(frozen=True, slots=True)
class Load:
    """What lies on a server."""

    schemas: int = 0
    pooled: int = 0


def preferred(shares: Collection[Share], loads: Mapping[str, Load], *, pooled: bool) -> list[Share]:
    """The servers that may take a new place, the one with most room for its weight first.

    Raises:
        Exhausted: SERVERS_FULL when none may.
    """

    def held(share: Share) -> int:
        load = loads.get(share.name, Load())
        return load.pooled if pooled else load.schemas

    open_ones = [share for share in shares if share.weight > 0 and (pooled or held(share) < share.limit)]
    if not open_ones:
        raise full(shares)
    return sorted(open_ones, key=lambda share: ((held(share) + 1) / share.weight, share.name))


def named(shares: Iterable[Share], name: str) -> Share:
    """The server of that name."""
    for share in shares:
        if share.name == name:
            return share
    raise Invalid("There is no database server of that name.", reason="SERVER_UNKNOWN", facts={"server": name})


def full(shares: Collection[Share]) -> Fault:
    """The fault of servers that hold as much as they may."""
    return Exhausted(
        "Every database server holds as many schemas as it may.",
        reason="SERVERS_FULL",
        facts={"limit": sum(share.limit for share in shares), "servers": ",".join(share.name for share in shares)},
    )
