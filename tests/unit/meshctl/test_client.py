"""The typed client, against a real server that answers what a test tells it."""

import asyncio
from contextlib import aclosing
from datetime import timedelta
from uuid import UUID

import pytest
from tests.unit.meshctl.conftest import FAILED, NEXT_RUN, OPERATION, RUN, SUCCEEDED, TENANT, operation

from faults import Conflict, Fault, Kind, Unavailable
from meshctl import OperationCancelled, OperationFailed
from meshctl import requests as requesting
from tenantmesh.provisioning.v1 import commands_pb2, contact_pb2, health_pb2
from tenantmesh.provisioning.v1 import operation_requests_pb2 as pb
from tenantmesh.provisioning.v1.tenant_requests_pb2 import ProvisionTenantRequest

WANTED = ProvisionTenantRequest(tenant_id=TENANT)


async def test_a_start_answers_the_operation(mesh, client):
    started = await client.start(WANTED)
    assert (started.id, started.started, started.latest) == (OPERATION, True, mesh.provisioning.now)
    mesh.provisioning.started = False
    assert (await client.start(WANTED)).started is False


async def test_each_start_can_be_repeated(mesh, client):
    await client.start(WANTED)
    await client.start(ProvisionTenantRequest(tenant_id=TENANT, request_id=RUN))
    made, given = (request.request_id for request in mesh.provisioning.requests)
    assert UUID(made)
    assert given == RUN
    assert WANTED.request_id == ""  # the caller's own message is left alone


async def test_a_plan_starts_nothing(mesh, client):
    plan = await client.plan(WANTED)
    assert plan.acceptable
    assert [step.name for step in plan.steps] == ["schema"]
    assert mesh.provisioning.requests[0].validate_only
    assert not WANTED.validate_only


async def test_a_refusal_is_the_fault_the_service_raised(mesh, client):
    mesh.provisioning.refusal = Conflict(
        "another one runs", reason="OPERATION_CONFLICT", facts={"operation_id": "x"}, domain="provisioning.tenantmesh"
    )
    with pytest.raises(Conflict) as caught:
        await client.start(WANTED)
    assert (caught.value.reason, caught.value.facts) == ("OPERATION_CONFLICT", {"operation_id": "x"})


async def seen(states):
    return [(each.state, each.percent) async for each in states]


async def test_a_watch_ends_with_the_operation(mesh, client):
    states = [operation(percent=0), None, operation(percent=50), SUCCEEDED]
    mesh.provisioning.script.extend([*states, operation(percent=7)])
    found = await client.operation(OPERATION)
    assert await seen(found.watch()) == [(each.state, each.percent) for each in states if each is not None]
    assert found.latest == SUCCEEDED
    assert mesh.provisioning.requests[-1].run_id == RUN


async def test_a_watch_goes_on_where_it_broke(mesh, client, away):
    mesh.provisioning.script.extend([operation(percent=10), away, operation(percent=20), None, away, SUCCEEDED])
    found = await client.operation(OPERATION)
    assert [percent for _, percent in await seen(found.watch())] == [10, 20, 100]
    watches = [each for each in mesh.provisioning.requests if isinstance(each, pb.WatchOperationRequest)]
    assert [each.resume_token for each in watches] == ["", "after-10", "alive"]


async def test_a_watch_whose_stream_only_ends_goes_on_too(mesh, client):
    mesh.provisioning.script.append(operation(percent=10))
    found = await client.operation(OPERATION)
    async with aclosing(found.watch()) as states:
        assert (await anext(states)).percent == 10
        mesh.provisioning.script.append(SUCCEEDED)
        assert (await anext(states)).percent == 100


async def test_a_stream_that_says_nothing_is_left(mesh, client, monkeypatch):
    monkeypatch.setattr("meshctl.streams.SILENCE", timedelta(seconds=0.2))
    mesh.provisioning.script.extend([operation(percent=10), asyncio.Event(), SUCCEEDED])
    found = await client.operation(OPERATION)
    assert [percent for _, percent in await seen(found.watch())] == [10, 100]


async def test_a_watch_that_can_never_succeed_says_so(mesh, client):
    found = await client.operation(OPERATION)
    mesh.provisioning.script.append(Conflict("no", reason="RESUME_TOKEN_INVALID", domain="provisioning.tenantmesh"))
    with pytest.raises(Conflict):
        await seen(found.watch())


async def test_a_watch_gives_up_when_nothing_answers_for_long(mesh, client, away):
    found = await client.operation(OPERATION)
    mesh.provisioning.script.extend([away] * 50)
    with pytest.raises(Unavailable):
        await seen(found.watch(timedelta(seconds=0.3)))


async def test_leaving_a_watch_ends_its_call(mesh, client):
    held = asyncio.Event()
    mesh.provisioning.script.extend([operation(percent=10), held])
    found = await client.operation(OPERATION)
    async with aclosing(found.watch()) as states:
        await anext(states)
    assert found.latest.percent == 10


async def test_a_result_is_what_it_ended_with(mesh, client):
    mesh.provisioning.script.append(SUCCEEDED)
    assert (await (await client.start(WANTED)).result()).provision_tenant.app_plane_url == "https://acme.example"


async def test_a_failure_is_raised_with_its_ledger(mesh, client):
    mesh.provisioning.script.append(FAILED)
    with pytest.raises(OperationFailed, match="dns_record: the zone refuses changes") as caught:
        await (await client.start(WANTED)).result()
    assert caught.value.operation == FAILED


async def test_a_cancelled_one_is_told_apart(mesh, client):
    mesh.provisioning.script.append(operation("CANCELLED"))
    with pytest.raises(OperationCancelled, match="no cause is known"):
        await (await client.start(WANTED)).result()


async def test_an_operation_can_be_steered(mesh, client):
    started = await client.start(WANTED)
    mesh.provisioning.now = operation("UNDOING")
    assert await started.cancel("wrong customer") == started.latest == mesh.provisioning.now
    await started.approve("paid")
    await started.reject("not paid")
    await started.amend(contacts=[contact()], domains=["acme.example"], skip_steps=["welcome"], reason="moved")
    assert (await started.state()).run_id == RUN
    again = await started.retry("mended")
    assert (again.latest.run_id, again.started) == (NEXT_RUN, True)
    cancel, approve, reject, amend, _, retry = mesh.provisioning.requests[1:]
    assert (cancel.reason, retry.reason, amend.reason) == ("wrong customer", "mended", "moved")
    assert approve.decision == commands_pb2.APPROVAL_DECISION_APPROVED
    assert reject.decision == commands_pb2.APPROVAL_DECISION_REJECTED
    assert (list(amend.domains), list(amend.skip_steps)) == (["acme.example"], ["welcome"])
    for request in (cancel, approve, reject, amend, retry):
        assert UUID(request.request_id)
        assert (request.operation_id, request.tenant_id) == (OPERATION, TENANT)


def contact():
    return contact_pb2.Contact(first_name="Ada", last_name="Lovelace", email="ada@acme.example", primary=True)


async def test_the_grace_period_can_be_ended_both_ways(mesh, client):
    assert (await client.confirm_deprovision(TENANT, "they agree")).id == OPERATION
    assert (await client.undo_deprovision(TENANT, "they paid")).id == OPERATION
    assert [request.reason for request in mesh.provisioning.requests] == ["they agree", "they paid"]


async def test_operations_are_listed_page_after_page(mesh, client):
    mesh.provisioning.pages = [[operation(percent=1), operation(percent=2)], [operation(percent=3)]]
    listed = [each.percent async for each in client.operations(pb.ListOperationsRequest(page_size=2))]
    assert listed == [1, 2, 3]


async def test_a_tenant_is_explained_and_health_is_told(mesh, client):
    assert (await client.explain(TENANT)).headline.startswith("It stopped at dns_record")
    assert (await client.health(prove=True)).status == health_pb2.Health.STATUS_DEGRADED
    assert mesh.provisioning.requests[-1].prove_path


def test_pauses_grow_and_begin_anew_with_an_answer():
    patience = requesting.Patience(timedelta(minutes=1))
    assert [patience.pause() for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    patience.answered()
    assert patience.pause() == 0.1


def test_a_pause_is_as_long_as_the_service_asks_within_reason():
    def asked(seconds):
        return Unavailable("later", reason="LATER", retry_after=timedelta(seconds=seconds))

    assert requesting.Patience(timedelta(minutes=1)).pause(asked(2)) == 2
    assert requesting.Patience(timedelta(minutes=1)).pause(asked(900)) == 5.0


@pytest.mark.parametrize("kind", list(Kind))
def test_only_what_passes_is_waited_for(kind):
    (fault_class,) = (each for each in Fault.__subclasses__() if each.kind is kind)
    fault = fault_class("no", reason="NO")
    patience = requesting.Patience(timedelta(minutes=1))
    if kind in requesting.PASSING:
        assert patience.pause(fault) == 0.1
    else:
        with pytest.raises(fault_class):
            patience.pause(fault)
