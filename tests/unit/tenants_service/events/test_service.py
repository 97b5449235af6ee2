from datetime import UTC, datetime
from uuid import uuid4

import pytest

from faults import Fault
from tenants_service.events.model import Appended, Draft, Recorded
from tenants_service.events.service import Reports

TENANT = uuid4()
CAUSE = {"run_id": "run", "activity_id": "7"}
FAILED = Draft("tenant.step_failed", "tenant", "acme", {"step": "dns"})
DONE = Draft("tenant.step_done", "tenant", "acme", {})


class Log:
    """Events in memory."""

    def __init__(self):
        self.events = {}

    async def knows(self, tenant_id):
        return tenant_id == TENANT

    async def put(self, tenant_id, events):
        assert tenant_id == TENANT
        before, kept = len(self.events), []
        for event in events:
            known = self.events.setdefault(event.event_id, event)
            place = list(self.events).index(event.event_id) + 1
            kept.append(Appended(Recorded(known, place, datetime.now(UTC)), same=known == event))
        return kept, len(self.events) - before


async def test_events_are_put_on_record_once():
    log = Log()
    first, added = await Reports(log).append(TENANT, [FAILED, DONE], CAUSE)
    assert ([one.position for one in first], added) == ([1, 2], 2)
    again, added = await Reports(log).append(TENANT, [DONE, FAILED], CAUSE)
    assert ([one.position for one in again], added) == ([2, 1], 0)


async def test_an_event_twice_in_one_request_is_one():
    kept, added = await Reports(Log()).append(TENANT, [DONE, DONE], CAUSE)
    assert ([one.position for one in kept], added) == ([1, 1], 1)


@pytest.mark.parametrize(
    ("tenant_id", "draft", "reason"),
    [
        (uuid4(), DONE, "TENANT_NOT_FOUND"),
        (TENANT, Draft(FAILED.event_type, "tenant", "acme", {"step": "schema"}), "EVENT_DIFFERS"),
        (TENANT, Draft("tenant.moved", "tenant", "acme", {"transition": {}}), "REQUEST_INVALID"),
        (TENANT, Draft("tenant.said", "tenant", "acme", {"text": "x" * 2**16}), "EVENT_TOO_LARGE"),
    ],
)
async def test_what_is_refused(tenant_id, draft, reason):
    log = Log()
    await Reports(log).append(TENANT, [FAILED], CAUSE)
    with pytest.raises(Fault) as raised:
        await Reports(log).append(tenant_id, [DONE, draft], CAUSE)
    assert raised.value.reason == reason
