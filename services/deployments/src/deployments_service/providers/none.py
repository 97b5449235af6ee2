"""No deployments: for products that every tenant uses as they are. It deploys nothing, and says so each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from deployments_service.model import Capability, Deployment
from faults import Conflict


@dataclass(frozen=True, slots=True)
class NoSettings:
    """There is nothing to set."""


class NoProvider:
    """A provider that deploys nothing."""

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

    async def find(self, tenant_id: str, app: str) -> Deployment | None:
        """There is none."""
        return None

    async def begin(self, wanted: Deployment, *, seen: Deployment | None) -> Deployment | None:
        """Refused: nobody should take what was not deployed for deployed."""
        raise Conflict(
            "No provider is configured that deploys.",
            reason="CAPABILITY_MISSING",
            facts={"provider": self.name, "capability": "deploy"},
        )

    async def page(
        self, *, tenant_id: str, operation_id: str, after: tuple[str, str] | None, size: int
    ) -> Sequence[Deployment]:
        """There are none."""
        return ()
