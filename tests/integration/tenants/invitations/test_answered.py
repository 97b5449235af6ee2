"""Invitations over the wire: looked at, taken up, sent again, reminded of."""

import asyncio
from datetime import UTC, timedelta
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from tests.fixtures.tenants import person

from faults import Kind
from tenantmesh.tenants.v1 import tenant_service_pb2 as tenant_pb

WEEK = timedelta(days=7)
ACTIVE = ("PROVISIONING", "ACTIVE")


def span(invitation):
    return invitation.expire_time.ToDatetime() - invitation.token_create_time.ToDatetime()


async def test_looking_at_a_link_uses_nothing_up(made, invite, asked):
    tenant = await made(*ACTIVE, branding={"primary_color": "#112233", "locale": "de"})
    (offer,) = await invite(tenant.tenant_id, person("ada@acme.example", first_name="Ada"))
    for _ in range(3):
        shown = await asked("ValidateInvitation", offer)
        assert (shown.tenant_display_name, shown.tenant_key) == (tenant.display_name, tenant.key)
        assert (shown.branding, shown.email, shown.first_name) == (tenant.branding, "ada@acme.example", "Ada")
        assert shown.expire_time == offer.invitation.expire_time
    assert (await asked("GetInvitation", offer)).invitation == offer.invitation


async def test_an_invitation_is_taken_up_once(invited, asked, refused, told):
    offer = await invited()
    answer = (await asked("AcceptInvitation", offer, first_name="Augusta")).invitation
    assert (answer.state, answer.first_name) == (answer.STATE_ACCEPTED, "Augusta")
    assert answer.accept_time == answer.update_time
    facts = {"invitation_id": answer.invitation_id, "state": "ACCEPTED"}
    for method in ("AcceptInvitation", "ValidateInvitation", "ResendInvitation", "RemindInvitation"):
        with refused("INVITATION_NOT_PENDING", Kind.CONFLICT, **facts):
            await asked(method, offer)
    assert await told(answer.tenant_id) == ["created", "accepted"]


async def test_of_many_who_take_one_up_at_once_exactly_one_does(invited, asked, told):
    offer = await invited()
    ends = await asyncio.gather(*(asked("AcceptInvitation", offer) for _ in range(10)), return_exceptions=True)
    assert sum(not isinstance(end, BaseException) for end in ends) == 1
    assert await told(offer.invitation.tenant_id) == ["created", "accepted"]


async def test_a_lost_answer_is_given_again(invited, asked):
    offer, request_id = await invited(), str(uuid4())
    assert await asked("AcceptInvitation", offer, request_id=request_id) == await asked(
        "AcceptInvitation", offer, request_id=request_id
    )


@pytest.mark.parametrize("token", ["x", "'; DROP TABLE invitations; --", "\0", "ä\U0001f600", "x" * 128])
@pytest.mark.parametrize("method", ["ValidateInvitation", "AcceptInvitation"])
async def test_a_token_that_is_none_opens_nothing(invited, asked, refused, method, token):
    with refused("INVITATION_NOT_FOUND", Kind.NOT_FOUND):
        await asked(method, await invited(), token=token)


async def test_nobody_comes_to_a_tenant_that_is_shut(invited, asked, refused, tenants):
    offer = await invited()
    suspend = tenant_pb.TransitionTenantRequest(
        tenant_id=offer.invitation.tenant_id, state="TENANT_STATE_SUSPENDED", suspension_reason="billing"
    )
    await tenants.TransitionTenant(suspend)
    with refused("TENANT_STATE_FORBIDS", Kind.CONFLICT, state="SUSPENDED"):
        await asked("AcceptInvitation", offer)
    suspend.state = tenant_pb.TransitionTenantRequest(state="TENANT_STATE_ACTIVE").state
    await tenants.TransitionTenant(suspend)
    assert (await asked("AcceptInvitation", offer)).invitation.accept_time


async def test_a_token_works_for_seven_days_to_the_second(invited, asked, refused, clock):
    one, other = await invited(), await invited()
    clock.forward(days=7, seconds=-30)
    await asked("AcceptInvitation", one)
    clock.forward(seconds=30)
    expires = other.invitation.expire_time.ToDatetime(UTC).isoformat()
    for method in ("ValidateInvitation", "AcceptInvitation", "ResendInvitation", "RemindInvitation"):
        with refused("INVITATION_EXPIRED", Kind.CONFLICT, expire_time=expires):
            await asked(method, other)


async def test_sending_again_makes_the_token_before_it_useless(invited, asked, refused, clock, told):
    offer = await invited()
    clock.forward(minutes=5)
    again = await asked("ResendInvitation", offer)
    assert (again.invitation.resend_count, span(again.invitation)) == (1, WEEK)
    assert again.invitation.expire_time.ToDatetime() > offer.invitation.expire_time.ToDatetime()
    for method in ("ValidateInvitation", "AcceptInvitation"):
        with refused("INVITATION_NOT_FOUND", Kind.NOT_FOUND):
            await asked(method, offer)
    await asked("AcceptInvitation", offer, token=again.token)
    assert await told(offer.invitation.tenant_id) == ["created", "resent", "accepted"]


async def test_sending_again_takes_five_minutes_and_is_done_five_times(invited, asked, refused, clock):
    offer = await invited()
    for count in range(5):
        with refused("INVITATION_COOLING_DOWN", Kind.EXHAUSTED) as caught:
            await asked("ResendInvitation", offer)
        assert timedelta(0) < caught.fault.retry_after <= timedelta(minutes=5)
        clock.forward(minutes=5)
        assert (await asked("ResendInvitation", offer)).invitation.resend_count == count + 1
    clock.forward(minutes=5)
    with refused("INVITATION_RESENDS_EXHAUSTED", Kind.EXHAUSTED, limit="5"):
        await asked("ResendInvitation", offer)


async def test_a_request_id_sends_the_same_token_again(invited, asked, clock):
    offer, request_id = await invited(), str(uuid4())
    clock.forward(minutes=5)
    first = await asked("ResendInvitation", offer, request_id=request_id)
    assert await asked("ResendInvitation", offer, request_id=request_id) == first


@pytest.mark.parametrize("method", ["GetInvitation", "ResendInvitation", "RemindInvitation"])
async def test_nobody_finds_the_invitation_of_another_tenant(invited, tenant, asked, refused, method):
    offer, other = await invited(), await tenant()
    with refused("INVITATION_NOT_FOUND", Kind.NOT_FOUND, invitation_id=offer.invitation.invitation_id):
        await asked(method, offer, tenant_id=other)


async def test_people_are_reminded_when_their_time_has_come(tenant, invite, listed, asked, clock):
    tenant_id = await tenant()
    soon, later, never = [
        (await invite(tenant_id, person(), **more))[0]
        for more in ({"remind_after": Duration(seconds=3600)}, {"remind_after": Duration(seconds=7200)}, {})
    ]
    assert await listed(tenant_id, "ListDueReminders") == []
    clock.forward(hours=2)
    assert await listed(tenant_id, "ListDueReminders", page_size=1) == [soon.invitation, later.invitation]
    everybodys = [one.invitation_id for one in await listed("", "ListDueReminders")]
    assert later.invitation.invitation_id in everybodys
    assert never.invitation.invitation_id not in everybodys
    await asked("RemindInvitation", soon)
    assert await listed(tenant_id, "ListDueReminders") == [later.invitation]
    clock.forward(days=7)
    assert await listed(tenant_id, "ListDueReminders") == []  # it would come too late


async def test_a_reminder_brings_another_token_once(invited, asked, refused):
    offer = await invited(remind_after=Duration(seconds=3600))
    answer = await asked("RemindInvitation", offer)
    assert answer.invitation.reminder_time == answer.invitation.update_time
    assert answer.invitation.expire_time == offer.invitation.expire_time
    with refused("INVITATION_NOT_FOUND", Kind.NOT_FOUND):
        await asked("ValidateInvitation", offer)
    with refused("INVITATION_REMINDED", Kind.CONFLICT, invitation_id=offer.invitation.invitation_id):
        await asked("RemindInvitation", offer)
    assert (await asked("AcceptInvitation", offer, token=answer.token)).invitation.accept_time
