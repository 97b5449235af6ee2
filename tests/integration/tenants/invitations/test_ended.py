"""Invitations over the wire: taken back, run out, and held to it by the tables."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from tests.fixtures.tenants import person

from faults import Kind
from tenantmesh.tenants.v1 import invitation_service_pb2 as pb


@pytest.fixture
async def operation(tenant, invite):
    """A tenant, three invitations of one operation, and one of a person."""
    tenant_id = await tenant()
    offers = await invite(tenant_id, person(), person(), person(), operation_id="bootstrap-acme")
    return tenant_id, offers, (await invite(tenant_id))[0]


async def test_what_waits_is_taken_back_and_who_came_stays(operation, invitations, asked, refused, told):
    tenant_id, offers, alone = operation
    await asked("AcceptInvitation", offers[0])
    request = pb.RevokeInvitationsRequest(tenant_id=tenant_id, operation_id="bootstrap-acme", reason="undone")
    assert (await invitations.RevokeInvitations(request)).revoked_count == 2
    assert (await invitations.RevokeInvitations(request)).revoked_count == 0
    revoked = (await asked("GetInvitation", offers[1])).invitation
    assert (revoked.state, revoked.revoke_reason) == (revoked.STATE_REVOKED, "undone")
    for method in ("AcceptInvitation", "ValidateInvitation", "ResendInvitation"):
        with refused("INVITATION_NOT_PENDING", Kind.CONFLICT, state="REVOKED"):
            await asked(method, offers[1])
    assert (await asked("GetInvitation", alone)).invitation == alone.invitation
    assert await told(tenant_id) == ["created"] * 4 + ["accepted"] + ["revoked"] * 2


async def test_only_the_operations_own_are_taken_back(tenant, invite, invitations):
    tenant_id = await tenant()
    named = [(await invite(tenant_id, person(), operation_id=f"op-{number}"))[0].invitation for number in range(2)]
    request = pb.RevokeInvitationsRequest(
        tenant_id=tenant_id, invitation_ids=[one.invitation_id for one in named], operation_id="op-1"
    )
    request.invitation_ids.append(str(uuid4()))
    assert (await invitations.RevokeInvitations(request)).revoked_count == 1
    request.operation_id = ""
    assert (await invitations.RevokeInvitations(request)).revoked_count == 1


async def test_who_is_taken_back_can_be_invited_again(tenant, invite, invitations):
    tenant_id, ada = await tenant(), person()
    for _ in range(2):
        assert (await invite(tenant_id, ada, operation_id="bootstrap-acme"))[0].created
        request = pb.RevokeInvitationsRequest(tenant_id=tenant_id, operation_id="bootstrap-acme")
        assert (await invitations.RevokeInvitations(request)).revoked_count == 1


async def test_what_ran_out_is_marked_bit_by_bit_of_every_tenant(invited, invitations, asked, clock, told):
    offers = [await invited() for _ in range(3)]
    clock.forward(days=7)
    answers = []
    while not answers or answers[-1].more:
        answers.append(await invitations.ExpireInvitations(pb.ExpireInvitationsRequest(limit=2)))
    assert all(answer.expired_count == 2 for answer in answers[:-1])
    for offer in offers:
        after = (await asked("GetInvitation", offer)).invitation
        assert after.state == after.STATE_EXPIRED
        assert await told(after.tenant_id) == ["created", "expired"]
    assert (await invitations.ExpireInvitations(pb.ExpireInvitationsRequest())).expired_count == 0


async def test_one_tenants_are_marked_alone(tenant, invite, invitations, asked, clock):
    one, other = [(await invite(await tenant()))[0] for _ in range(2)]
    clock.forward(days=7)
    request = pb.ExpireInvitationsRequest(tenant_id=one.invitation.tenant_id)
    assert (await invitations.ExpireInvitations(request)).expired_count == 1
    assert (await asked("GetInvitation", other)).invitation == other.invitation


async def test_sweeps_at_once_mark_each_once(operation, invitations, clock, told):
    clock.forward(days=7)
    await asyncio.gather(*(invitations.ExpireInvitations(pb.ExpireInvitationsRequest()) for _ in range(5)))
    assert await told(operation[0]) == ["created"] * 4 + ["expired"] * 4


async def test_who_did_not_come_in_time_can_be_invited_before_anybody_marks_it(tenant, invite, clock, told):
    tenant_id, ada = await tenant(), person()
    await invite(tenant_id, ada)
    clock.forward(days=7)
    assert (await invite(tenant_id, ada))[0].created
    assert await told(tenant_id) == ["created", "expired", "created"]


@pytest.mark.parametrize("state", ["PENDING", "REVOKED", "EXPIRED", "nonsense"])
async def test_the_database_leads_nothing_back(invited, asked, admin, state):
    offer = await invited()
    await asked("AcceptInvitation", offer)
    with pytest.raises(asyncpg.CheckViolationError):
        await admin.execute(
            "UPDATE invitations SET state = $1 WHERE invitation_id = $2", state, offer.invitation.invitation_id
        )


async def test_calls_with_tokens_are_counted(invited, asked, refused, admin, clock):
    offer = await invited()
    far = clock() + timedelta(hours=3)
    await asked("ValidateInvitation", offer)
    await admin.execute("UPDATE rate_limits SET free_time = $1 WHERE name = 'invitations_of_network'", far)
    for method in ("ValidateInvitation", "AcceptInvitation"):
        with refused("RATE_LIMITED", Kind.EXHAUSTED, limit="network"):
            await asked(method, offer)
    await admin.execute("DELETE FROM rate_limits WHERE name = 'invitations_of_network'")
