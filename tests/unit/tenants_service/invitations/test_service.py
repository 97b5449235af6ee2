"""What only meets at an unlucky moment: a token that another has replaced between looking it up and taking it up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from faults import NotFound
from tenants_service.invitations.model import COOL_DOWN, LIFE, Invitation, State
from tenants_service.invitations.service import InvitationRecords
from tenants_service.keys.model import digest_of, new_key, opens
from tenants_service.tenants.model import State as TenantState
from tenants_service.tenants.model import Tenant, Tier

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TENANT = Tenant(UUID(int=1), "acme", "Acme", Tier.POOLED, (), (), NOW, NOW, state=TenantState.ACTIVE)


class Desk:
    """One tenant and one invitation, as if in a transaction."""

    def __init__(self, tenant=TENANT):
        self.token, self.events, self.tenant = new_key(), [], tenant
        self.one = Invitation(
            invitation_id=UUID(int=2),
            tenant_id=TENANT.tenant_id,
            email="ada@acme.example",
            first_name="Ada",
            last_name="",
            roles=("member",),
            operation_id="",
            principal="",
            token_digest=digest_of(self.token),
            token_create_time=NOW,
            expire_time=NOW + LIFE,
            create_time=NOW,
            update_time=NOW,
        )

    def at(self, now=NOW):
        return InvitationRecords(TENANT.tenant_id, self, self, now=now)

    async def find(self, name):
        return self.one if name == self.one.invitation_id else self.tenant

    async def find_shared(self, _):
        return self.tenant

    async def replace(self, invitations, event_type, _):
        (self.one,) = invitations
        self.events.append(event_type)


async def accept(desk, token, now=NOW):
    return await desk.at(now).accept(desk.one.invitation_id, token, first_name="", last_name="")


async def test_a_token_that_was_replaced_meanwhile_opens_nothing():
    desk = Desk()
    offer = await desk.at(NOW + COOL_DOWN).resend(desk.one.invitation_id)
    with pytest.raises(NotFound) as caught:
        await accept(desk, desk.token)
    assert caught.value.reason == "INVITATION_NOT_FOUND"
    assert opens(offer.token, desk.one.token_digest)
    assert (await accept(desk, offer.token)).state is State.ACCEPTED
    assert desk.events == ["invitation.resent", "invitation.accepted"]


async def test_nobody_comes_to_a_tenant_that_is_none():
    desk = Desk(tenant=None)
    with pytest.raises(NotFound) as caught:
        await accept(desk, desk.token)
    assert caught.value.reason == "TENANT_NOT_FOUND"
    assert not desk.events


@pytest.mark.parametrize("state", set(TenantState) - {TenantState.ACTIVE})
async def test_people_come_to_active_tenants_alone(state):
    desk = Desk(replace(TENANT, state=state))
    with pytest.raises(Exception, match=state.value) as caught:
        await accept(desk, desk.token)
    assert caught.value.reason == "TENANT_STATE_FORBIDS"
    assert caught.value.facts["allowed_states"] == "ACTIVE"


async def test_who_comes_in_the_last_second_comes_in_time():
    desk = Desk()
    assert (await accept(desk, desk.token, NOW + LIFE - timedelta(seconds=1))).state is State.ACCEPTED
