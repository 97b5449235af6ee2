"""The delivery log in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from notifications_service.deliveries.model import (
    Content,
    Delivery,
    DeliveryState,
    Filter,
    Order,
    RecipientDelivery,
    state_of,
)
from notifications_service.model import Branding, Failure, State, address_key
from notifications_service.store import Records
from postgreskit import OpenPage, Transaction
from postgreskit.seal import Seal

_ADD: Final = """
INSERT INTO deliveries (tenant_id, delivery_id, request_id, digest, operation_id, template_id, optional, content,
    expire_time, state, counts, complete_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + $9, $10, $11::jsonb, CASE WHEN $10 <> 'SENDING' THEN now() END)
ON CONFLICT DO NOTHING RETURNING true"""
_ADD_RECIPIENTS: Final = """
INSERT INTO recipients (tenant_id, delivery_id, position, email, address_key, display_name, language, content, state,
    failure, detail)
SELECT $1, $2, * FROM unnest($3::integer[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::text[],
    $10::text[], $11::text[])"""
_DELIVERY: Final = """
SELECT tenant_id, delivery_id, request_id, operation_id, template_id, state, counts, create_time, complete_time,
    revision
FROM deliveries"""
_RECIPIENTS: Final = """
SELECT position, email, display_name, language, state, provider, message_id, failure, detail, attempts, send_time,
    update_time
FROM recipients WHERE tenant_id = $1 AND delivery_id = $2"""
_SUPPRESSED: Final = """
SELECT DISTINCT email FROM suppressions
WHERE tenant_id IN ($1, '00000000-0000-0000-0000-000000000000') AND email = ANY($2)
    AND (scope = 'EVERYTHING' OR $3)"""
_WHO_FAILED: Final = """tenant_id = $1 AND delivery_id = $2 AND state = 'FAILED'
    AND failure NOT IN ('ADDRESS_INVALID', 'BOUNCED')
    AND ($3 OR failure <> 'OUTCOME_UNKNOWN')"""
_FAILED: Final = f"SELECT EXISTS (SELECT FROM recipients WHERE {_WHO_FAILED})"  # noqa: S608 - constants
_RETRY: Final = f"""
UPDATE recipients SET state = 'QUEUED', failure = NULL, detail = '', due_time = now(), tries = 0, asked = '',
    update_time = now(), revision = $4
WHERE {_WHO_FAILED}"""  # noqa: S608 - constants
_CANCEL: Final = """
UPDATE recipients SET state = 'CANCELLED', content = NULL, update_time = now(), revision = $3
WHERE tenant_id = $1 AND delivery_id = $2 AND state = 'QUEUED' AND claim IS NULL AND asked = ''"""
_TOUCH: Final = """
UPDATE deliveries SET revision = revision + 1 WHERE tenant_id = $1 AND delivery_id = $2
RETURNING revision, content IS NOT NULL"""
SUM_UP: Final = """
UPDATE deliveries AS whole
SET counts = sums.counts,
    state = CASE WHEN sums.queued > 0 THEN 'SENDING' WHEN sums.delivered = 0 THEN 'NOT_SENT'
        WHEN sums.delivered = sums.everybody THEN 'SENT' ELSE 'PARTLY_SENT' END,
    complete_time = CASE WHEN sums.queued = 0 THEN coalesce(whole.complete_time, now()) END,
    content = CASE WHEN sums.queued + sums.failed > 0 THEN whole.content END
FROM (
    SELECT tenant_id, delivery_id, jsonb_object_agg(state, amount) AS counts, sum(amount) AS everybody,
        coalesce(sum(amount) FILTER (WHERE state = 'QUEUED'), 0) AS queued,
        coalesce(sum(amount) FILTER (WHERE state = 'FAILED'), 0) AS failed,
        coalesce(sum(amount) FILTER (WHERE state IN ('SENT', 'DELIVERED')), 0) AS delivered
    FROM (
        SELECT tenant_id, delivery_id, state, count(*) AS amount FROM recipients
        WHERE delivery_id = ANY($1) GROUP BY tenant_id, delivery_id, state
    ) AS states
    GROUP BY tenant_id, delivery_id
) AS sums
WHERE whole.tenant_id = sums.tenant_id AND whole.delivery_id = sums.delivery_id"""
"""Brings deliveries in line with their recipients. What is kept of a delivery that needs no retry goes."""


class DeliveryLog:
    """Every delivery and what became of it."""

    def __init__(self, records: Records, seal: Seal, *, kept: timedelta) -> None:
        """Describe it.

        Args:
            records: where it stands.
            seal: hides what messages are written from.
            kept: how long that is kept at most.
        """
        self._records = records
        self._seal = seal
        self._kept = kept

    async def add(self, order: Order, languages: Sequence[str], *, optional: bool) -> bool:
        """Put an order on record; False where its request was known."""
        states = [State.FAILED if one.problem else State.QUEUED for one in order.recipients]
        counts = {state: states.count(state) for state in set(states)}
        async with self._records.of(order.tenant_id) as tx:
            if not await tx.fetchval(
                _ADD, order.tenant_id, order.delivery_id, order.request_id, order.digest, order.operation_id,
                order.template_id, optional, close(self._seal, order.content, order.branding), self._kept,
                state_of(counts).value, _counts_to(counts),
            ):  # fmt: skip
                return False
            await tx.execute(_ADD_RECIPIENTS, order.tenant_id, order.delivery_id, *self._columns(order, languages))
        return True

    async def digest(self, tenant_id: UUID, delivery_id: UUID) -> bytes | None:
        """The digest of the request that made a delivery."""
        query = "SELECT digest FROM deliveries WHERE tenant_id = $1 AND delivery_id = $2"
        async with self._records.of(tenant_id) as tx:
            digest: bytes | None = await tx.fetchval(query, tenant_id, delivery_id)
        return digest

    async def delivery(self, tenant_id: UUID, delivery_id: UUID) -> Delivery | None:
        """A delivery as it stands."""
        async with self._records.of(tenant_id) as tx:
            row = await tx.fetchrow(f"{_DELIVERY} WHERE tenant_id = $1 AND delivery_id = $2", tenant_id, delivery_id)
        return delivery_in(row) if row else None

    async def recipients(self, delivery: Delivery) -> Sequence[RecipientDelivery]:
        """Its recipients in their order."""
        return await self._recipients(delivery, f"{_RECIPIENTS} ORDER BY position")

    async def changed(self, delivery: Delivery, *, since: int) -> Sequence[RecipientDelivery]:
        """Its recipients that changed after a revision, and not after the delivery was read."""
        query = f"{_RECIPIENTS} AND revision > $3 AND revision <= $4 ORDER BY revision, position"
        return await self._recipients(delivery, query, since, delivery.revision)

    async def _recipients(self, delivery: Delivery, query: str, *bounds: int) -> Sequence[RecipientDelivery]:
        async with self._records.of(delivery.tenant_id) as tx:
            rows = await tx.fetch(query, delivery.tenant_id, delivery.delivery_id, *bounds)
        return [recipient_in(row) for row in rows]

    async def retry(self, delivery: Delivery, *, include_unknown: bool) -> int | None:
        """Queue again who failed."""
        async with self._records.of(delivery.tenant_id) as tx:
            key = (delivery.tenant_id, delivery.delivery_id)
            [(revision, has_content)] = await tx.fetch(_TOUCH, *key)
            if not has_content and await tx.fetchval(_FAILED, *key, include_unknown):
                return None
            count = _affected(await tx.execute(_RETRY, *key, include_unknown, revision))
            await tx.execute(SUM_UP, [delivery.delivery_id])
        return count

    async def cancel(self, delivery: Delivery) -> int:
        """Send nothing to those whom nobody has begun to send to."""
        async with self._records.of(delivery.tenant_id) as tx:
            key = (delivery.tenant_id, delivery.delivery_id)
            [(revision, _)] = await tx.fetch(_TOUCH, *key)
            count = _affected(await tx.execute(_CANCEL, *key, revision))
            await tx.execute(SUM_UP, [delivery.delivery_id])
        return count

    async def suppressed(self, tenant_id: UUID, keys: Collection[str], *, optional: bool) -> frozenset[str]:
        """Those of the address keys that are to get no message of this kind."""
        async with self._records.of_all() as tx:
            return await suppressed(tx, tenant_id, keys, optional=optional)

    async def page(self, page: OpenPage, wanted: Filter) -> tuple[Sequence[Delivery], str]:
        """A page of the deliveries that are wanted, and the token of the next one."""
        query, arguments = _select(wanted)
        async with self._records.of(wanted.tenant_id) if wanted.tenant_id else self._records.of_all() as tx:
            found = await page.fetch(tx, query, *arguments)
        return [delivery_in(row) for row in found.rows], found.next_token

    def _columns(self, order: Order, languages: Sequence[str]) -> tuple[list[Any], ...]:
        """The recipients of an order, column by column."""
        people = order.recipients
        return (
            list(range(len(people))),
            [one.email for one in people],
            [address_key(one.email) for one in people],
            [one.display_name for one in people],
            list(languages),
            [close(self._seal, one.content) if one.content and not one.problem else None for one in people],
            ["FAILED" if one.problem else "QUEUED" for one in people],
            ["ADDRESS_INVALID" if one.problem else None for one in people],
            [one.problem for one in people],
        )


async def suppressed(tx: Transaction, tenant_id: UUID, keys: Collection[str], *, optional: bool) -> frozenset[str]:
    """Those of the address keys that are to get no message of this kind."""
    return frozenset(row[0] for row in await tx.fetch(_SUPPRESSED, tenant_id, list(keys), optional))


def close(seal: Seal, content: Content, branding: Branding | None = None) -> bytes:
    """What a message is written from, sealed."""
    said = {"variables": dict(content.variables), "secrets": dict(content.secrets)}
    return seal.close(json.dumps(said | ({"branding": asdict(branding)} if branding else {})).encode())


def opened(seal: Seal, sealed: bytes) -> tuple[Content, Branding]:
    """It again."""
    said = json.loads(seal.open(sealed))
    return Content(said["variables"], said["secrets"]), Branding(**said.get("branding", {}))


def delivery_in(row: asyncpg.Record) -> Delivery:
    """The delivery in a row."""
    return Delivery(
        delivery_id=row["delivery_id"],
        tenant_id=row["tenant_id"],
        request_id=row["request_id"],
        operation_id=row["operation_id"],
        template_id=row["template_id"],
        state=DeliveryState(row["state"]),
        counts={State(state): count for state, count in json.loads(row["counts"]).items()},
        create_time=row["create_time"],
        complete_time=row["complete_time"],
        revision=row["revision"],
    )


def recipient_in(row: asyncpg.Record) -> RecipientDelivery:
    """What became of one message, in a row."""
    failure = Failure(row["failure"]) if row["failure"] else None
    return RecipientDelivery(**{**row, "state": State(row["state"]), "failure": failure})


def _select(wanted: Filter) -> tuple[str, list[Any]]:
    """The query of a filter."""
    conditions: dict[str, Any] = {
        "tenant_id = ${}": wanted.tenant_id,
        "operation_id = ${}": wanted.operation_id,
        "template_id = ${}": wanted.template_id,
        "EXISTS (SELECT FROM recipients AS one WHERE one.tenant_id = deliveries.tenant_id AND"
        " one.delivery_id = deliveries.delivery_id AND one.address_key = ${})": address_key(wanted.email),
        "state = ${}": wanted.state.value if wanted.state else None,
        "create_time >= ${}": wanted.from_time,
        "create_time < ${}": wanted.until_time,
    }
    chosen = {condition: value for condition, value in conditions.items() if value}
    where = " AND ".join(condition.format(number) for number, condition in enumerate(chosen, 1))
    return f"{_DELIVERY} WHERE {where}" if where else _DELIVERY, list(chosen.values())


def _counts_to(counts: Mapping[State, int]) -> str:
    return json.dumps({state.value: count for state, count in counts.items()})


def _affected(status: str) -> int:
    return int(status.rpartition(" ")[2])
