"""Invitations over the wire: made, and listed."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from tests.fixtures.tenants import person

from faults import Kind
from tenantmesh.tenants.v1 import invitation_service_pb2 as pb

TEXTS = ["'; DROP TABLE invitations; --", "$1", "%s", '"', "\\", "ä\U0001f600", "x" * 200]
WEEK = timedelta(days=7)


def span(invitation):
    return invitation.expire_time.ToDatetime() - invitation.token_create_time.ToDatetime()


async def test_an_invitation_is_made_with_roles_and_a_token(tenant, invite, asked, told):
    tenant_id = await tenant()
    one, other = await invite(
        tenant_id,
        person(" Ada@Acme.Example ", first_name=" Ada  A. ", last_name="Lovelace", roles=["admin", "billing"]),
        person(),
        operation_id="bootstrap-acme",
        remind_after=Duration(seconds=3600),
    )
    made = one.invitation
    assert (made.email, made.first_name, list(made.roles)) == ("ada@acme.example", "Ada A.", ["admin", "billing"])
    assert made.state == made.STATE_PENDING
    assert made.operation_id == "bootstrap-acme"
    assert span(made) == WEEK
    assert made.remind_time.ToDatetime() - made.create_time.ToDatetime() == timedelta(hours=1)
    assert one.created
    assert len(one.token) >= 43
    assert one.token != other.token
    assert (await asked("GetInvitation", one)).invitation == made
    assert await told(tenant_id) == ["created", "created"]


async def test_no_token_is_kept_and_no_person_stands_in_an_event(invited, admin):
    offer = await invited(request_id=str(uuid4()))
    for table in ("invitations", "domain_events", "idempotent_requests"):
        text = await admin.fetchval(f"SELECT string_agg(t::text, '') FROM {table} AS t")
        assert offer.token not in text
        assert offer.token.encode().hex() not in text
    events = await admin.fetchval("SELECT string_agg(e::text, '') FROM domain_events AS e")
    assert offer.invitation.email not in events


async def test_the_same_operation_invites_nobody_twice(tenant, invite, told):
    tenant_id = await tenant()
    ada, bob = person(), person()
    first = (await invite(tenant_id, ada, operation_id="bootstrap-acme"))[0]
    again, new = await invite(tenant_id, ada, bob, operation_id="bootstrap-acme")
    assert (again.created, again.token, again.invitation) == (False, "", first.invitation)
    assert new.created
    assert await told(tenant_id) == ["created", "created"]


@pytest.mark.parametrize("operation_id", ["", "another-operation"])
async def test_who_is_invited_already_is_refused_and_so_is_everybody_with_them(
    invited, invite, listed, refused, operation_id
):
    first = (await invited()).invitation
    tenant_id, ada = first.tenant_id, person(first.email)
    facts = {"invitation_id": first.invitation_id, "field": "invitees[1].email"}
    with refused("INVITATION_EXISTS", Kind.ALREADY_EXISTS, **facts):
        await invite(tenant_id, person(), ada, operation_id=operation_id)
    assert await listed(tenant_id) == [first]


async def test_nobody_is_invited_twice_at_once(tenant, invite, refused):
    with refused("REQUEST_INVALID", Kind.INVALID) as caught:
        await invite(await tenant(), person("a@acme.example"), person(" A@ACME.example"))
    assert [violation.field for violation in caught.fault.violations] == ["invitees[1].email"]


async def test_many_who_invite_one_person_at_once_invite_them_once(tenant, invite, listed):
    tenant_id, ada = await tenant(), person()
    ends = await asyncio.gather(*(invite(tenant_id, ada) for _ in range(8)), return_exceptions=True)
    assert sum(not isinstance(end, BaseException) for end in ends) == 1
    assert len(await listed(tenant_id)) == 1


async def test_a_person_may_be_invited_to_several_tenants(tenant, invite):
    ada = person()
    for _ in range(2):
        assert (await invite(await tenant(), ada))[0].created


async def test_a_request_id_answers_the_same_tokens(tenant, invite):
    tenant_id, ada, request_id = await tenant(), person(), str(uuid4())
    assert await invite(tenant_id, ada, request_id=request_id) == await invite(tenant_id, ada, request_id=request_id)


async def test_a_preview_invites_nobody_and_makes_no_token(tenant, invite, listed, told):
    tenant_id = await tenant()
    (offer,) = await invite(tenant_id, validate_only=True)
    assert (offer.created, offer.token) == (True, "")
    assert await listed(tenant_id) == await told(tenant_id) == []


@pytest.mark.parametrize("states", [(), ("PROVISIONING", "ACTIVE", "SUSPENDED"), ("PROVISIONING", "PROVISION_FAILED")])
async def test_nobody_is_invited_to_a_tenant_that_takes_nobody(made, invite, refused, states):
    one = await made(*states)
    with refused("TENANT_STATE_FORBIDS", Kind.CONFLICT, tenant_id=one.tenant_id):
        await invite(one.tenant_id)


async def test_people_are_invited_while_a_tenant_is_made(tenant, invite):
    assert (await invite(await tenant("PROVISIONING"), operation_id="bootstrap-acme"))[0].created


async def test_a_tenant_that_is_none_invites_nobody(invite, invitations, refused):
    nobody = str(uuid4())
    with refused("TENANT_NOT_FOUND", Kind.NOT_FOUND, tenant_id=nobody):
        await invite(nobody)
    with refused("TENANT_NOT_FOUND", Kind.NOT_FOUND, tenant_id=nobody):
        await invitations.RevokeInvitations(pb.RevokeInvitationsRequest(tenant_id=nobody, operation_id="any-op"))


@pytest.mark.parametrize("email", ["a@b", "a@127.0.0.1", "a@-b.example", "ä b@c.example", "a@b..example"])
async def test_an_address_nobody_can_have_is_refused(tenant, invite, refused, email):
    wanted = "REQUEST_INVALID" if " " in email else "EMAIL_INVALID"
    with refused(wanted, Kind.INVALID):
        await invite(await tenant(), person(email))


@pytest.mark.parametrize(
    "broken", [{"roles": []}, {"roles": ["Admin"]}, {"roles": ["a", "a"]}, {"first_name": "\u202e"}]
)
async def test_what_breaks_the_contract_is_refused(tenant, invite, refused, broken):
    with refused("REQUEST_INVALID", Kind.INVALID):
        await invite(await tenant(), person(**broken))


@pytest.mark.parametrize("text", TEXTS)
async def test_text_is_text(tenant, invite, invitations, listed, text):
    tenant_id = await tenant()
    (offer,) = await invite(tenant_id, person(first_name=text, last_name=text))
    assert offer.invitation.first_name == text
    wanted = pb.RevokeInvitationsRequest(
        tenant_id=tenant_id, invitation_ids=[offer.invitation.invitation_id], reason=text
    )
    assert (await invitations.RevokeInvitations(wanted)).revoked_count == 1
    assert [one.revoke_reason for one in await listed(tenant_id)] == [text]


async def test_lists_are_narrowed_and_the_newest_come_first(tenant, invite, listed, asked):
    tenant_id = await tenant()
    offers = [(await invite(tenant_id, person(), operation_id=f"op-{number % 2}"))[0] for number in range(5)]
    await asked("AcceptInvitation", offers[0])
    newest_first = [offer.invitation.invitation_id for offer in reversed(offers)]

    async def found(**wanted):
        return [one.invitation_id for one in await listed(tenant_id, page_size=2, **wanted)]

    assert await found() == newest_first
    assert await found(operation_id="op-1") == newest_first[1::2]
    assert await found(state="STATE_ACCEPTED") == newest_first[-1:]
    assert await found(state="STATE_PENDING") == newest_first[:-1]
    assert await found(email=f" {offers[2].invitation.email.upper()} ") == [newest_first[2]]


async def test_a_page_token_belongs_to_its_list(tenant, invite, invitations, refused):
    tenant_id = await tenant()
    await invite(tenant_id, person(), person())
    page = await invitations.ListInvitations(pb.ListInvitationsRequest(tenant_id=tenant_id, page_size=1))
    for change in ({"tenant_id": await tenant()}, {"state": "STATE_PENDING"}, {"email": "a@b.example"}):
        request = {"tenant_id": tenant_id, "page_token": page.next_page_token, **change}
        with refused("PAGE_TOKEN_INVALID", Kind.INVALID):
            await invitations.ListInvitations(pb.ListInvitationsRequest(**request))
