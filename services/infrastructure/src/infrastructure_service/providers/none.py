"""No infrastructure: for products whose tenants need none. It makes nothing, and says so each time it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from faults import Conflict, Fault
from infrastructure_service.model import Capability, Kind, Owner, Run, Spec, Stack, Tier


@dataclass(frozen=True, slots=True)
class NoSettings:
    """There is nothing to set."""


class NoProvider:
    """A provider that makes nothing."""

    name = "none"
    makes = False
    capabilities: frozenset[Capability] = frozenset()
    Settings = NoSettings

    def __init__(self, settings: NoSettings) -> None:
        """There is nothing to keep."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is nothing to close."""

    async def check(self) -> None:
        """Nothing is always there."""

    async def template(self, name: str, tier: Tier) -> str:
        """It knows none."""
        raise _refused()

    async def shared(self, tier: Tier) -> Stack | None:
        """There is none."""
        return None

    async def stack(self, name: str) -> Stack | None:
        """There is none."""
        return None

    async def begin(self, kind: Kind, spec: Spec, owner: Owner, *, hold: bool, seen: Stack | None) -> Run:
        """Refused: nobody should take what was not made for made."""
        raise _refused()

    async def run(self, run_id: str) -> Run | None:
        """There is none."""
        return None

    async def approve(self, run: Run, reason: str) -> Run:
        """There is nothing to approve."""
        raise _refused()

    async def cancel(self, run: Run, reason: str) -> Run:
        """There is nothing to cancel."""
        raise _refused()

    async def stacks(self) -> AsyncIterator[Stack]:
        """There are none."""
        nothing: tuple[Stack, ...] = ()
        for stack in nothing:
            yield stack


def _refused() -> Fault:
    return Conflict(
        "No provider is configured that makes stacks.",
        reason="CAPABILITY_MISSING",
        facts={"provider": "none", "capability": "make"},
    )
