"""Doing a request once, however often it is sent: its response is stored in the transaction that does it.

    async with database.tenant(tenant_id).transaction() as tx:
        response = await once(tx, key, lambda: create_lead(tx, lead))

The first transaction with a key inserts its row and so holds it. A second one that comes meanwhile waits on that row:
it replays the response when the first is committed, and does the work itself when the first is rolled back. An answer
that was lost on its way is given again, and nothing is done twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from faults import Invalid, Violation
from postgreskit.database import Transaction
from postgreskit.errors import DOMAIN

KEPT: Final = timedelta(days=1)
NO_TENANT: Final = UUID(int=0)

# The row of a conflict is locked, whether or not it is updated, so nobody sweeps it away before it is read.
# A row without response is one whose work failed in a transaction that was committed all the same.
_CLAIM: Final = """
INSERT INTO idempotent_requests AS kept (tenant_id, caller, method, request_id, digest, expires_at)
VALUES ($1, $2, $3, $4, $5, now() + $6)
ON CONFLICT (tenant_id, caller, method, request_id) DO UPDATE
    SET digest = excluded.digest, response = NULL, expires_at = excluded.expires_at
    WHERE kept.expires_at <= now() OR kept.response IS NULL
RETURNING true"""
_KEY: Final = "tenant_id = $1 AND caller = $2 AND method = $3 AND request_id = $4"
_REPLAY: Final = f"SELECT digest, response FROM idempotent_requests WHERE {_KEY}"  # noqa: S608 - constants
_ANSWERED: Final = f"SELECT true FROM idempotent_requests WHERE {_KEY} AND response IS NOT NULL AND expires_at > now()"  # noqa: S608 - constants
_STORE: Final = f"UPDATE idempotent_requests SET response = $5 WHERE {_KEY}"  # noqa: S608 - constants
_SWEEP: Final = """
WITH expired AS (
    SELECT tenant_id, caller, method, request_id FROM idempotent_requests
    WHERE expires_at <= now() ORDER BY expires_at LIMIT $1
)
DELETE FROM idempotent_requests AS kept USING expired
WHERE kept.tenant_id = expired.tenant_id AND kept.caller = expired.caller
    AND kept.method = expired.method AND kept.request_id = expired.request_id AND kept.expires_at <= now()
RETURNING 1"""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Which request this is: whose, of which method, with which id, and a digest of what it asks for."""

    tenant_id: UUID
    caller: str
    method: str
    request_id: UUID
    digest: bytes


def request_key(
    *, caller: str, method: str, request_id: str, payload: bytes, tenant_id: str | UUID = NO_TENANT
) -> RequestKey | None:
    """The key of a request, or None for one without request id, which is done as often as it is sent.

    Args:
        caller: who sends it, as authenticated: the ids of two callers never meet.
        method: the full name of the RPC.
        request_id: the UUID the caller chose.
        payload: the request, serialized deterministically.
        tenant_id: the tenant of the transaction, if it has one.
    """
    if not request_id:
        return None
    tenant = tenant_id if isinstance(tenant_id, UUID) else UUID(tenant_id)
    return RequestKey(tenant, caller, method, UUID(request_id), hashlib.sha256(payload).digest())


async def once(
    tx: Transaction, key: RequestKey | None, work: Callable[[], Awaitable[bytes]], *, kept: timedelta = KEPT
) -> bytes:
    """Do the work and keep its response, or return the response that is kept.

    The work must have all its effects in `tx`. Call this first in the transaction, so that a repeated request waits
    before it reads anything. A response may have at most 1 MiB.

    Raises:
        Invalid: `REQUEST_ID_REUSED`, when the id came with another request before.
    """
    if key is None:
        return await work()
    identity = (key.tenant_id, key.caller, key.method, key.request_id)
    if not await tx.fetchval(_CLAIM, *identity, key.digest, kept):
        [row] = await tx.fetch(_REPLAY, *identity)  # it is there: the claim has locked it
        return _replay(key, row["digest"], row["response"])
    response = await work()
    await tx.execute(_STORE, *identity, response)
    return response


async def answered(tx: Transaction, key: RequestKey | None) -> bool:
    """Whether `once` would do nothing for this request: what comes again may pass what refuses others."""
    return key is not None and bool(await tx.fetchval(_ANSWERED, key.tenant_id, key.caller, key.method, key.request_id))


async def sweep(tx: Transaction, *, limit: int = 1000) -> int:
    """Forget at most `limit` requests that have expired, and say how many; in a transaction of no tenant."""
    return len(await tx.fetch(_SWEEP, limit))


def _replay(key: RequestKey, digest: bytes, response: bytes) -> bytes:
    if digest == key.digest:
        return response
    raise Invalid(
        "This request id was used before, with another request.",
        reason="REQUEST_ID_REUSED",
        facts={"request_id": key.request_id},
        violations=[Violation("request_id", "was used before, with another request")],
        domain=DOMAIN,
    )
