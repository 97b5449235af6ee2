"""The SQL of invitations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from postgreskit import OpenPage, Transaction
from tenants_service.events.model import Event, change_of
from tenants_service.events.store import append
from tenants_service.invitations.model import Invitation, State

# In this order they are the columns, and the arguments of every statement that writes them.
_COLUMNS = tuple(Invitation.__slots__)
_NUMBERED = {name: f"${number}" for number, name in enumerate(_COLUMNS, 1)}
_INSERT = f"INSERT INTO invitations ({', '.join(_COLUMNS)}) VALUES ({', '.join(_NUMBERED.values())})"  # noqa: S608 - ours
_UPDATE = (
    "UPDATE invitations SET "  # noqa: S608 - our own names
    + ", ".join(
        f"{name} = {number}" for name, number in _NUMBERED.items() if name not in {"tenant_id", "invitation_id"}
    )
    + f" WHERE tenant_id = {_NUMBERED['tenant_id']} AND invitation_id = {_NUMBERED['invitation_id']}"
)
_ONE = "SELECT * FROM invitations WHERE tenant_id = $1 AND invitation_id = $2"
# In one order, so that two who lock several never wait for each other.
_PENDING_OF = """
SELECT * FROM invitations WHERE tenant_id = $1 AND state = 'PENDING' AND email = ANY ($2)
ORDER BY invitation_id FOR UPDATE"""
_PENDING = """
SELECT * FROM invitations
WHERE tenant_id = $1 AND state = 'PENDING' AND (invitation_id = ANY ($2) OR cardinality($2::uuid[]) = 0)
    AND (operation_id = $3 OR $3 = '')
ORDER BY invitation_id FOR UPDATE"""
_BY_DIGEST = "SELECT * FROM invitations WHERE token_digest = $1"
_OVERDUE = """
SELECT tenant_id, invitation_id FROM invitations
WHERE state = 'PENDING' AND expire_time <= $1 AND (tenant_id = $2 OR $2 IS NULL)
ORDER BY expire_time LIMIT $3"""


class InvitationStore:
    """The invitations to one tenant, in one transaction that sees that tenant's rows."""

    def __init__(self, tx: Transaction, tenant_id: UUID) -> None:
        self._tx = tx
        self._tenant_id = tenant_id

    async def find(self, invitation_id: UUID) -> Invitation | None:
        """The invitation."""
        row = await self._tx.fetchrow(f"{_ONE} FOR UPDATE", self._tenant_id, invitation_id)
        return _invitation_in(row) if row else None

    async def pending_of(self, emails: Sequence[str]) -> Mapping[str, Invitation]:
        """Those of the people that wait for an answer, by their address."""
        rows = await self._tx.fetch(_PENDING_OF, self._tenant_id, emails)
        return {row["email"]: _invitation_in(row) for row in rows}

    async def pending(self, invitation_ids: Sequence[UUID], operation_id: str) -> Sequence[Invitation]:
        """Those that wait for an answer: named, or all where none is; of that operation, or any where none is said."""
        rows = await self._tx.fetch(_PENDING, self._tenant_id, invitation_ids, operation_id)
        return [_invitation_in(row) for row in rows]

    async def identifiers(self, count: int) -> Sequence[UUID]:
        """Identifiers for new invitations, in the order of time."""
        rows = await self._tx.fetch("SELECT uuidv7() FROM generate_series(1, $1)", count)
        return sorted(row[0] for row in rows)

    async def add(self, invitations: Iterable[Invitation]) -> None:
        """Write new ones, and their events."""
        added = list(invitations)
        await self._tx.executemany(_INSERT, map(_values, added))
        await append(self._tx, [_event(one, "invitation.created", {"roles": list(one.roles)}) for one in added])

    async def replace(self, invitations: Iterable[Invitation], event_type: str, data: Mapping[str, object]) -> None:
        """Write those that were found, and their events."""
        changed = list(invitations)
        await self._tx.executemany(_UPDATE, map(_values, changed))
        await append(self._tx, [_event(one, event_type, data) for one in changed])


async def read(tx: Transaction, tenant_id: UUID, invitation_id: UUID) -> Invitation | None:
    """An invitation."""
    row = await tx.fetchrow(_ONE, tenant_id, invitation_id)
    return _invitation_in(row) if row else None


async def read_by_token(tx: Transaction, token_digest: bytes) -> Invitation | None:
    """The invitation whose token it is; the transaction sees everybody's."""
    row = await tx.fetchrow(_BY_DIGEST, token_digest)
    return _invitation_in(row) if row else None


async def read_overdue(
    tx: Transaction, now: datetime, limit: int, tenant_id: UUID | None
) -> Sequence[tuple[UUID, UUID]]:
    """Tenant and identifier of those the transaction sees that waited too long, the longest first."""
    rows = await tx.fetch(_OVERDUE, now, tenant_id, limit)
    return [(row["tenant_id"], row["invitation_id"]) for row in rows]


async def read_page(tx: Transaction, page: OpenPage, conditions: Mapping[str, Any]) -> tuple[list[Invitation], str]:
    """Some of those the transaction sees, and the token of those that follow.

    Args:
        tx: the transaction.
        page: which.
        conditions: our own SQL with `{}` where its value goes; one without a value does not narrow.
    """
    given = {condition: value for condition, value in conditions.items() if value}
    narrowed = ["true", *(one.format(f"${number}") for number, one in enumerate(given, 1))]
    found = await page.fetch(tx, f"SELECT * FROM invitations WHERE {' AND '.join(narrowed)}", *given.values())  # noqa: S608 - our own text
    return [_invitation_in(row) for row in found.rows], found.next_token


def _invitation_in(row: asyncpg.Record) -> Invitation:
    values = {name: row[name] for name in _COLUMNS}
    return Invitation(**{**values, "state": State[row["state"]], "roles": tuple(row["roles"])})


def _values(one: Invitation) -> list[object]:
    plain = {"state": one.state.value, "roles": list(one.roles)}
    return [plain.get(name, getattr(one, name)) for name in _COLUMNS]


def _event(one: Invitation, event_type: str, data: Mapping[str, object]) -> Event:
    """What happened to an invitation. Who it is stays out of it: nobody can take a person out of an event again."""
    return change_of(
        "invitation",
        one.invitation_id,
        event_type,
        revision=one.revision,
        tenant_id=one.tenant_id,
        data={"operation_id": one.operation_id, **data},
    )
