"""The SQL of plans."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

import asyncpg

from postgreskit import OpenPage, Transaction, constraint_faults
from tenants_service.events.model import Event, change_of
from tenants_service.events.store import append
from tenants_service.plans.model import Cycle, Plan, key_taken, not_found
from tenants_service.quotas.model import Quota, ResetPeriod
from tenants_service.store import MESH, close_fitting
from tenants_service.tenants.model import Tier

# In this order they are the columns, and the arguments of every statement that writes them.
_COLUMNS = (
    "plan_id", "key", "display_name", "description", "tier", "price_minor_units", "currency", "billing_cycle",
    "trial_period", "features", "quotas", "dedicated_infrastructure", "approval_required", "archive_time", "revision",
    "create_time", "update_time",
)  # fmt: skip
_NUMBERED = {name: f"${number}" for number, name in enumerate(_COLUMNS, 1)}
_INSERT = f"INSERT INTO plans ({', '.join(_COLUMNS)}) VALUES ({', '.join(_NUMBERED.values())})"  # noqa: S608 - ours
_UPDATE = (
    "UPDATE plans SET "  # noqa: S608 - our own names
    + ", ".join(f"{name} = {number}" for name, number in _NUMBERED.items() if name != "plan_id")
    + " WHERE plan_id = $1"
)
_ONE = "SELECT * FROM plans WHERE plan_id = $1"
_PAGE = """
SELECT *, octet_length(features::text) + octet_length(quotas::text) AS size FROM plans
WHERE ($1 OR archive_time IS NULL) AND tier = ANY ($2)"""


class PlanStore:
    """The records of plans, in one transaction; to write, of the mesh."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def read(self, plan_id: UUID) -> Plan:
        """A plan, an archived one as well."""
        row = await self._tx.fetchrow(_ONE, plan_id)
        if row is None:
            raise not_found(plan_id)
        return _plan_in(row)

    async def find(self, plan_id: UUID) -> Plan | None:
        """The plan, kept from changing until the transaction ends."""
        row = await self._tx.fetchrow(f"{_ONE} FOR UPDATE", plan_id)
        return _plan_in(row) if row else None

    async def add(self, plan: Plan, event_type: str, data: Mapping[str, object]) -> Plan:
        """Write a new plan and its event."""
        with constraint_faults({"plans_key": lambda: key_taken(plan.key)}):
            await self._tx.execute(_INSERT, *_values(plan))
        await append(self._tx, [_event(plan, event_type, data)])
        return plan

    async def replace(self, plan: Plan, event_type: str, data: Mapping[str, object]) -> Plan:
        """Write a plan that was found, under its next revision, and its event."""
        after = replace(plan, revision=plan.revision + 1)
        await self._tx.execute(_UPDATE, *_values(after))
        await append(self._tx, [_event(after, event_type, data)])
        return after


async def read_page(
    tx: Transaction, page: OpenPage, tier: Tier | None, *, show_archived: bool
) -> tuple[list[Plan], str]:
    """Some plans, as many as fit into a message, and the token of those that follow."""
    sql, values = page.select(_PAGE, show_archived, [tier.value] if tier else [one.value for one in Tier])
    found = close_fitting(page, await tx.fetch(sql, *values), lambda row: int(row["size"]))
    return [_plan_in(row) for row in found.rows], found.next_token


def quotas_in(text: str) -> tuple[Quota, ...]:
    """The quotas of a plan, as JSON keeps them."""
    return tuple(Quota(**{**one, "reset_period": ResetPeriod[one["reset_period"]]}) for one in json.loads(text))


def _plan_in(row: asyncpg.Record) -> Plan:
    values: dict[str, Any] = {name: row[name] for name in _COLUMNS}
    values |= {
        "tier": Tier[row["tier"]],
        "billing_cycle": Cycle[row["billing_cycle"]],
        "features": json.loads(row["features"]),
        "quotas": quotas_in(row["quotas"]),
    }
    return Plan(**values)


def _values(plan: Plan) -> list[object]:
    written: dict[str, object] = {
        "tier": plan.tier.value,
        "billing_cycle": plan.billing_cycle.value,
        "features": json.dumps(dict(plan.features)),
        "quotas": json.dumps([{**asdict(quota), "reset_period": quota.reset_period.value} for quota in plan.quotas]),
    }
    return [written.get(name, getattr(plan, name)) for name in _COLUMNS]


def _event(plan: Plan, event_type: str, data: Mapping[str, object]) -> Event:
    return change_of("plan", plan.plan_id, event_type, revision=plan.revision, tenant_id=MESH, data=data)
