"""Whose rows a transaction sees.

async with records.of(tenant_id) as tx: ...   # one tenant's rows
async with records.of_mesh() as tx: ...       # what belongs to no tenant: which tenant has a name
async with records.of_all() as tx: ...        # everybody's: for lists of operators, and to forget
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import UUID

from postgreskit import Database, Transaction


class Records:
    """The database of the service."""

    def __init__(self, database: Database, *, operator_role: str) -> None:
        """Describe it.

        Args:
            database: where it is.
            operator_role: the role that sees everybody's rows.
        """
        self._database = database
        self._become_operator = 'SET LOCAL ROLE "{}"'.format(operator_role.replace('"', '""'))

    def of(self, tenant_id: str | UUID) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that sees one tenant's rows."""
        return self._database.tenant(tenant_id).transaction()

    @asynccontextmanager
    async def of_all(self) -> AsyncIterator[Transaction]:
        """A transaction that sees everybody's rows."""
        async with self._database.transaction() as tx:
            await tx.execute(self._become_operator)
            yield tx
