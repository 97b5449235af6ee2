"""The records of tenants, and the outbox in which an accepted operation waits: the tenants service."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from chassis.client import faults_raised
from faults import Fault
from provisioning_service.model import Kind, retold
from tenantmesh.tenants.v1 import catalog_service_pb2 as catalog
from tenantmesh.tenants.v1 import catalog_service_pb2_grpc as catalog_rpc
from tenantmesh.tenants.v1 import outbox_pb2, plan_pb2, subscription_pb2, tenant_pb2
from tenantmesh.tenants.v1 import outbox_service_pb2 as outbox
from tenantmesh.tenants.v1 import outbox_service_pb2_grpc as outbox_rpc
from tenantmesh.tenants.v1 import subscription_service_pb2 as subscriptions
from tenantmesh.tenants.v1 import subscription_service_pb2_grpc as subscriptions_rpc
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenants
from tenantmesh.tenants.v1 import tenant_service_pb2_grpc as tenants_rpc

_CLAIM: Final = timedelta(seconds=10)
"""How long an entry is nobody else's: after that the dispatcher starts what its acceptor did not."""
_MOST: Final = 20
UNDONE: Final = frozenset({outbox_pb2.OutboxEntry.STATE_WAITING, outbox_pb2.OutboxEntry.STATE_CLAIMED})
PARKED: Final = outbox_pb2.OutboxEntry.STATE_PARKED


class Records:
    """Calls of the tenants service, whose refusals become this service's own."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Call over this channel."""
        self._tenants = tenants_rpc.TenantServiceStub(channel)
        self._subscriptions = subscriptions_rpc.SubscriptionServiceStub(channel)
        self._catalog = catalog_rpc.CatalogServiceStub(channel)
        self._outbox = outbox_rpc.OutboxServiceStub(channel)

    async def tenant(self, tenant_id: str, kind: Kind) -> tenant_pb2.Tenant:
        """The tenant an operation is about."""
        with _refusals(kind):
            return (await self._tenants.GetTenant(tenants.GetTenantRequest(tenant_id=tenant_id))).tenant

    async def subscription(self, tenant_id: str, wanted: str, kind: Kind) -> subscription_pb2.Subscription | None:
        """The subscription that is named, else the active one."""
        with _refusals(kind):
            if wanted:
                named = subscriptions.GetSubscriptionRequest(tenant_id=tenant_id, subscription_id=wanted)
                return (await self._subscriptions.GetSubscription(named)).subscription
            active = subscription_pb2.Subscription.STATE_ACTIVE
            request = subscriptions.ListSubscriptionsRequest(tenant_id=tenant_id, state=active, page_size=1)
            found = (await self._subscriptions.ListSubscriptions(request)).subscriptions
            return found[0] if found else None

    async def plan(self, plan_id: str) -> plan_pb2.Plan:
        """A plan."""
        with faults_raised():
            return (await self._catalog.GetPlan(catalog.GetPlanRequest(plan_id=plan_id))).plan

    async def accept(
        self, kind: Kind, operation_id: str, asked: Message, tenant_id: str
    ) -> tuple[outbox_pb2.OutboxEntry, bool]:
        """Keep an operation until it is started; answer the entry, and whether it is new."""
        request = outbox.CreateOutboxEntryRequest(
            tenant_id=tenant_id,
            operation_type=kind.accepted_as,
            operation_id=operation_id,
            payload_type=asked.DESCRIPTOR.full_name,
            payload=asked.SerializeToString(deterministic=True),
            claim_id=str(uuid.uuid4()),
            claim_duration=_duration(_CLAIM),
        )
        with _refusals(kind):
            answer = await self._outbox.CreateOutboxEntry(request)
        return answer.outbox_entry, answer.created

    async def claim(self) -> Sequence[outbox_pb2.OutboxEntry]:
        """Entries that wait to be started, and are now this caller's to start."""
        request = outbox.ClaimOutboxEntriesRequest(
            limit=_MOST, claim_id=str(uuid.uuid4()), claim_duration=_duration(3 * _CLAIM)
        )
        with faults_raised():
            return (await self._outbox.ClaimOutboxEntries(request)).outbox_entries

    async def complete(self, entry: outbox_pb2.OutboxEntry) -> None:
        """Note that an operation was started."""
        request = outbox.CompleteOutboxEntryRequest(
            tenant_id=entry.tenant_id, outbox_entry_id=entry.outbox_entry_id, claim_id=entry.claim_id
        )
        with faults_raised():
            await self._outbox.CompleteOutboxEntry(request)

    async def defer(self, entry: outbox_pb2.OutboxEntry, error: str) -> None:
        """Note that starting it failed."""
        request = outbox.DeferOutboxEntryRequest(
            tenant_id=entry.tenant_id, outbox_entry_id=entry.outbox_entry_id, claim_id=entry.claim_id, error=error
        )
        with faults_raised():
            await self._outbox.DeferOutboxEntry(request)

    async def drop(self, entry: outbox_pb2.OutboxEntry, reason: str) -> None:
        """Give up an operation that was not started."""
        request = outbox.CancelOutboxEntryRequest(
            tenant_id=entry.tenant_id, outbox_entry_id=entry.outbox_entry_id, reason=reason
        )
        with faults_raised():
            await self._outbox.CancelOutboxEntry(request)

    async def waiting(self, tenant_id: str, operation_id: str) -> outbox_pb2.OutboxEntry | None:
        """The entry of an operation that was accepted and is not started, if there is one."""
        request = outbox.ListOutboxEntriesRequest(tenant_id=tenant_id, operation_id=operation_id)
        with faults_raised():
            entries = (await self._outbox.ListOutboxEntries(request)).outbox_entries
        return next((entry for entry in reversed(entries) if entry.state in UNDONE | {PARKED}), None)


@contextmanager
def _refusals(kind: Kind) -> Iterator[None]:
    """Retell what the records refuse."""
    try:
        with faults_raised():
            yield
    except Fault as fault:
        raise retold(fault, kind) from fault


def _duration(length: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(length)
    return message
