"""Bringing schemas to a version, a few at a time. What is done is done: the same call again goes on with the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from time import monotonic

from faults import Fault
from storage_service.blueprint.model import Blueprint, Migration, pending
from storage_service.rollouts.model import Outcome, Progress, Result, Status, Target, statuses
from storage_service.rollouts.ports import Schemata
from storage_service.schemas.model import Tenant, not_found, not_owned


class Rollouts:
    """The migrations of a blueprint, and the schemas they are for."""

    def __init__(self, schemata: Schemata, blueprint: Blueprint) -> None:
        self._schemata = schemata
        self._blueprint = blueprint

    async def migrate(
        self,
        tenant: Tenant | None,
        *,
        version: int = 0,
        parallelism: int = 8,
        max_failures: int = 0,
        validate_only: bool = False,
    ) -> AsyncGenerator[Progress, None]:
        """Bring one tenant's schema, or every schema, to a version; tell of each when it is done.

        Args:
            tenant: whose; None means all.
            version: the one to reach; 0 means the newest.
            parallelism: how many at a time.
            max_failures: after how many to begin no further one; 0 tries them all.
            validate_only: whether to tell only what would be done.
        """
        migrations = self._blueprint.upto(version)
        targets = [await self._target(tenant)] if tenant else await self._schemata.targets()
        progress = Progress(total=len(targets))
        yield progress
        waiting, running = iter(targets), set[asyncio.Task[Result]]()
        try:
            while True:
                if not (max_failures and progress.failed >= max_failures):
                    for target in _some(waiting, parallelism - len(running)):
                        running.add(asyncio.create_task(self._bring(target, migrations, only_check=validate_only)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    progress = _after(progress, task.result())
                    yield progress
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def statuses(self, tenant: Tenant) -> list[Status]:
        """How each migration stands in the tenant's schema."""
        return statuses(self._blueprint.migrations, (await self._target(tenant)).applied)

    async def _target(self, tenant: Tenant) -> Target:
        standing = await self._schemata.look(tenant)
        if standing.foreign:
            raise not_owned(standing.location, standing.foreign)
        if not standing.whole:
            raise not_found(standing.location)
        tenant_id = "" if tenant.pooled else tenant.tenant_id
        return Target(standing.location, tenant_id, await self._schemata.applied(standing))

    async def _bring(self, target: Target, migrations: Sequence[Migration], *, only_check: bool) -> Result:
        """Bring one schema there, as far as it goes."""
        begun = monotonic()
        result = Result(target, Outcome.CURRENT, target.version, timedelta(0))
        try:
            had = {one.version: one.sha256 for one in target.applied}
            lacking = pending(migrations, had, target.location.schema)
            if lacking and only_check:
                return replace(result, outcome=Outcome.PENDING)
            for migration in lacking:
                await self._schemata.migrate(target, migration)
                result = replace(result, outcome=Outcome.MIGRATED, to_version=migration.version)
        except Fault as fault:
            result = replace(
                result,
                outcome=Outcome.FAILED,
                failed_version=int(fault.facts.get("version", 0)),
                failed_statement=int(fault.facts.get("statement", 0)),
                detail=fault.message,
            )
        return replace(result, duration=timedelta(seconds=monotonic() - begun))


def _some(waiting: Iterator[Target], number: int) -> Iterator[Target]:
    for _, target in zip(range(number), waiting, strict=False):
        yield target


def _after(progress: Progress, result: Result) -> Progress:
    return replace(
        progress,
        done=progress.done + 1,
        failed=progress.failed + (result.outcome is Outcome.FAILED),
        result=result,
    )
