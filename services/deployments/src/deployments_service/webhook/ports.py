"""What looking after rollouts needs of the outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from deployments_service.model import Deployment
from deployments_service.webhook.model import Answer, Job, Settled


class Ledger(Protocol):
    """Remembers every rollout, and who looks after it."""

    async def claim(self, limit: int, *, lease: timedelta) -> Sequence[Job]:
        """Take on rollouts that are due, of whichever tenant; after `lease` another process may."""
        ...

    async def settle(self, job: Job, settled: Settled) -> None:
        """Put on record what became of a job; of one that was taken over or superseded meanwhile, nothing."""
        ...


class Pipeline(Protocol):
    """The CI/CD system at the other end."""

    async def call(self, deployment: Deployment) -> Answer:
        """Have a rollout done, once for each rollout however often it is called.

        Raises:
            Unavailable: it cannot be reached, or does not answer in time. The call may have arrived.
            AddressRefused: its address is one that is not to be called.
        """
        ...

    async def ask(self, status_url: str) -> Answer:
        """How a rollout stands; raises as `call` does."""
        ...
