"""A database of the tenants service with much on record, and what somebody reads of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from tenantmesh.tenants.v1 import event_service_pb2 as event_pb
from tenantmesh.tenants.v1 import event_service_pb2_grpc as event_rpc
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb
from tenantmesh.tenants.v1 import tenant_service_pb2_grpc as tenant_rpc

EVENTS: Final = 20
"""Of each tenant."""
SPAN: Final = timedelta(days=30)
TYPES = [
    "tenant.created", "tenant.provisioning", "tenant.step_done", "tenant.step_done", "tenant.active",
    "tenant.updated", "tenant.protected", "tenant.protection_lifted", "tenant.step_done", "tenant.noticed",
]  # fmt: skip
Names = Sequence[tuple[UUID, str]]


async def fill(address: str, tenants: int) -> Names:
    """Load so many tenants, each with its key and its domain, and their events, as they would have come."""
    names = [(uuid4(), f"b{number:010x}") for number in range(tenants)]
    owner = await asyncpg.connect(address, command_timeout=900)
    try:
        for table, columns, rows in (
            ("tenants", TENANT, _tenants(names)),
            ("tenant_keys", ("name", "key", "tenant_id"), ((key, key, tenant_id) for tenant_id, key in names)),
            ("tenant_domains", ("domain", "tenant_id"), ((f"{key}.example", tenant_id) for tenant_id, key in names)),
            ("domain_events", EVENT, _events(names)),
        ):
            await owner.copy_records_to_table(table, columns=columns, records=rows)
        await owner.execute("VACUUM (ANALYZE)")
    finally:
        await owner.close()
    return names


TENANT = (
    "tenant_id", "key", "display_name", "tier", "contacts", "domains", "address", "branding", "metadata",
    "create_time", "update_time",
)  # fmt: skip
EVENT = (
    "tenant_id", "event_id", "event_type", "aggregate_type", "aggregate_id", "event_data", "metadata", "create_time",
)  # fmt: skip


def _tenants(names: Names) -> Iterator[tuple[object, ...]]:
    contact = {"first_name": "Ada", "last_name": "L", "email": "ada@b.example", "primary": True}
    begun = datetime.now(UTC) - SPAN
    for number, (tenant_id, key) in enumerate(names):
        time = begun + SPAN * number / len(names)
        yield (
            tenant_id, key, key, "POOLED", json.dumps([contact]), [f"{key}.example"], "{}", "{}", "{}", time, time,
        )  # fmt: skip


def _events(names: Names) -> Iterator[tuple[object, ...]]:
    begun, total = datetime.now(UTC) - SPAN, EVENTS * len(names)
    for number in range(total):
        tenant_id, key = names[number % len(names)]
        turn = number // len(names)
        data: dict[str, object] = {"text": "what happened, in about as many words as usual", "turn": turn}
        if not turn:
            data["transition"] = {"sequence": 1, "from_state": "", "to_state": "PENDING_PROVISION"}
        cause = {"workflow_id": f"provision-tenant-{key}", "principal": "spiffe://tenantmesh/worker"}
        yield (
            tenant_id, uuid4(), TYPES[turn % len(TYPES)], "tenant", str(tenant_id), json.dumps(data),
            json.dumps(cause), begun + SPAN * number / total,
        )  # fmt: skip


class Reader:
    """Who reads: every call takes a number, which chooses what is asked for."""

    CALLS = (
        "list_tenants", "list_tenants_by_key", "look_up_by_key", "look_up_by_domain", "list_events",
        "list_events_of_tenant", "list_events_of_aggregate", "list_events_of_type", "list_events_of_workflow",
        "list_latest_events", "list_events_of_a_time", "resume_watching", "resume_watching_tenant",
    )  # fmt: skip

    def __init__(self, channel: grpc.aio.Channel, names: Names) -> None:
        self._tenants = tenant_rpc.TenantServiceStub(channel)
        self._events = event_rpc.EventServiceStub(channel)
        self._names = names
        self._tokens: dict[str, str] = {}
        self.tenants = len(names)

    def _name(self, number: int) -> tuple[str, str]:
        tenant_id, key = self._names[number * 7919 % self.tenants]
        return str(tenant_id), key

    async def prepare(self) -> None:
        """Take the tokens of streams that broke off a hundred events, or one, before the end."""
        last = await self._list(100, order_by="position desc")
        self._tokens[""] = await self._token(last.events[-1].position)
        for number in range(25):
            tenant_id, _ = self._name(number)
            last = await self._list(2, tenant_id=tenant_id, order_by="position desc")
            self._tokens[tenant_id] = await self._token(last.events[-1].position - 1, tenant_id)

    async def list_tenants(self, _: int) -> None:
        await self._list_tenants()

    async def list_tenants_by_key(self, _: int) -> None:
        await self._list_tenants(order_by="key", filter='state = "PENDING_PROVISION"')

    async def look_up_by_key(self, number: int) -> None:
        await self._tenants.GetTenantByKey(tenant_pb.GetTenantByKeyRequest(key=self._name(number)[1]))

    async def look_up_by_domain(self, number: int) -> None:
        domain = f"{self._name(number)[1]}.example"
        await self._tenants.GetTenantByDomain(tenant_pb.GetTenantByDomainRequest(domain=domain))

    async def list_events(self, _: int) -> None:
        await self._list(100)

    async def list_events_of_tenant(self, number: int) -> None:
        await self._list(EVENTS, tenant_id=self._name(number)[0])

    async def list_events_of_aggregate(self, number: int) -> None:
        await self._list(EVENTS, aggregate_type="tenant", aggregate_id=self._name(number)[0])

    async def list_events_of_type(self, _: int) -> None:
        await self._list(100, event_types=["tenant.protected"])

    async def list_events_of_workflow(self, number: int) -> None:
        await self._list(EVENTS, workflow_id=f"provision-tenant-{self._name(number)[1]}")

    async def list_latest_events(self, _: int) -> None:
        await self._list(100, order_by="position desc")

    async def list_events_of_a_time(self, _: int) -> None:
        """The hundred or so of a short time in the middle."""
        start, end = Timestamp(), Timestamp()
        middle = datetime.now(UTC) - SPAN / 2
        start.FromDatetime(middle)
        end.FromDatetime(middle + SPAN * 100 / (EVENTS * self.tenants))
        await self._list(90, start_time=start, end_time=end)

    async def resume_watching(self, _: int) -> None:
        await self._first(event_pb.WatchEventsRequest(resume_token=self._tokens[""]))

    async def resume_watching_tenant(self, number: int) -> None:
        tenant_id, _ = self._name(number)
        await self._first(event_pb.WatchEventsRequest(tenant_id=tenant_id, resume_token=self._tokens[tenant_id]))

    async def _list_tenants(self, **wanted: str) -> None:
        answer = await self._tenants.ListTenants(tenant_pb.ListTenantsRequest(page_size=100, **wanted))
        assert len(answer.tenants) == 100

    async def _list(self, at_least: int, **wanted: object) -> event_pb.ListEventsResponse:
        answer = await self._events.ListEvents(event_pb.ListEventsRequest(page_size=100, **wanted))
        assert len(answer.events) >= at_least
        return answer

    async def _token(self, after: int, tenant_id: str = "") -> str:
        return (await self._first(event_pb.WatchEventsRequest(after_position=after, tenant_id=tenant_id))).resume_token

    async def _first(self, request: event_pb.WatchEventsRequest) -> event_pb.WatchEventsResponse:
        call = self._events.WatchEvents(request)
        try:
            answer = await call.read()
            assert answer.HasField("event")
            return answer
        finally:
            call.cancel()
