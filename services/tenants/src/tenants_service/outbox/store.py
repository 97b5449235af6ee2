"""The SQL of the outbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg

from postgreskit import OpenPage, Transaction
from tenants_service.events.model import Event, change_of
from tenants_service.events.store import append
from tenants_service.outbox.model import Claim, Entry, State, Wish

_COLUMNS = (
    "tenant_id", "outbox_entry_id", "operation_type", "operation_id", "payload_type", "payload", "principal", "state",
    "due_time", "claim_id", "attempts", "last_error", "start_time", "revision", "create_time", "update_time",
)  # fmt: skip
_NUMBERED = {name: f"${number}" for number, name in enumerate(_COLUMNS, 1)}
_INSERT = f"INSERT INTO outbox_entries ({', '.join(_COLUMNS)}) VALUES ({', '.join(_NUMBERED.values())})"  # noqa: S608 - ours
_CHANGING = ("state", "due_time", "claim_id", "attempts", "last_error", "start_time", "revision", "update_time")
_UPDATE = f"""
UPDATE outbox_entries SET {", ".join(f"{name} = ${number}" for number, name in enumerate(_CHANGING, 3))}
WHERE tenant_id = $1 AND outbox_entry_id = $2"""  # noqa: S608 - our own names
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM outbox_entries WHERE tenant_id = $1"  # noqa: S608 - our own names

# Whoever repeats a call while the first is at work waits here, and then finds what that one has claimed.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('outbox claim ' || $1::uuid, 0))"
_HELD = f"""
SELECT {", ".join(_COLUMNS)} FROM outbox_entries
WHERE claim_id = $1 AND state = 'CLAIMED' AND due_time > now() ORDER BY create_time LIMIT $2"""  # noqa: S608 - our own names
# Only so many bytes at once that the answer fits into a message; the first entry always does.
_CLAIM = f"""
WITH due AS (
    SELECT tenant_id, outbox_entry_id, due_time, octet_length(payload) AS size FROM outbox_entries
    WHERE state IN ('WAITING', 'CLAIMED') AND due_time <= now()
    ORDER BY due_time, outbox_entry_id LIMIT $2 FOR UPDATE SKIP LOCKED
), fitting AS (
    SELECT *, sum(size) OVER (ORDER BY due_time, outbox_entry_id) - size AS before FROM due
)
UPDATE outbox_entries AS entry
SET state = 'CLAIMED', claim_id = $1, due_time = now() + $3::interval, update_time = now()
FROM fitting
WHERE entry.tenant_id = fitting.tenant_id AND entry.outbox_entry_id = fitting.outbox_entry_id AND before < {2 * 2**20}
RETURNING {", ".join(f"entry.{name}" for name in _COLUMNS)}, fitting.due_time AS was_due"""  # noqa: S608 - our own names

# An entry whose claim has ended is waiting, although nobody has written so.
_LISTED = f"""
SELECT {", ".join(name for name in _COLUMNS if name not in {"state", "payload"})}, ''::bytea AS payload,
    CASE WHEN state = 'CLAIMED' AND due_time <= now() THEN 'WAITING' ELSE state END AS state
FROM outbox_entries"""  # noqa: S608 - our own names
_STANDING: Mapping[State, str] = {
    State.WAITING: "(state = 'WAITING' OR state = 'CLAIMED' AND due_time <= now())",
    State.CLAIMED: "state = 'CLAIMED' AND due_time > now()",
}


class EntryStore:
    """The entries of one tenant, in one transaction that sees that tenant's rows."""

    def __init__(self, tx: Transaction, tenant_id: UUID) -> None:
        self._tx = tx
        self._tenant_id = tenant_id

    async def find(self, outbox_entry_id: UUID) -> Entry | None:
        """The entry, kept from changing until the transaction ends."""
        row = await self._tx.fetchrow(
            f"{_SELECT} AND outbox_entry_id = $2 FOR UPDATE", self._tenant_id, outbox_entry_id
        )
        return _entry_in(row) if row else None

    async def undone(self) -> Sequence[Entry]:
        """Those that are not done."""
        query = f"{_SELECT} AND state IN ('WAITING', 'CLAIMED', 'PARKED') ORDER BY create_time"
        return [_entry_in(row) for row in await self._tx.fetch(query, self._tenant_id)]

    async def latest(self, operation_id: str) -> Entry | None:
        """The last one of an operation."""
        query = f"{_SELECT} AND operation_id = $2 ORDER BY create_time DESC, outbox_entry_id DESC LIMIT 1"
        row = await self._tx.fetchrow(query, self._tenant_id, operation_id)
        return _entry_in(row) if row else None

    async def add(self, entry: Entry, event_type: str, data: Mapping[str, object]) -> Entry:
        """Write a new entry and its event."""
        await self._tx.execute(_INSERT, *(_value(entry, name) for name in _COLUMNS))
        await append(self._tx, [_event(entry, event_type, data)])
        return entry

    async def replace(self, entry: Entry, event_type: str, data: Mapping[str, object]) -> Entry:
        """Write an entry that was found, and its event."""
        values = (_value(entry, name) for name in _CHANGING)
        await self._tx.execute(_UPDATE, self._tenant_id, entry.outbox_entry_id, *values)
        await append(self._tx, [_event(entry, event_type, data)])
        return entry


async def claim(tx: Transaction, wanted: Claim, limit: int) -> list[Entry]:
    """Claim entries that are due, the longest due first, in a transaction of no tenant.

    What the claim holds already is all it gets.
    """
    await tx.execute(_ONE_AT_A_TIME, wanted.claim_id)
    held = await tx.fetch(_HELD, wanted.claim_id, limit)
    if held:
        return [_entry_in(row) for row in held]
    claimed = await tx.fetch(_CLAIM, wanted.claim_id, limit, wanted.duration)
    return [_entry_in(row) for row in sorted(claimed, key=lambda row: (row["was_due"], row["outbox_entry_id"]))]


async def read_page(tx: Transaction, page: OpenPage, state: State | None, operation_id: str) -> tuple[list[Entry], str]:
    """Some of the entries the transaction sees, without their payloads, and the token of those that follow."""
    conditions, arguments = ["true"], list[object]()
    if state:
        conditions.append(_STANDING.get(state, f"state = '{state.value}'"))
    if operation_id:
        conditions.append("operation_id = $1")
        arguments.append(operation_id)
    found = await page.fetch(tx, f"{_LISTED} WHERE {' AND '.join(conditions)}", *arguments)
    return [_entry_in(row) for row in found.rows], found.next_token


def _entry_in(row: asyncpg.Record) -> Entry:
    wish = Wish(row["tenant_id"], row["operation_type"], row["operation_id"], row["payload_type"], row["payload"])
    names = [name for name in Entry.__slots__ if name not in {"wish", "state"}]
    return Entry(wish=wish, state=State(row["state"]), **{name: row[name] for name in names})


def _value(entry: Entry, name: str) -> object:
    """What stands in a column."""
    if name == "state":
        return entry.state.value
    value: object = getattr(entry.wish if name in Wish.__slots__ else entry, name)
    return value


def _event(entry: Entry, event_type: str, data: Mapping[str, object]) -> Event:
    return change_of(
        "outbox_entry",
        entry.outbox_entry_id,
        event_type,
        revision=entry.revision,
        tenant_id=entry.wish.tenant_id,
        data=data,
    )
