"""The SQL of subscriptions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import asyncpg

from postgreskit import OpenPage, Transaction
from tenants_service.events.model import Event, change_of
from tenants_service.events.store import append
from tenants_service.plans.model import Cycle
from tenants_service.store import Records, seen_by
from tenants_service.subscriptions.model import State, Subscription, not_found
from tenants_service.tenants.model import Tier

# In this order they are the columns, and the arguments of every statement that writes them.
_COLUMNS = (
    "tenant_id", "subscription_id", "plan_id", "tier", "state", "start_time", "end_time", "price_minor_units",
    "currency", "billing_cycle", "external_reference", "reason", "expiry_notice_time", "revision", "create_time",
    "update_time",
)  # fmt: skip
_NUMBERED = {name: f"${number}" for number, name in enumerate(_COLUMNS, 1)}
_INSERT = f"INSERT INTO subscriptions ({', '.join(_COLUMNS)}) VALUES ({', '.join(_NUMBERED.values())})"  # noqa: S608 - ours
_UPDATE = (
    "UPDATE subscriptions SET "  # noqa: S608 - our own names
    + ", ".join(f"{name} = {number}" for name, number in list(_NUMBERED.items())[2:])
    + " WHERE tenant_id = $1 AND subscription_id = $2"
)
_ONE = "SELECT * FROM subscriptions WHERE tenant_id = $1 AND subscription_id = $2"
_CURRENT = "SELECT * FROM subscriptions WHERE tenant_id = $1 AND state IN ('PENDING', 'ACTIVE', 'INACTIVE')"
_DUE = """
SELECT tenant_id, subscription_id FROM subscriptions
WHERE state IN ('ACTIVE', 'INACTIVE') AND end_time <= $1 AND ($2::uuid IS NULL OR tenant_id = $2)
ORDER BY end_time, subscription_id LIMIT $3"""
_ENDING = """
SELECT * FROM subscriptions
WHERE state = 'ACTIVE' AND expiry_notice_time IS NULL AND end_time > $1 AND end_time <= $2"""


class SubscriptionStore:
    """The records of subscriptions, in one transaction that sees the rows of their tenant."""

    def __init__(self, tx: Transaction, records: Records) -> None:
        self._tx = tx
        self._records = records

    def of(self, tenant_id: UUID) -> AbstractAsyncContextManager[None]:
        """Whose subscriptions are found and written inside the block, in a transaction of the mesh."""
        return seen_by(self._tx, tenant_id)

    async def current(self, tenant_id: UUID) -> Subscription | None:
        """The one of a tenant that is not over."""
        row = await self._tx.fetchrow(_CURRENT, tenant_id)
        return _subscription_in(row) if row else None

    async def state(self, tenant_id: UUID) -> str:
        """The state of that one; empty where a tenant has none."""
        current = await self.current(tenant_id)
        return current.state.value if current else ""

    async def find(self, tenant_id: UUID, subscription_id: UUID) -> Subscription | None:
        """The subscription, kept from changing until the transaction ends."""
        row = await self._tx.fetchrow(f"{_ONE} FOR UPDATE", tenant_id, subscription_id)
        return _subscription_in(row) if row else None

    async def due(self, tenant_id: UUID | None, now: datetime, limit: int) -> list[tuple[UUID, UUID]]:
        """The tenants and subscriptions whose time is over, of one tenant or of all; the longest over first."""
        async with self._records.everybodys(self._tx):
            rows = await self._tx.fetch(_DUE, now, tenant_id, limit)
        return [(row["tenant_id"], row["subscription_id"]) for row in rows]

    async def add(self, subscription: Subscription, event_type: str, data: Mapping[str, object]) -> Subscription:
        """Write a new subscription and its event."""
        await self._tx.execute(_INSERT, *_values(subscription))
        await append(self._tx, [_event(subscription, event_type, data)])
        return subscription

    async def replace(self, subscription: Subscription, event_type: str, data: Mapping[str, object]) -> Subscription:
        """Write a subscription that was found, under its next revision, and its event."""
        after = replace(subscription, revision=subscription.revision + 1)
        await self._tx.execute(_UPDATE, *_values(after))
        await append(self._tx, [_event(after, event_type, data)])
        return after


async def read(tx: Transaction, tenant_id: UUID, subscription_id: UUID) -> Subscription:
    """A subscription."""
    row = await tx.fetchrow(_ONE, tenant_id, subscription_id)
    if row is None:
        raise not_found(tenant_id, subscription_id)
    return _subscription_in(row)


async def read_page(
    tx: Transaction, page: OpenPage, *, tenant_id: UUID | None, plan_id: UUID | None, state: State | None
) -> tuple[list[Subscription], str]:
    """Some of the subscriptions the transaction sees, and the token of those that follow."""
    narrowing = {name: value for name, value in (("tenant_id", tenant_id), ("plan_id", plan_id)) if value}
    conditions = [f"{name} = ${number}" for number, name in enumerate(narrowing, 1)]
    # The state is part of the query, so that the server plans anew for the rare ones.
    conditions.append(f"state = '{state.value}'" if state else "true")
    query = f"SELECT * FROM subscriptions WHERE {' AND '.join(conditions)}"  # noqa: S608 - our own names
    found = await page.fetch(tx, query, *narrowing.values())
    return [_subscription_in(row) for row in found.rows], found.next_token


async def read_ending(
    tx: Transaction, page: OpenPage, *, after: datetime, until: datetime
) -> tuple[list[Subscription], str]:
    """Some of those that end soon and whose tenant was not told, and the token of those that follow."""
    found = await page.fetch(tx, _ENDING, after, until)
    return [_subscription_in(row) for row in found.rows], found.next_token


def _subscription_in(row: asyncpg.Record) -> Subscription:
    values: dict[str, Any] = {name: row[name] for name in _COLUMNS}
    values |= {
        "tier": Tier[row["tier"]],
        "state": State[row["state"]],
        "billing_cycle": Cycle[row["billing_cycle"]],
    }
    return Subscription(**values)


def _values(subscription: Subscription) -> list[object]:
    values = [getattr(subscription, name) for name in _COLUMNS]
    return [value.value if isinstance(value, Enum) else value for value in values]


def _event(subscription: Subscription, event_type: str, data: Mapping[str, object]) -> Event:
    return change_of(
        "subscription",
        subscription.subscription_id,
        event_type,
        revision=subscription.revision,
        tenant_id=subscription.tenant_id,
        data=data,
    )
