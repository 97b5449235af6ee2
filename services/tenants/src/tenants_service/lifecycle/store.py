"""The SQL of transitions. They are written by the database itself, as the events of tenants say."""

from __future__ import annotations

import json
from uuid import UUID

import asyncpg

from postgreskit import OpenPage, Transaction
from tenants_service.lifecycle.model import Transition
from tenants_service.store import close_fitting
from tenants_service.tenants.model import State, not_found
from tenants_service.tenants.store import failure_in

_KNOWN = "SELECT true FROM tenants WHERE tenant_id = $1"
_TRANSITIONS = "SELECT * FROM tenant_transitions WHERE tenant_id = $1"


async def read_transitions(tx: Transaction, page: OpenPage, tenant_id: UUID) -> tuple[list[Transition], str]:
    """Some transitions of a tenant, and the token of those that follow."""
    if not await tx.fetchval(_KNOWN, tenant_id):
        raise not_found(tenant_id=tenant_id)
    sql, values = page.select(_TRANSITIONS, tenant_id)
    found = close_fitting(
        page, await tx.fetch(sql, *values), lambda row: len(row["reason"]) + len(row["failure"] or "")
    )
    return [_transition_in(row) for row in found.rows], found.next_token


def _transition_in(row: asyncpg.Record) -> Transition:
    return Transition(
        tenant_id=row["tenant_id"],
        sequence=row["sequence"],
        from_state=State[row["from_state"]] if row["from_state"] else None,
        to_state=State[row["to_state"]],
        reason=row["reason"],
        suspension_reason=row["suspension_reason"],
        failure=failure_in(json.loads(row["failure"])) if row["failure"] else None,
        operation_id=row["operation_id"],
        principal=row["principal"],
        create_time=row["create_time"],
    )
