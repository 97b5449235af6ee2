"""What the service does with events that others report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from faults import AlreadyExists, NotFound
from tenants_service.events.model import Draft, Recorded, check
from tenants_service.events.ports import Log


class Reports:
    """Events of tenants as others report them, in one transaction."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def append(
        self, tenant_id: UUID, drafts: Sequence[Draft], metadata: Mapping[str, str]
    ) -> tuple[list[Recorded], int]:
        """Put the events on record in their order, all or none; answer them, and how many were not there before."""
        for place, draft in enumerate(drafts):
            check(draft, f"events[{place}]")
        if not await self._log.knows(tenant_id):
            raise NotFound("There is no such tenant.", reason="TENANT_NOT_FOUND", facts={"tenant_id": tenant_id})
        events = [draft.event(tenant_id, metadata) for draft in drafts]
        kept, added = await self._log.put(tenant_id, events)
        for one in kept:
            if not one.same:
                raise AlreadyExists(
                    "An event of that identifier is on record and says something else.",
                    reason="EVENT_DIFFERS",
                    facts={"event_id": one.recorded.event.event_id, "position": one.recorded.position},
                )
        return [one.recorded for one in kept], added
