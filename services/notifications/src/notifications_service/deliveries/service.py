"""Taking orders, once each, and telling what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from faults import Conflict, Invalid, NotFound, Violation
from notifications_service.deliveries.model import Delivery, DeliveryState, Order, Progress, RecipientDelivery
from notifications_service.deliveries.ports import Bell, Log
from notifications_service.model import Failure, State, address_key
from notifications_service.templates.model import Category
from notifications_service.templates.service import Templates

_SIGN_OF_LIFE: Final = timedelta(seconds=20)
_LOOK_AGAIN: Final = timedelta(seconds=2)
_FASTEST: Final = 2000
"""Messages that a process sends in a second at best: nobody need look sooner whether so many are sent."""
_CHECKED_AT_ONCE: Final = 20
_LONG: Final = 4096
"""Characters of variables up to which no message becomes too large."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A delivery, what became of each, and whether this request made it."""

    delivery: Delivery
    recipients: Sequence[RecipientDelivery]
    created: bool


class Deliveries:
    """The deliveries of the service."""

    def __init__(self, log: Log, templates: Templates, bell: Bell) -> None:
        """Describe them.

        Args:
            log: keeps them.
            templates: what messages are written from.
            bell: rung when there is something to send, and when something was sent.
        """
        self._log = log
        self._templates = templates
        self._bell = bell

    async def send(self, order: Order, *, patience: timedelta) -> Answer:
        """Have it sent, once however often it is asked for; answers when all are done with, or patience is over.

        Raises:
            Invalid: REQUEST_ID_REUSED, VARIABLE_MISSING, VARIABLE_INVALID, RENDERING_TOO_LARGE.
            NotFound: TEMPLATE_NOT_FOUND.
            Conflict: TEMPLATE_INVALID.
        """
        created = False
        if await self._log.digest(order.tenant_id, order.delivery_id) is None:
            languages = await self._checked(order)
            created = await self._log.add(order, languages, optional=self._optional(order))
            self._bell.ring()
        if not created:
            await self._check_same(order)
        delivery = await self._settled(order.tenant_id, order.delivery_id, patience)
        return Answer(delivery, await self._log.recipients(delivery), created)

    async def rehearse(self, order: Order) -> Sequence[RecipientDelivery]:
        """What would become of each: everything is tried, and nothing is sent or kept."""
        if await self._log.digest(order.tenant_id, order.delivery_id) is not None:
            await self._check_same(order)
        languages = await self._checked(order)
        keys = [address_key(one.email) for one in order.recipients if not one.problem]
        suppressed = await self._log.suppressed(order.tenant_id, keys, optional=self._optional(order))
        return [
            RecipientDelivery(
                position, one.email, one.display_name, language,
                State.FAILED if one.problem
                else State.SUPPRESSED if address_key(one.email) in suppressed else State.QUEUED,
                failure=Failure.ADDRESS_INVALID if one.problem else None, detail=one.problem,
            )
            for position, (one, language) in enumerate(zip(order.recipients, languages, strict=True))
        ]  # fmt: skip

    async def get(self, tenant_id: UUID, delivery_id: UUID) -> Answer:
        """A delivery and what became of each.

        Raises:
            NotFound: DELIVERY_NOT_FOUND.
        """
        delivery = await self._found(tenant_id, delivery_id)
        return Answer(delivery, await self._log.recipients(delivery), created=False)

    async def watch(self, tenant_id: UUID, delivery_id: UUID) -> AsyncGenerator[Progress, None]:
        """What becomes of each: those who are done with, then the others as it happens, until nobody waits any more.

        Raises:
            NotFound: DELIVERY_NOT_FOUND.
        """
        loop, said, since = asyncio.get_running_loop(), float("-inf"), -1
        while True:
            rung = self._bell.next()
            delivery = await self._found(tenant_id, delivery_id)
            if delivery.revision > since:
                changed = await self._log.changed(delivery, since=since)
                since = delivery.revision
                told = [one for one in changed if one.state is not State.QUEUED]
                if told or delivery.settled:
                    yield Progress(delivery, told)
                    said = loop.time()
            if delivery.settled:
                return
            if loop.time() - said >= _SIGN_OF_LIFE.total_seconds():
                yield Progress(delivery)
                said = loop.time()
            await _until(rung, _LOOK_AGAIN)

    async def retry(self, tenant_id: UUID, delivery_id: UUID, *, include_unknown: bool) -> tuple[Delivery, int]:
        """Send again to those who failed, and to nobody else.

        Raises:
            NotFound: DELIVERY_NOT_FOUND.
            Conflict: VARIABLES_EXPIRED.
        """
        retried = await self._log.retry(await self._found(tenant_id, delivery_id), include_unknown=include_unknown)
        if retried is None:
            raise Conflict(
                "What the messages are written from is no longer kept.",
                reason="VARIABLES_EXPIRED",
                facts={"delivery_id": delivery_id},
            )
        self._bell.ring()
        return await self._found(tenant_id, delivery_id), retried

    async def cancel(self, tenant_id: UUID, delivery_id: UUID) -> tuple[Delivery, int]:
        """Send nothing to those who still wait.

        Raises:
            NotFound: DELIVERY_NOT_FOUND.
        """
        cancelled = await self._log.cancel(await self._found(tenant_id, delivery_id))
        self._bell.ring()
        return await self._found(tenant_id, delivery_id), cancelled

    async def _checked(self, order: Order) -> Sequence[str]:
        """Make sure that every message can be written; answers their languages.

        Raises:
            NotFound, Conflict, Invalid: as `send` does.
        """
        self._templates.usable(order.template_id)
        languages: list[str] = []
        for position, one in enumerate(order.recipients):
            if position % _CHECKED_AT_ONCE == _CHECKED_AT_ONCE - 1:
                await asyncio.sleep(0)  # others want to be served meanwhile
            wished = (one.language, order.language)
            content = one.content.within(order.content)
            language = self._templates.check(order.template_id, content, *wished, recipient=position)
            # Only what is long can become too large; beside that, one message in each language is tried.
            if language not in languages or sum(map(len, content.values())) > _LONG:
                self._templates.write(order.template_id, content, order.branding, *wished, recipient=position)
            languages.append(language)
        return languages

    def _optional(self, order: Order) -> bool:
        return self._templates.get(order.template_id).category is Category.OPTIONAL

    async def _check_same(self, order: Order) -> None:
        if await self._log.digest(order.tenant_id, order.delivery_id) != order.digest:
            raise Invalid(
                "This request id was used before, with another request.",
                reason="REQUEST_ID_REUSED",
                facts={"request_id": order.request_id},
                violations=[Violation("request_id", "was used before, with another request")],
                domain="tenantmesh",
            )

    async def _settled(self, tenant_id: UUID, delivery_id: UUID, patience: timedelta) -> Delivery:
        """The delivery, once nobody waits any more or the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + patience.total_seconds()
        while True:
            rung = self._bell.next()
            delivery = await self._found(tenant_id, delivery_id)
            left = end - loop.time()
            if delivery.state is not DeliveryState.SENDING or left <= 0:
                return delivery
            await _until(rung, min(_LOOK_AGAIN, timedelta(seconds=left)))
            # Of a thousand that wait some are sent every few milliseconds, and each time everybody is told to look.
            await asyncio.sleep(min(delivery.counts.get(State.QUEUED, 0) / _FASTEST, end - loop.time()))

    async def _found(self, tenant_id: UUID, delivery_id: UUID) -> Delivery:
        delivery = await self._log.delivery(tenant_id, delivery_id)
        if delivery is None:
            raise NotFound(
                "There is no such delivery.", reason="DELIVERY_NOT_FOUND", facts={"delivery_id": delivery_id}
            )
        return delivery


async def _until(rung: asyncio.Event, longest: timedelta) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(longest.total_seconds()):
            await rung.wait()
