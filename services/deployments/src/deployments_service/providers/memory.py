"""Deployments in this process's memory: for mock mode, for tests and for a first look. Nobody can reach them.

Nothing runs here: how far a rollout has come follows from the time and from when it began.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from deployments_service.model import Action, Capability, Deployment, FailureReason, Report, State, failed
from deployments_service.providers import refusals
from settingskit import setting

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """Settings of the memory provider."""

    failing: tuple[str, ...] = setting(
        "DEPLOYMENT_MEMORY_FAILING", default=(), help="Versions whose rollouts fail, to see what happens then."
    )
    pace: timedelta = setting(
        "DEPLOYMENT_MEMORY_PACE", default=timedelta(), minimum=timedelta(), help="How long a rollout takes."
    )


class MemoryProvider:
    """A provider whose deployments last as long as the process."""

    name = "memory"
    makes = True
    capabilities = frozenset({Capability.ROLLBACK})
    Settings = MemorySettings

    def __init__(
        self,
        settings: MemorySettings,
        deployments: Iterable[Deployment] = (),
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._deployments: dict[_Key, Deployment] = {(one.tenant_id, one.app): one for one in deployments}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deployments.clear()

    async def check(self) -> None:
        """Memory is always there."""

    async def find(self, tenant_id: str, app: str) -> Deployment | None:
        """What stands for the tenant under that name, as far as its rollout has come."""
        return self._as_of_now((tenant_id, app))

    async def begin(self, wanted: Deployment, *, seen: Deployment | None) -> Deployment | None:
        """Begin a rollout if what was seen still stands."""
        key = (wanted.tenant_id, wanted.app)
        if self._as_of_now(key) != seen:
            raise refusals.changed(wanted.app)
        self._check_hostnames(wanted)
        self._deployments[key] = replace(wanted, revision=wanted.revision + 1, update_time=self._clock())
        return self._as_of_now(key)

    async def page(
        self, *, tenant_id: str, operation_id: str, after: tuple[str, str] | None, size: int
    ) -> Sequence[Deployment]:
        """What bears the mesh's stamp, by tenant and application."""
        chosen = [
            one
            for one in self._standing()
            if one.owner is not None
            and tenant_id in {"", one.tenant_id}
            and operation_id in {"", one.owner.operation_id}
            and (after is None or (one.tenant_id, one.app) > after)
        ]
        return heapq.nsmallest(size, chosen, key=lambda one: (one.tenant_id, one.app))

    def _standing(self) -> Iterable[Deployment]:
        return [now for key in list(self._deployments) if (now := self._as_of_now(key))]

    def _check_hostnames(self, wanted: Deployment) -> None:
        for other in self._standing():
            if (other.tenant_id, other.app) == (wanted.tenant_id, wanted.app):
                continue
            for hostname in set(other.spec.hostnames) & set(wanted.spec.hostnames):
                raise refusals.hostname_taken(wanted.app, hostname)

    def _as_of_now(self, key: _Key) -> Deployment | None:
        """How far its rollout has come by now."""
        one = self._deployments.get(key)
        if one is None or one.state.settled or one.update_time is None:
            return one
        ended = one.update_time + self._settings.pace
        if self._clock() < ended:
            return one
        now = one.told(self._outcome(one))
        if now is None:
            del self._deployments[key]
            return None
        self._deployments[key] = replace(now, update_time=ended, revision=one.revision + 1)
        return self._deployments[key]

    def _outcome(self, one: Deployment) -> Report:
        if one.rollout.action is not Action.REMOVE and one.spec.version in self._settings.failing:
            return failed(FailureReason.CRASHED, "The version is one of those that fail.", retryable=True)
        url = f"https://{one.spec.hostnames[0]}" if one.spec.hostnames else ""
        return Report(State.READY, app_url=url)
