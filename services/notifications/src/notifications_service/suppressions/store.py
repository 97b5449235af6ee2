"""The suppression list in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg

from notifications_service.model import NOBODY
from notifications_service.store import Records
from notifications_service.suppressions.model import Cause, Scope, Suppression
from postgreskit import OpenPage

_COLUMNS: Final = "suppression_id, tenant_id, email, scope, cause, detail, create_time"
# Of two entries for one address the one that says more stays.
_ADD: Final = f"""
INSERT INTO suppressions (tenant_id, email, scope, cause, detail) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, email) DO UPDATE SET scope = excluded.scope, cause = excluded.cause, detail = excluded.detail
    WHERE suppressions.scope = 'OPTIONAL' AND excluded.scope = 'EVERYTHING'
RETURNING {_COLUMNS}"""  # noqa: S608 - constants
_FIND: Final = f"SELECT {_COLUMNS} FROM suppressions WHERE tenant_id = $1 AND email = $2"  # noqa: S608 - constants
_LIST: Final = f"SELECT {_COLUMNS} FROM suppressions"  # noqa: S608 - constants
_REMOVE: Final = "DELETE FROM suppressions WHERE tenant_id = $1 AND suppression_id = $2 RETURNING true"


class SuppressionList:
    """Every address that is no longer sent something."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def add(
        self, tenant_id: UUID, email: str, scope: Scope, cause: Cause, detail: str = ""
    ) -> tuple[Suppression, bool]:
        """Put an address key on the list, or confirm that it stands there; and whether anything changed."""
        async with self._records.of(tenant_id) as tx:
            added = await tx.fetchrow(_ADD, tenant_id, email, scope.value, cause.value, detail)
            [row] = [added] if added else await tx.fetch(_FIND, tenant_id, email)
        return _in(row), added is not None

    async def page(self, page: OpenPage, *, tenant_id: UUID | None, email: str) -> tuple[Sequence[Suppression], str]:
        """A page of the entries that concern a tenant, everybody's included; of all entries where none is named."""
        conditions = {"tenant_id = ANY(${})": [tenant_id, NOBODY] if tenant_id else None, "email = ${}": email}
        chosen = {condition: value for condition, value in conditions.items() if value}
        where = " AND ".join(condition.format(number) for number, condition in enumerate(chosen, 1))
        async with self._records.of_all() as tx:
            found = await page.fetch(tx, f"{_LIST} WHERE {where}" if where else _LIST, *chosen.values())
        return [_in(row) for row in found.rows], found.next_token

    async def remove(self, tenant_id: UUID, suppression_id: UUID) -> bool:
        """Take an entry off the list; whether there was one."""
        async with self._records.of(tenant_id) as tx:
            return bool(await tx.fetchval(_REMOVE, tenant_id, suppression_id))


def _in(row: asyncpg.Record) -> Suppression:
    return Suppression(**{**row, "scope": Scope(row["scope"]), "cause": Cause(row["cause"])})
