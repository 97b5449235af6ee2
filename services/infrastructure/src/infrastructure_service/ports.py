"""What the domain needs of the outside. One contract suite holds every provider to its port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from infrastructure_service.model import Capability, Kind, Owner, Run, Spec, Stack, Tier


class Provider(Protocol):
    """Holds stacks, the ownership stamp on each, and the runs that change them.

    It raises `faults` only: a vendor's errors are translated in the vendor's own file.
    """

    name: str
    makes: bool
    """Whether it makes anything. Where it does not, every wish is answered SKIPPED, and nothing else of it is asked."""
    capabilities: frozenset[Capability]

    async def template(self, name: str, tier: Tier) -> str:
        """The template of that name, the tier's where there is no name; TEMPLATE_UNKNOWN where it has none."""
        ...

    async def shared(self, tier: Tier) -> Stack | None:
        """The stack that a tier's tenants share."""
        ...

    async def stack(self, name: str) -> Stack | None:
        """What stands under the name, whoever's it is."""
        ...

    async def begin(self, kind: Kind, spec: Spec, owner: Owner, *, hold: bool, seen: Stack | None) -> Run:
        """Begin a run, if the provider still holds what was `seen`, and no other run is at work; else Aborted."""
        ...

    async def run(self, run_id: str) -> Run | None:
        """How a run stands now."""
        ...

    async def approve(self, run: Run, reason: str) -> Run:
        """Let a planned run go on; RUN_NOT_AWAITING_APPROVAL or RUN_CLOSED where that is too late or too early."""
        ...

    async def cancel(self, run: Run, reason: str) -> Run:
        """Ask a run to stop. It ends when it ends; RUN_CLOSED where it has ended otherwise."""
        ...

    def stacks(self) -> AsyncIterator[Stack]:
        """Everything that bears the mesh's stamp, in no particular order."""
        ...
