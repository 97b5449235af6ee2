"""Deployments that a pipeline makes, in PostgreSQL."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg

from deployments_service.model import (
    Action,
    Deployment,
    Failure,
    FailureReason,
    Owner,
    Report,
    Rollout,
    SignedReport,
    Spec,
    State,
    Tier,
)
from deployments_service.providers import refusals
from deployments_service.signing.model import text_of
from deployments_service.webhook.model import Job, Settled
from faults import AlreadyExists, Conflict, NotFound
from postgreskit import Database, Transaction

_PROVIDER: Final = "webhook"
# Far longer than a signature is good for, even where the clocks of replicas differ.
_REMEMBERED: Final = timedelta(minutes=10)

_ADD: Final = """
INSERT INTO deployments (tenant_id, app, spec, previous, operation_id, stamp_time, rollout_id, action,
    rollout_operation_id, undone, state, percent, app_url, admin_url, provider_deployment_id, web_url, create_time,
    update_time, due_time, deadline_time)
VALUES ($1, $2, $3::jsonb, $4::jsonb, $5, $6, $7, $8, $9, $10, $11, 0, '', '', '', '', now(), now(), now(), now() + $12)
ON CONFLICT DO NOTHING RETURNING *"""
_CHANGE: Final = """
UPDATE deployments
SET spec = $3::jsonb, previous = $4::jsonb, operation_id = $5, stamp_time = $6, rollout_id = $7, action = $8,
    rollout_operation_id = $9, undone = $10, state = $11, percent = 0, failure = NULL, update_time = now(),
    revision = revision + 1, called = false, status_url = '', attempts = 0, claim = NULL, due_time = now(),
    deadline_time = now() + $12
WHERE tenant_id = $1 AND app = $2 AND revision = $13 RETURNING *"""
_ONE: Final = "SELECT * FROM deployments WHERE tenant_id = $1 AND app = $2"
_PAGE: Final = """
SELECT * FROM deployments
WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2 = '' OR operation_id = $2)
    AND ($3::uuid IS NULL OR (tenant_id, app) > ($3, $4))
ORDER BY tenant_id, app LIMIT $5"""
_CLAIM: Final = """
UPDATE deployments SET claim = $1, due_time = now() + $2
WHERE (tenant_id, app) IN (
    SELECT tenant_id, app FROM deployments WHERE due_time <= now() ORDER BY due_time LIMIT $3 FOR UPDATE SKIP LOCKED
)
RETURNING *, deadline_time <= now() AS overdue"""
_TELL: Final = """
UPDATE deployments
SET state = $3, percent = $4, failure = $5::jsonb, app_url = $6, admin_url = $7, provider_deployment_id = $8,
    web_url = $9, update_time = now(), revision = revision + 1, attempts = 0,
    due_time = CASE WHEN $3 NOT IN ('READY', 'FAILED') THEN due_time END
WHERE tenant_id = $1 AND app = $2"""
_LEAVE: Final = """
UPDATE deployments
SET called = $4, status_url = coalesce(nullif($5, ''), status_url), attempts = attempts + 1, claim = NULL,
    due_time = least(now() + $6, deadline_time)
WHERE tenant_id = $1 AND app = $2 AND claim = $3 AND due_time IS NOT NULL"""
_GONE: Final = "DELETE FROM deployments WHERE tenant_id = $1 AND app = $2"
_LET_GO: Final = "DELETE FROM hostnames WHERE tenant_id = $1 AND app = $2 AND hostname <> ALL($3)"
# In one order, so that two who want the same names do not wait for each other.
_TAKE: Final = """
INSERT INTO hostnames (tenant_id, app, hostname) SELECT $1, $2, one FROM unnest($3::text[]) AS one ORDER BY one
ON CONFLICT DO NOTHING"""
_TAKEN: Final = """
SELECT hostname FROM hostnames WHERE hostname = ANY($3) AND (tenant_id, app) <> ($1, $2) ORDER BY hostname LIMIT 1"""
_FORGET: Final = "DELETE FROM seen_reports WHERE tenant_id = $1 AND expire_time < now()"
_SEE: Final = """
INSERT INTO seen_reports VALUES ($1, $2, now() + $3) ON CONFLICT DO NOTHING RETURNING true"""


class DeploymentStore:
    """Every deployment, what its pipeline has said, and what has to be done next."""

    def __init__(self, database: Database, *, operator_role: str, patience: timedelta) -> None:
        """Describe it.

        Args:
            database: where it is.
            operator_role: the role that sees everybody's rows.
            patience: how long a rollout may take.
        """
        self._database = database
        self._become_operator = 'SET LOCAL ROLE "{}"'.format(operator_role.replace('"', '""'))
        self._patience = patience

    async def find(self, tenant_id: str, app: str) -> Deployment | None:
        """The tenant's deployment as it stands."""
        async with self._database.tenant(tenant_id).transaction() as tx:
            row = await tx.fetchrow(_ONE, UUID(tenant_id), app)
        return deployment_in(row) if row else None

    async def page(
        self, *, tenant_id: str, operation_id: str, after: tuple[str, str] | None, size: int
    ) -> Sequence[Deployment]:
        """Some deployments, by tenant and application."""
        tenant = UUID(tenant_id) if tenant_id else None
        place = (UUID(after[0]), after[1]) if after else (None, "")
        async with self._of_all() as tx:
            return [deployment_in(row) for row in await tx.fetch(_PAGE, tenant, operation_id, *place, size)]

    async def begin(self, wanted: Deployment, *, seen: Deployment | None) -> Deployment:
        """Put a rollout on record, due at once, if what was seen still stands."""
        values = (*_columns(wanted), self._patience)
        async with self._database.tenant(wanted.tenant_id).transaction() as tx:
            row = await (tx.fetchrow(_CHANGE, *values, seen.revision) if seen else tx.fetchrow(_ADD, *values))
            if row is None:
                raise refusals.changed(wanted.app)
            await _hold(tx, wanted)
        return deployment_in(row)

    async def claim(self, limit: int, *, lease: timedelta) -> Sequence[Job]:
        """Take on rollouts that are due."""
        claim = uuid4()
        async with self._of_all() as tx:
            rows = await tx.fetch(_CLAIM, claim, lease, limit)
        return [
            Job(claim, deployment_in(row), row["called"], row["status_url"], row["attempts"], row["overdue"])
            for row in rows
        ]

    async def settle(self, job: Job, settled: Settled) -> None:
        """Put on record what became of a job, if it still is his who did it."""
        key = (UUID(job.deployment.tenant_id), job.deployment.app)
        async with self._of_all() as tx:
            row = await tx.fetchrow(f"{_ONE} AND claim = $3 FOR UPDATE", *key, job.claim)
            if row is None:
                return
            report = settled.report
            if report is not None:
                await _tell(tx, deployment_in(row), report)
            url = report.status_url if report else ""
            await tx.execute(_LEAVE, *key, job.claim, settled.called, url, settled.again_in)

    async def accept(self, signed: SignedReport, report: Report) -> tuple[State, bool]:
        """Put on record what a report says that is verified, unless it was reported before."""
        tenant = UUID(signed.tenant_id)
        digest = hashlib.sha256(text_of(signed)).digest()
        async with self._database.tenant(tenant).transaction() as tx:
            await tx.execute(_FORGET, tenant)
            # Not the signature: of two under different secrets, each alone would be another.
            if not await tx.fetchval(_SEE, tenant, digest, _REMEMBERED):
                raise AlreadyExists(
                    "This report was accepted before.",
                    reason="REPORT_REPLAYED",
                    facts={"rollout_id": signed.rollout_id},
                )
            row = await tx.fetchrow(f"{_ONE} FOR UPDATE", tenant, signed.app)
            return await _tell(tx, _current(row, signed), report)

    @asynccontextmanager
    async def _of_all(self) -> AsyncIterator[Transaction]:
        async with self._database.transaction() as tx:
            await tx.execute(self._become_operator)
            yield tx


async def _hold(tx: Transaction, wanted: Deployment) -> None:
    """Hold exactly the host names that are wanted."""
    key, names = (UUID(wanted.tenant_id), wanted.app), list(wanted.spec.hostnames)
    await tx.execute(_LET_GO, *key, names)
    if names:
        await tx.execute(_TAKE, *key, names)
        taken = await tx.fetchval(_TAKEN, *key, names)
        if taken is not None:
            raise refusals.hostname_taken(wanted.app, taken)


async def _tell(tx: Transaction, before: Deployment, report: Report) -> tuple[State, bool]:
    """Write how a deployment stands after a report; answer that, and whether it changed."""
    key, after = (UUID(before.tenant_id), before.app), before.told(report)
    if after is None:
        await tx.execute(_GONE, *key)
        return before.state, True
    if after == before:
        return before.state, False
    failure = json.dumps({**asdict(after.failure), "reason": after.failure.reason.value}) if after.failure else None
    await tx.execute(
        _TELL, *key, after.state.value, after.percent, failure, after.app_url, after.admin_url,
        after.provider_deployment_id, after.web_url,
    )  # fmt: skip
    return after.state, True


def _current(row: asyncpg.Record | None, signed: SignedReport) -> Deployment:
    """The deployment a report is about, if the report is about its current rollout."""
    if row is None:
        raise NotFound(
            f"There is no deployment of {signed.app}.",
            reason="DEPLOYMENT_NOT_FOUND",
            facts={"app": signed.app, "provider": _PROVIDER},
        )
    if row["rollout_id"] != signed.rollout_id:
        raise Conflict(
            "The report is about another rollout than the current one.",
            reason="ROLLOUT_SUPERSEDED",
            facts={"app": signed.app, "rollout_id": signed.rollout_id, "current_rollout_id": row["rollout_id"]},
        )
    return deployment_in(row)


def deployment_in(row: asyncpg.Record) -> Deployment:
    """The deployment in a row."""
    tenant_id = str(row["tenant_id"])
    return Deployment(
        tenant_id,
        row["app"],
        _spec_in(json.loads(row["spec"])),
        Owner(tenant_id, row["operation_id"], row["stamp_time"]),
        Rollout(row["rollout_id"], Action(row["action"]), row["rollout_operation_id"]),
        State(row["state"]),
        _PROVIDER,
        previous=_spec_in(json.loads(row["previous"])) if row["previous"] else None,
        failure=_failure_in(json.loads(row["failure"])) if row["failure"] else None,
        **{name: row[name] for name in _AS_THEY_ARE},
    )


_AS_THEY_ARE: Final = (
    "undone", "percent", "app_url", "admin_url", "provider_deployment_id", "web_url", "create_time", "update_time",
    "revision",
)  # fmt: skip


def _columns(wanted: Deployment) -> tuple[Any, ...]:
    rollout, owner = wanted.rollout, wanted.owner
    assert owner is not None  # noqa: S101 - only what is the mesh's own is ever begun
    return (
        UUID(wanted.tenant_id), wanted.app, _spec_to(wanted.spec),
        _spec_to(wanted.previous) if wanted.previous else None, owner.operation_id, owner.time, rollout.rollout_id,
        rollout.action.value, rollout.operation_id, wanted.undone, wanted.state.value,
    )  # fmt: skip


def _spec_to(spec: Spec) -> str:
    return json.dumps({**asdict(spec), "tier": spec.tier.value})


def _spec_in(said: Mapping[str, Any]) -> Spec:
    return Spec(**{**said, "tier": Tier(said["tier"]), "hostnames": tuple(said["hostnames"])})


def _failure_in(said: Mapping[str, Any]) -> Failure:
    return Failure(**{**said, "reason": FailureReason(said["reason"])})
