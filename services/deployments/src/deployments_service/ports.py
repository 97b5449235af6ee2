"""What the domain needs of the outside. One contract suite holds every provider to its port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from deployments_service.model import Capability, Deployment, Report, SignedReport, State


class Provider(Protocol):
    """Holds deployments, the ownership stamp on each, and the rollouts that change them.

    It raises `faults` only: a vendor's errors are translated in the vendor's own file.
    """

    name: str
    makes: bool
    """Whether it deploys anything. Where it does not, every wish is answered SKIPPED, and nothing is ever begun."""
    capabilities: frozenset[Capability]

    async def find(self, tenant_id: str, app: str) -> Deployment | None:
        """What stands for the tenant under that name, whoever's it is."""
        ...

    async def begin(self, wanted: Deployment, *, seen: Deployment | None) -> Deployment | None:
        """Begin the rollout of `wanted`, and answer it as it then stands; None where that removed it at once.

        Raises:
            Aborted: DEPLOYMENT_CHANGED, where what was `seen` no longer stands.
            AlreadyExists: HOSTNAME_TAKEN.
        """
        ...

    async def page(
        self, *, tenant_id: str, operation_id: str, after: tuple[str, str] | None, size: int
    ) -> Sequence[Deployment]:
        """What bears the mesh's stamp, by tenant and application; an empty text does not narrow."""
        ...


class Reports(Protocol):
    """Takes the word of a pipeline, if it is signed."""

    def verify(self, signed: SignedReport) -> None:
        """Raise SIGNATURE_INVALID or SIGNATURE_EXPIRED unless it is signed, and now."""
        ...

    async def accept(self, signed: SignedReport, report: Report) -> tuple[State, bool]:
        """Put on record what a verified report says, once: how the deployment stands now, and whether that changed.

        Raises:
            AlreadyExists: REPORT_REPLAYED.
            NotFound: DEPLOYMENT_NOT_FOUND.
            Conflict: ROLLOUT_SUPERSEDED.
        """
        ...
