"""The SQL of leads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import asyncpg

from postgreskit import OpenPage, Transaction, constraint_faults
from tenants_service.events.model import Event, change_of
from tenants_service.events.store import append
from tenants_service.leads.model import Application, Key, Lead, State, email_verified, not_found
from tenants_service.revisions.model import fields_of
from tenants_service.store import MESH
from tenants_service.tenants.model import Address

_INSERT = """
INSERT INTO leads (
    email, first_name, last_name, company_name, address, key_digest, key_expire_time, create_time, update_time
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
RETURNING lead_id"""
_UPDATE = """
UPDATE leads SET
    state = $2, key_digest = $3, key_expire_time = $4, converted_tenant_id = $5, update_time = $6, verify_time = $7,
    convert_time = $8, revision = $9
WHERE lead_id = $1"""
_ONE = "SELECT * FROM leads WHERE tenant_id = $1 AND lead_id = $2"
_PROVEN = "SELECT lead_id FROM leads WHERE tenant_id = $1 AND email = $2 AND state <> 'NEW'"

# For a day its lead is told that the key is too old, and after that, that it is none.
_SWEEP = """
WITH old AS MATERIALIZED (
    SELECT tenant_id, lead_id FROM leads
    WHERE key_expire_time <= $1::timestamptz - interval '1 day' LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE leads SET key_digest = NULL, key_expire_time = NULL FROM old
WHERE leads.tenant_id = old.tenant_id AND leads.lead_id = old.lead_id RETURNING true"""


class LeadStore:
    """The records of leads, in one transaction of the mesh."""

    def __init__(self, tx: Transaction, now: datetime) -> None:
        self._tx = tx
        self._now = now

    async def find(self, lead_id: UUID) -> Lead | None:
        """The lead, kept from changing until the transaction ends."""
        row = await self._tx.fetchrow(f"{_ONE} FOR UPDATE", MESH, lead_id)
        return _lead_in(row) if row else None

    async def proven(self, email: str) -> UUID | None:
        """The lead that has proven the address."""
        lead_id: UUID | None = await self._tx.fetchval(_PROVEN, MESH, email)
        return lead_id

    async def add(self, application: Application, key: Key) -> Lead:
        """Write a new lead and its event."""
        lead_id = await self._tx.fetchval(
            _INSERT,
            application.email,
            application.first_name,
            application.last_name,
            application.company_name,
            json.dumps(fields_of(application.address)),
            key.digest,
            key.expire_time,
            self._now,
        )
        lead = Lead(
            lead_id,
            **fields_of(application),
            state=State.NEW,
            key=key,
            create_time=self._now,
            update_time=self._now,
        )
        await append(self._tx, [_event(lead, "lead.created", {})])
        return lead

    async def replace(self, lead: Lead, event_type: str, data: Mapping[str, object]) -> Lead:
        """Write a lead that was found, and its event."""
        after = replace(lead, revision=lead.revision + 1)
        with constraint_faults({"leads_verified_email": email_verified}):
            await self._tx.execute(
                _UPDATE,
                after.lead_id,
                after.state.value,
                after.key.digest if after.key else None,
                after.key.expire_time if after.key else None,
                after.converted_tenant_id,
                after.update_time,
                after.verify_time,
                after.convert_time,
                after.revision,
            )
        await append(self._tx, [_event(after, event_type, data)])
        return after


async def read(tx: Transaction, lead_id: UUID) -> Lead:
    """A lead."""
    row = await tx.fetchrow(_ONE, MESH, lead_id)
    if row is None:
        raise not_found(lead_id)
    return _lead_in(row)


async def read_page(tx: Transaction, page: OpenPage, condition: str, arguments: list[object]) -> tuple[list[Lead], str]:
    """Some leads, and the token of those that follow."""
    found = await page.fetch(tx, f"SELECT * FROM leads WHERE {condition}", *arguments)  # noqa: S608 - our own text
    return [_lead_in(row) for row in found.rows], found.next_token


async def sweep_keys(tx: Transaction, now: datetime, limit: int) -> int:
    """Forget keys that expired long ago, so many at most; answer how many."""
    return len(await tx.fetch(_SWEEP, now, limit))


def _lead_in(row: asyncpg.Record) -> Lead:
    return Lead(
        lead_id=row["lead_id"],
        email=row["email"],
        first_name=row["first_name"],
        last_name=row["last_name"],
        company_name=row["company_name"],
        address=Address(**json.loads(row["address"])),
        state=State[row["state"]],
        key=Key(row["key_digest"], row["key_expire_time"]) if row["key_digest"] else None,
        converted_tenant_id=row["converted_tenant_id"],
        create_time=row["create_time"],
        update_time=row["update_time"],
        verify_time=row["verify_time"],
        convert_time=row["convert_time"],
        revision=row["revision"],
    )


def _event(lead: Lead, event_type: str, data: Mapping[str, object]) -> Event:
    """What happened to a lead. Who it is stays out of it: nobody can take a person out of an event again."""
    return change_of("lead", lead.lead_id, event_type, revision=lead.revision, tenant_id=MESH, data=data)
