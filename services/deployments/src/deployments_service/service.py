"""What the deployments service does, whichever provider deploys.

Every change follows one rule: decide upon what was read, and write only if that still stands. What takes long is a
rollout, which knows who asked for it: a call that is repeated, or comes to another process, finds the one at work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import uuid4

from deployments_service.model import (
    AT_FIRST,
    Action,
    Capability,
    Deployment,
    Owner,
    Report,
    Rollout,
    SignedReport,
    Spec,
    State,
    Tier,
)
from deployments_service.ports import Provider, Reports
from faults import Aborted, AlreadyExists, Conflict, Fault, NotFound

_SIGN_OF_LIFE = timedelta(seconds=20)
# Callers cross once in a while; so many times in a row somebody fights over the deployment, and should know.
_TRIES = 5
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller wants to be so."""

    tenant_id: str
    operation_id: str
    app: str
    tier: Tier
    version: str = ""
    image: str = ""
    hostnames: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    validate_only: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Some deployments, and the last one's key where more follow."""

    deployments: Sequence[Deployment]
    last: tuple[str, str] | None


class Deployments:
    """The deployments of tenants at one provider."""

    def __init__(
        self,
        provider: Provider,
        reports: Reports | None = None,
        *,
        reading: Callable[[bytes], Report],
        versions: Mapping[Tier, str],
        interval: timedelta = timedelta(milliseconds=500),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Compose it.

        Args:
            provider: who deploys.
            reports: who takes the word of pipelines; None where nobody does.
            reading: reads the body of a report, or raises REPORT_INVALID.
            versions: what runs where a caller names no version.
            interval: between two looks at a deployment that is watched.
            clock: the time.
        """
        self._provider = provider
        self._reports = reports
        self._reading = reading
        self._versions = versions
        self._interval = interval
        self._clock = clock

    async def ensure(self, wish: Wish) -> tuple[Deployment, bool]:
        """Make the deployment so, or confirm that it is so; answer it and whether this call made it."""
        wanted = self._wanted(wish)
        if not self._provider.makes:
            return replace(wanted, owner=None, state=State.SKIPPED), False
        return await _deciding(lambda: self._ensure(wanted, validate_only=wish.validate_only))

    async def get(self, tenant_id: str, app: str) -> Deployment:
        """The tenant's deployment as the provider holds it now."""
        return self._checked(await self._provider.find(tenant_id, app), tenant_id, app)

    async def list(self, *, tenant_id: str, operation_id: str, after: tuple[str, str] | None, size: int) -> Page:
        """One page of what the mesh made, by tenant and application, from the provider itself."""
        found = await self._provider.page(tenant_id=tenant_id, operation_id=operation_id, after=after, size=size + 1)
        page = found[:size]
        return Page(page, (page[-1].tenant_id, page[-1].app) if len(found) > size else None)

    async def watch(self, tenant_id: str, app: str) -> AsyncIterator[Deployment]:
        """How the tenant's deployment goes on, until its rollout has ended."""
        loop = asyncio.get_running_loop()
        said: Deployment | None = None
        silent_since = loop.time()
        while True:
            deployment = await self.get(tenant_id, app)
            if deployment != said or loop.time() - silent_since >= _SIGN_OF_LIFE.total_seconds():
                said, silent_since = deployment, loop.time()
                yield deployment
            if deployment.state.settled:
                return
            await asyncio.sleep(self._interval.total_seconds())

    async def rollback(self, tenant_id: str, app: str, rollout_id: str, operation_id: str) -> tuple[Deployment, bool]:
        """Bring back what served before a rollout; answer it and whether this call did."""
        if Capability.ROLLBACK not in self._provider.capabilities:
            raise Conflict(
                "The provider cannot roll back.",
                reason="CAPABILITY_MISSING",
                facts={"provider": self._provider.name, "capability": Capability.ROLLBACK.value},
            )
        return await _deciding(lambda: self._rollback(tenant_id, app, rollout_id, operation_id))

    async def delete(self, tenant_id: str, app: str, operation_id: str = "") -> tuple[bool, Deployment | None]:
        """Remove the tenant's deployment; answer whether there was one, and how it stands while it goes."""
        return await _deciding(lambda: self._delete(tenant_id, app, operation_id))

    async def report(self, signed: SignedReport) -> tuple[State, bool]:
        """Take a pipeline's word; answer how the deployment stands now, and whether that changed."""
        if self._reports is None:
            raise Conflict(
                "The provider takes no reports.",
                reason="REPORT_NOT_EXPECTED",
                facts={"provider": self._provider.name},
            )
        self._reports.verify(signed)
        return await self._reports.accept(signed, self._reading(signed.body))

    def _wanted(self, wish: Wish) -> Deployment:
        """A new deployment, as it is wished for."""
        now = self._clock()
        version = wish.version or self._versions[wish.tier]
        return Deployment(
            wish.tenant_id,
            wish.app,
            Spec(wish.tier, version, wish.image, wish.hostnames, wish.settings, wish.references),
            Owner(wish.tenant_id, wish.operation_id, now),
            _rollout(Action.DEPLOY, wish.operation_id),
            State.PENDING,
            self._provider.name,
            create_time=now,
            update_time=now,
        )

    async def _ensure(self, wanted: Deployment, *, validate_only: bool) -> tuple[Deployment, bool]:
        seen = await self._provider.find(wanted.tenant_id, wanted.app)
        if seen is not None:
            seen = self._checked(seen, wanted.tenant_id, wanted.app)
            same = seen.spec == wanted.spec
            if not seen.state.settled and not (same and _asks(seen, Action.DEPLOY, wanted.rollout.operation_id)):
                raise _busy(seen)
            if same and seen.state is not State.FAILED:
                return seen, False
            wanted = self._changed(seen, wanted.rollout, wanted.spec)
        if validate_only:
            return wanted, seen is None
        begun = await self._provider.begin(wanted, seen=seen)
        return begun or wanted, seen is None

    async def _rollback(self, tenant_id: str, app: str, rollout_id: str, operation_id: str) -> tuple[Deployment, bool]:
        seen = await self.get(tenant_id, app)
        if seen.undone == rollout_id:
            return seen, False
        if seen.rollout.rollout_id != rollout_id:
            raise _superseded(seen, rollout_id)
        if seen.rollout.action is not Action.DEPLOY and not seen.state.settled:
            raise _busy(seen)
        if seen.previous is None:
            raise Conflict(
                "No version served before this one.",
                reason="NO_EARLIER_VERSION",
                facts={"app": app, "version": seen.spec.version},
            )
        changed = self._changed(seen, _rollout(Action.ROLLBACK, operation_id), seen.previous)
        wanted = replace(changed, previous=None, undone=rollout_id)
        return await self._provider.begin(wanted, seen=seen) or wanted, True

    async def _delete(self, tenant_id: str, app: str, operation_id: str) -> tuple[bool, Deployment | None]:
        seen = await self._provider.find(tenant_id, app) if self._provider.makes else None
        if seen is None:
            return False, None
        seen = self._checked(seen, tenant_id, app)
        made_by = seen.owner.operation_id if seen.owner else ""
        if operation_id not in {"", made_by}:
            raise Conflict(
                f"The deployment of {app} was made by another operation.",
                reason="OPERATION_MISMATCH",
                facts={"app": app, "operation_id": made_by},
            )
        if seen.state is State.DELETING:
            return True, seen
        wanted = self._changed(seen, _rollout(Action.REMOVE, made_by), seen.spec)
        return True, await self._provider.begin(wanted, seen=seen)

    def _changed(self, seen: Deployment, rollout: Rollout, spec: Spec) -> Deployment:
        """What was seen, with another rollout. The stamp stays the maker's."""
        served = seen.state is State.READY
        return replace(
            seen,
            spec=spec,
            rollout=rollout,
            state=AT_FIRST[rollout.action],
            previous=seen.spec if served and rollout.action is Action.DEPLOY else seen.previous,
            percent=0,
            failure=None,
            update_time=self._clock(),
        )

    def _checked(self, seen: Deployment | None, tenant_id: str, app: str) -> Deployment:
        """What was seen, if it is there and the tenant's."""
        facts = {"app": app, "provider": self._provider.name}
        if seen is None:
            raise NotFound(f"There is no deployment of {app}.", reason="DEPLOYMENT_NOT_FOUND", facts=facts)
        if not seen.belongs_to(tenant_id):
            # Not which tenant's: one tenant's caller learns nothing of another.
            owner = "another_tenant" if seen.owner else "unknown"
            raise AlreadyExists(
                f"The deployment of {app} was not made for this tenant.",
                reason="DEPLOYMENT_NOT_OWNED",
                facts={**facts, "owner": owner},
            )
        return seen


async def _deciding(work: Callable[[], Awaitable[_T]]) -> _T:
    """Decide again where somebody was faster."""
    for _ in range(_TRIES - 1):
        try:
            return await work()
        except Aborted:
            continue
    return await work()


def _rollout(action: Action, operation_id: str) -> Rollout:
    return Rollout(str(uuid4()), action, operation_id)


def _asks(seen: Deployment, action: Action, operation_id: str) -> bool:
    return (seen.rollout.action, seen.rollout.operation_id) == (action, operation_id)


def _busy(seen: Deployment) -> Fault:
    return Conflict(
        f"Another rollout is at work on the deployment of {seen.app}.",
        reason="DEPLOYMENT_BUSY",
        facts={"app": seen.app, "rollout_id": seen.rollout.rollout_id, "operation_id": seen.rollout.operation_id},
    )


def _superseded(seen: Deployment, rollout_id: str) -> Fault:
    return Conflict(
        "The rollout is not the current one.",
        reason="ROLLOUT_SUPERSEDED",
        facts={"app": seen.app, "rollout_id": rollout_id, "current_rollout_id": seen.rollout.rollout_id},
    )
