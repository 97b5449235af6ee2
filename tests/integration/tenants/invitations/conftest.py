"""What tests of invitations ask for, and of whom."""

import pytest
import pytest_asyncio
from tests.fixtures.tenants import person

from tenantmesh.tenants.v1 import event_service_pb2 as event_pb
from tenantmesh.tenants.v1 import invitation_service_pb2 as pb
from tenantmesh.tenants.v1 import invitation_service_pb2_grpc as rpc

ACTIVE = ("PROVISIONING", "ACTIVE")


@pytest_asyncio.fixture(scope="module")
async def invitations(channel):
    return rpc.InvitationServiceStub(channel)


@pytest.fixture
def tenant(made):
    async def tenant(*states):
        return (await made(*(states or ACTIVE))).tenant_id

    return tenant


@pytest.fixture
def invite(invitations):
    async def invite(tenant_id, *people, **more):
        request = pb.CreateInvitationsRequest(tenant_id=tenant_id, invitees=people or [person()], **more)
        return list((await invitations.CreateInvitations(request)).invitations)

    return invite


@pytest.fixture
def invited(tenant, invite):
    """An invitation that waits for an answer, of a tenant of its own."""

    async def invited(**more):
        return (await invite(await tenant(), person(), **more))[0]

    return invited


@pytest.fixture
def asked(invitations):
    """What is done with one invitation or its token, by the name of the method."""

    async def asked(method, offer, **more):
        request = getattr(pb, f"{method}Request")
        if "token" in request.DESCRIPTOR.fields_by_name:
            fields = {"token": offer.token}
        else:
            fields = {"tenant_id": offer.invitation.tenant_id, "invitation_id": offer.invitation.invitation_id}
        return await getattr(invitations, method)(request(**{**fields, **more}))

    return asked


@pytest.fixture
def listed(invitations):
    async def listed(tenant_id, method="ListInvitations", **wanted):
        found, token = [], None
        while token != "":
            request = getattr(pb, f"{method}Request")(tenant_id=tenant_id, page_token=token or "", **wanted)
            page = await getattr(invitations, method)(request)
            found += page.invitations
            token = page.next_page_token
        return found

    return listed


@pytest.fixture
def told(events):
    async def told(tenant_id):
        request = event_pb.ListEventsRequest(tenant_id=tenant_id, aggregate_type="invitation")
        return [one.event_type.partition(".")[2] for one in (await events.ListEvents(request)).events]

    return told
