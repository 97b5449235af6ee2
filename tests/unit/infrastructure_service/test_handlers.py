"""The handlers over the memory provider; what they decide nothing about is tried with the domain."""

from datetime import timedelta

import pytest

from faults import Invalid
from infrastructure_service.handlers import InfrastructureHandlers
from infrastructure_service.providers.memory import MemoryProvider, MemorySettings
from infrastructure_service.service import Stacks
from pagekit import PageSettings, PageTokens
from settingskit import load
from tenantmesh.common.v1 import tier_pb2
from tenantmesh.infrastructure.v1 import infrastructure_service_pb2 as pb
from tenantmesh.infrastructure.v1 import run_pb2

ACME = "0192f0c1-2b3c-7d4e-8f50-112233445566"
State = run_pb2.Run.State


@pytest.fixture
def handlers():
    stacks = Stacks(MemoryProvider(MemorySettings()), interval=timedelta(milliseconds=1))
    return InfrastructureHandlers(stacks, PageTokens.configured(load(PageSettings, {})))


async def ensure(handlers, name="tenant-acme", **changes):
    request = {"tenant_id": ACME, "operation_id": "provision-acme", "name": name, "tier": tier_pb2.TIER_SILO}
    return await handlers.EnsureStack(pb.EnsureStackRequest(**(request | changes)), None)


async def test_a_stack_is_made_read_and_destroyed(handlers):
    made = await ensure(handlers)
    assert (made.created, made.run.state) == (True, State.STATE_APPLIED)
    read = await handlers.GetStack(pb.GetStackRequest(tenant_id=ACME, name="tenant-acme"), None)
    assert read.stack == made.stack
    assert not (await ensure(handlers)).HasField("run")
    gone = pb.DeleteStackRequest(tenant_id=ACME, name="tenant-acme", operation_id="provision-acme")
    first, second = [await handlers.DeleteStack(gone, None) for _ in range(2)]
    assert (first.existed, first.run.kind) == (True, run_pb2.Run.KIND_DESTROY)
    assert (second.existed, second.HasField("run")) == (False, False)


async def test_a_held_run_is_read_watched_and_approved(handlers):
    key = {"tenant_id": ACME, "run_id": (await ensure(handlers, hold_for_approval=True)).run.run_id}
    assert (await handlers.GetRun(pb.GetRunRequest(**key), None)).run.state == State.STATE_PLANNED
    approved = await handlers.ApproveRun(pb.ApproveRunRequest(**key, reason="agreed"), None)
    assert (approved.run.state, approved.run.decision_reason) == (State.STATE_APPLIED, "agreed")
    watched = [answer.run.state async for answer in handlers.WatchRun(pb.WatchRunRequest(**key), None)]
    assert watched == [State.STATE_APPLIED]


async def test_a_held_run_is_cancelled(handlers):
    key = {"tenant_id": ACME, "run_id": (await ensure(handlers, hold_for_approval=True)).run.run_id}
    cancelled = await handlers.CancelRun(pb.CancelRunRequest(**key, reason="too dear"), None)
    assert (cancelled.run.state, cancelled.run.decision_reason) == (State.STATE_CANCELLED, "too dear")


async def test_pages_go_on_where_they_ended(handlers):
    for index in range(5):
        await ensure(handlers, f"stack-{index}")
    first = await handlers.ListStacks(pb.ListStacksRequest(page_size=3), None)
    second = await handlers.ListStacks(pb.ListStacksRequest(page_size=3, page_token=first.next_page_token), None)
    names = [stack.name for page in (first, second) for stack in page.stacks]
    assert names == [f"stack-{index}" for index in range(5)]
    assert second.next_page_token == ""
    with pytest.raises(Invalid):
        await handlers.ListStacks(pb.ListStacksRequest(tenant_id=ACME, page_token=first.next_page_token), None)
