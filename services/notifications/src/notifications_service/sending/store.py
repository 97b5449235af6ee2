"""The queue in PostgreSQL: the recipients of the delivery log that are QUEUED and due."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg

from faults import Fault
from notifications_service.deliveries.model import Content
from notifications_service.deliveries.store import SUM_UP, opened, suppressed
from notifications_service.model import Branding, address_key
from notifications_service.sending.model import Claim, Outcome
from notifications_service.store import Records
from postgreskit import Transaction
from postgreskit.seal import Seal

_CLAIM: Final = """
WITH due AS (
    SELECT tenant_id, delivery_id, position, asked AS asked_before FROM recipients
    WHERE state = 'QUEUED' AND due_time <= now() ORDER BY due_time, position LIMIT $1
    FOR UPDATE SKIP LOCKED
)
UPDATE recipients AS one
SET claim = $2, due_time = now() + $3, tries = tries + 1, attempts = attempts + 1,
    asked = coalesce(nullif(asked, ''), $4)
FROM due
WHERE one.tenant_id = due.tenant_id AND one.delivery_id = due.delivery_id AND one.position = due.position
RETURNING one.tenant_id, one.delivery_id, one.position, email, display_name, language, content, tries, asked_before"""
_ORDERS: Final = """
SELECT tenant_id, delivery_id, template_id, optional, content, create_time
FROM deliveries WHERE delivery_id = ANY($1)"""
_MOVE: Final = """
UPDATE recipients SET asked = $5 WHERE tenant_id = $1 AND delivery_id = $2 AND position = $3 AND claim = $4"""
# Deliveries are locked one after the other in one order, so that two processes never wait for each other; and while one
# is locked nobody else adds to its revisions, so that who watches it skips none.
_LOCK: Final = """
WITH touched AS (
    SELECT tenant_id, delivery_id FROM deliveries WHERE delivery_id = ANY($1) ORDER BY delivery_id FOR UPDATE
)
UPDATE deliveries AS whole SET revision = revision + 1 FROM touched
WHERE whole.tenant_id = touched.tenant_id AND whole.delivery_id = touched.delivery_id"""
_RECORD: Final = """
UPDATE recipients AS one
SET state = said.state, provider = coalesce(nullif(said.provider, ''), one.provider), message_id = said.message_id,
    failure = said.failure, detail = said.detail, asked = said.asked, claim = NULL,
    due_time = now() + coalesce(said.again_in, interval '0'), update_time = now(), revision = whole.revision,
    send_time = CASE WHEN said.state = 'SENT' THEN now() END,
    content = CASE WHEN said.state IN ('QUEUED', 'FAILED') THEN one.content END
FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::text[], $11::interval[])
    AS said (tenant_id, delivery_id, position, claim, state, provider, message_id, failure, detail, asked, again_in),
    deliveries AS whole
WHERE one.tenant_id = said.tenant_id AND one.delivery_id = said.delivery_id AND one.position = said.position
    AND one.claim = said.claim AND whole.tenant_id = one.tenant_id AND whole.delivery_id = one.delivery_id"""
# The recipients go with their delivery. Whoever works on one, such as who retries it, keeps it.
_PURGE: Final = """
DELETE FROM deliveries AS whole USING (
    SELECT tenant_id, delivery_id FROM deliveries WHERE complete_time < now() - $1::interval
    ORDER BY complete_time LIMIT $2 FOR UPDATE SKIP LOCKED
) AS old
WHERE whole.tenant_id = old.tenant_id AND whole.delivery_id = old.delivery_id"""
_PURGED_AT_ONCE: Final = 100
_FORGET: Final = """
WITH old AS (
    UPDATE deliveries SET content = NULL WHERE content IS NOT NULL AND expire_time <= now()
    RETURNING tenant_id, delivery_id
)
UPDATE recipients AS one SET content = NULL FROM old
WHERE one.tenant_id = old.tenant_id AND one.delivery_id = old.delivery_id"""

_log = logging.getLogger(__name__)

Written = tuple[Content, Branding]
Order = tuple[asyncpg.Record, Written | None]
_NOTHING: Final = (Content(), Branding())


class DueMessages:
    """What waits to be sent, whoever's it is."""

    def __init__(self, records: Records, seal: Seal, *, log_kept: timedelta) -> None:
        """Describe it.

        Args:
            records: where it stands.
            seal: opens what messages are written from.
            log_kept: how long a delivery stays on record once it is complete.
        """
        self._records = records
        self._seal = seal
        self._log_kept = log_kept

    async def claim(self, limit: int, *, first: str, lease: timedelta) -> Sequence[Claim]:
        """Take on at most so many messages."""
        claim = uuid4()
        async with self._records.of_all() as tx:
            rows = await tx.fetch(_CLAIM, limit, claim, lease, first)
            if not rows:
                return []
            deliveries = await tx.fetch(_ORDERS, list({row["delivery_id"] for row in rows}))
            orders = {row["delivery_id"]: (row, self._opened(row["content"])) for row in deliveries}
            unwanted = await _unwanted(tx, rows, orders)
        return [self._claim(claim, row, orders[row["delivery_id"]], unwanted) for row in rows]

    async def moving(self, claim: Claim, provider: str) -> None:
        """Put on record that another provider is about to be asked."""
        async with self._records.of_all() as tx:
            await tx.execute(_MOVE, claim.tenant_id, claim.delivery_id, claim.position, claim.claim, provider)

    async def record(self, outcomes: Sequence[Outcome]) -> None:
        """Put on record what came of claims; of one that somebody else has taken over meanwhile, nothing."""
        deliveries = sorted({outcome.claim.delivery_id for outcome in outcomes})
        async with self._records.of_all() as tx:
            await tx.execute(_LOCK, deliveries)
            await tx.execute(_RECORD, *zip(*map(_columns, outcomes), strict=True))
            await tx.execute(SUM_UP, deliveries)

    async def forget(self) -> bool:
        """Erase some of what is kept too long; whether there may be more."""
        async with self._records.of_all() as tx:
            await tx.execute(_FORGET)
            purged = await tx.execute(_PURGE, self._log_kept, _PURGED_AT_ONCE)
        return purged == f"DELETE {_PURGED_AT_ONCE}"

    def _claim(self, claim: UUID, row: asyncpg.Record, order: Order, unwanted: frozenset[tuple[UUID, str]]) -> Claim:
        whole, shared = order
        own = self._opened(row["content"]) if row["content"] else _NOTHING
        return Claim(
            claim=claim,
            tenant_id=row["tenant_id"],
            delivery_id=row["delivery_id"],
            position=row["position"],
            template_id=whole["template_id"],
            email=row["email"],
            display_name=row["display_name"],
            language=row["language"],
            content=Content(own[0].within(shared[0])) if own and shared else Content(),
            branding=shared[1] if shared else Branding(),
            create_time=whole["create_time"],
            tries=row["tries"],
            asked=row["asked_before"],
            optional=whole["optional"],
            suppressed=not row["asked_before"] and (row["delivery_id"], address_key(row["email"])) in unwanted,
            forgotten=not (own and shared),
        )

    def _opened(self, sealed: bytes | None) -> Written | None:
        """What messages are written from; None where it is no longer kept, or its secret is gone."""
        if sealed is None:
            return None
        try:
            return opened(self._seal, sealed)
        except Fault:
            _log.exception("content was sealed with a secret this process does not have")
            return None


async def _unwanted(
    tx: Transaction, rows: Sequence[asyncpg.Record], orders: Mapping[UUID, Order]
) -> frozenset[tuple[UUID, str]]:
    """Deliveries and address keys that must not meet."""
    found: set[tuple[UUID, str]] = set()
    for delivery_id, some in groupby(sorted(rows, key=lambda row: row["delivery_id"]), lambda row: row["delivery_id"]):
        keys = [address_key(row["email"]) for row in some]
        whole = orders[delivery_id][0]
        unwanted = await suppressed(tx, whole["tenant_id"], keys, optional=whole["optional"])
        found |= {(delivery_id, key) for key in unwanted}
    return frozenset(found)


def _columns(outcome: Outcome) -> tuple[Any, ...]:
    claim, verdict, again = outcome.claim, outcome.verdict, outcome.again_in is not None
    return (
        claim.tenant_id,
        claim.delivery_id,
        claim.position,
        claim.claim,
        "QUEUED" if again else verdict.state.value,
        outcome.provider,
        verdict.message_id[:998],
        None if again or verdict.failure is None else verdict.failure.value,
        verdict.detail[:512],
        outcome.provider if verdict.unknown and again else "",
        outcome.again_in,
    )
