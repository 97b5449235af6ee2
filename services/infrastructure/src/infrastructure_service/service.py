"""What the infrastructure service does, whichever provider runs it.

What takes long is a run at the provider, which knows who asked for it. So nothing has to be remembered here: a call
that is repeated, or comes to another process, finds the run that the first one began.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from faults import Aborted, AlreadyExists, Conflict, Fault, NotFound
from infrastructure_service.model import (
    Capability,
    Kind,
    Owner,
    Run,
    RunState,
    Spec,
    Stack,
    StackState,
    Tier,
)
from infrastructure_service.ports import Provider

_SIGN_OF_LIFE = timedelta(seconds=20)
_UNTIL_CANCELLED = timedelta(seconds=5)
# Callers cross once in a while; so many times in a row somebody fights over the stack, and the caller should know.
_TRIES = 5
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller wants to be so."""

    tenant_id: str
    operation_id: str
    name: str
    tier: Tier
    template: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    hold: bool = False
    validate_only: bool = False


@dataclass(frozen=True, slots=True)
class Ensured:
    """The stack, whether the call made it, and the run that does."""

    stack: Stack
    created: bool = False
    run: Run | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some stacks, and the last one's name where more follow."""

    stacks: tuple[Stack, ...]
    last: str | None


class Stacks:
    """The stacks of tenants at one provider."""

    def __init__(
        self,
        provider: Provider,
        *,
        interval: timedelta = timedelta(seconds=1),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Compose it.

        Args:
            provider: who holds the stacks.
            interval: between two looks at a run that is watched.
            clock: the time.
        """
        self._provider = provider
        self._interval = interval
        self._clock = clock

    async def ensure(self, wish: Wish) -> Ensured:
        """Make the stack so, or confirm that it is so."""
        if not self._provider.makes:
            spec = Spec(wish.name, wish.tier, wish.template, wish.variables)
            return Ensured(Stack(spec, None, StackState.SKIPPED, self._provider.name))
        if wish.hold and Capability.APPROVAL not in self._provider.capabilities:
            raise self._incapable(Capability.APPROVAL)
        if wish.tier.shares:
            return Ensured(await self._shared(wish))
        template = await self._provider.template(wish.template, wish.tier)
        spec = Spec(wish.name, wish.tier, template, wish.variables)
        return await _deciding(lambda: self._ensure(wish, spec))

    async def get(self, name: str, *, tenant_id: str) -> Stack:
        """The tenant's stack as the provider holds it now."""
        stack = await self._stack(name)
        if stack is None or stack.shared:
            raise self._not_found(name)
        if not stack.belongs_to(tenant_id):
            raise self._not_owned(stack)
        return stack

    async def list(self, *, tenant_id: str, operation_id: str, after: str, size: int) -> Page:
        """One page of what the mesh made, ordered by name, from the provider itself."""
        chosen = [
            stack
            async for stack in self._provider.stacks()
            if _is_of(stack, tenant_id, operation_id) and stack.spec.name > after
        ]
        first = heapq.nsmallest(size + 1, chosen, key=lambda stack: stack.spec.name)
        return Page(tuple(first[:size]), first[size - 1].spec.name if len(first) > size else None)

    async def delete(self, name: str, *, tenant_id: str, operation_id: str = "") -> Run | None:
        """Destroy the tenant's stack; answer the run that does, None where there was no stack."""
        return await _deciding(lambda: self._delete(name, tenant_id, operation_id))

    async def run(self, run_id: str, *, tenant_id: str) -> Run:
        """The tenant's run as the provider holds it now."""
        run = await self._provider.run(run_id)
        if run is None or run.owner.tenant_id != tenant_id:
            raise NotFound(
                "There is no such run.",
                reason="RUN_NOT_FOUND",
                facts={"run_id": run_id, "provider": self._provider.name},
            )
        return run

    async def watch(self, run_id: str, *, tenant_id: str) -> AsyncIterator[Run]:
        """How the tenant's run goes on, until it ends or waits for somebody to decide."""
        loop = asyncio.get_running_loop()
        said: Run | None = None
        silent_since = loop.time()
        while True:
            run = await self.run(run_id, tenant_id=tenant_id)
            if run != said or loop.time() - silent_since >= _SIGN_OF_LIFE.total_seconds():
                said, silent_since = run, loop.time()
                yield run
            if run.state.final or run.state is RunState.PLANNED:
                return
            await asyncio.sleep(self._interval.total_seconds())

    async def approve(self, run_id: str, reason: str, *, tenant_id: str) -> Run:
        """Let the tenant's run do what it planned."""
        run = await self.run(run_id, tenant_id=tenant_id)
        return run if run.approved else await self._provider.approve(run, reason)

    async def cancel(self, run_id: str, reason: str, *, tenant_id: str) -> Run:
        """Stop the tenant's run before it does more."""
        run = await self.run(run_id, tenant_id=tenant_id)
        return run if run.state is RunState.CANCELLED else await self._provider.cancel(run, reason)

    async def _shared(self, wish: Wish) -> Stack:
        stack = await self._provider.shared(wish.tier)
        if stack is None:
            raise self._not_found(wish.name)
        return stack

    async def _ensure(self, wish: Wish, spec: Spec) -> Ensured:
        seen = await self._provider.stack(spec.name)
        owner = Owner(wish.tenant_id, wish.operation_id, self._clock())
        if seen is not None:
            if not seen.belongs_to(wish.tenant_id):
                raise self._not_owned(seen)
            run = await self._provider.run(seen.latest_run_id)
            if run is not None and not run.state.final:
                if not run.is_for(Kind.APPLY, spec, wish.operation_id):
                    raise _busy(run)
                return Ensured(seen, run=run)
            if seen.state is StackState.READY and seen.spec == spec:
                return Ensured(seen)
        if wish.validate_only:
            would = Stack(spec, owner if seen is None else seen.owner, StackState.UPDATING, self._provider.name)
            return Ensured(would, created=seen is None)
        run = await self._provider.begin(Kind.APPLY, spec, owner, hold=wish.hold, seen=seen)
        stack = await self._provider.stack(spec.name)
        if stack is None:  # somebody destroyed it since
            raise _changed(spec.name)
        return Ensured(stack, created=seen is None, run=run)

    async def _delete(self, name: str, tenant_id: str, operation_id: str) -> Run | None:
        seen = await self._stack(name)
        if seen is None or seen.shared:
            return None
        owner = self._removable_by(seen, tenant_id, operation_id)
        run = await self._provider.run(seen.latest_run_id)
        if run is not None and not run.state.final:
            if run.kind is Kind.DESTROY:
                return run
            run = await self._provider.cancel(run, "The stack is to be destroyed.")
            # Read again what is left of it, at once or when that can be known.
            raise _changed(name, again_in=None if run.state.final else _UNTIL_CANCELLED)
        return await self._provider.begin(Kind.DESTROY, seen.spec, owner, hold=False, seen=seen)

    async def _stack(self, name: str) -> Stack | None:
        return await self._provider.stack(name) if self._provider.makes else None

    def _removable_by(self, stack: Stack, tenant_id: str, operation_id: str) -> Owner:
        """Who it is that removes it."""
        if stack.owner is None or not stack.belongs_to(tenant_id):
            raise self._not_owned(stack)
        if operation_id not in {"", stack.owner.operation_id}:
            raise Conflict(
                f"The stack {stack.spec.name} was made by another operation.",
                reason="OPERATION_MISMATCH",
                facts={"name": stack.spec.name, "operation_id": stack.owner.operation_id},
            )
        return Owner(tenant_id, stack.owner.operation_id, self._clock())

    def _incapable(self, capability: Capability) -> Fault:
        return Conflict(
            "The provider cannot do this.",
            reason="CAPABILITY_MISSING",
            facts={"provider": self._provider.name, "capability": capability.value},
        )

    def _not_owned(self, stack: Stack) -> Fault:
        # Not which tenant's: one tenant's caller learns nothing of another.
        owner = "another_tier" if stack.shared else "another_tenant" if stack.owner else "unknown"
        return AlreadyExists(
            f"The stack {stack.spec.name} was not made for this tenant.",
            reason="STACK_NOT_OWNED",
            facts={"name": stack.spec.name, "provider": self._provider.name, "owner": owner},
        )

    def _not_found(self, name: str) -> Fault:
        return NotFound(
            f"There is no stack {name}.",
            reason="STACK_NOT_FOUND",
            facts={"name": name, "provider": self._provider.name},
        )


async def _deciding(work: Callable[[], Awaitable[_T]]) -> _T:
    """Decide again where somebody was faster; not where somebody has to be waited for."""
    for _ in range(_TRIES - 1):
        try:
            return await work()
        except Aborted as lost:
            if lost.retry_after:
                raise
    return await work()


def _busy(run: Run) -> Fault:
    return Conflict(
        f"Another run is at work on the stack {run.spec.name}.",
        reason="STACK_BUSY",
        facts={"name": run.spec.name, "run_id": run.run_id, "state": run.state.name},
    )


def _changed(name: str, *, again_in: timedelta | None = None) -> Fault:
    return Aborted(f"The stack {name} is changing.", reason="STACK_CHANGED", facts={"name": name}, retry_after=again_in)


def _is_of(stack: Stack, tenant_id: str, operation_id: str) -> bool:
    return (
        stack.owner is not None
        and tenant_id in {"", stack.owner.tenant_id}
        and operation_id in {"", stack.owner.operation_id}
    )
