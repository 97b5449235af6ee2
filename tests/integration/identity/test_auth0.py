"""The service over Auth0, as Auth0 is on bad days: rate limits, lost answers, half-made things, refused credentials."""

import asyncio
import random
from datetime import timedelta

import grpc
import pytest
from aiohttp import web
from tests.fixtures.auth0 import CLIENT_ID, SECRET, Auth0
from tests.fixtures.identity import environment, made, refused, serving
from tests.fixtures.identityproviders import auth0_settings

from faults import Exhausted, Unauthenticated, Unavailable
from identity_service.model import Tenant, Tier
from identity_service.providers.auth0 import Auth0Provider
from settingskit import Secret
from tenantmesh.identity.v1 import client_pb2, organization_pb2, user_pb2
from tenantmesh.identity.v1 import credential_pb2 as pb

OPERATION = "provision-tenant-acme"
ACME = Tenant("0192f0c1-2b3c-7d4e-8f50-112233445566", "acme", Tier.POOLED)


@pytest.fixture
async def auth0():
    async with Auth0().running() as server:
        yield server


@pytest.fixture
async def over_auth0(postgres, auth0):
    """An identity service over Auth0."""
    environ = await environment(
        postgres, IDENTITY_PROVIDER="auth0", AUTH0_DOMAIN=auth0.domain, AUTH0_URL=auth0.url, AUTH0_CLIENT_ID=CLIENT_ID,
        AUTH0_CLIENT_SECRET=SECRET, AUTH0_RATE="1000", AUTH0_BURST="1000",
    )  # fmt: skip
    async with serving(environ) as identity:
        yield identity


async def provision(stub, where, email):
    organization, client, user = made(where, email, OPERATION)
    await stub.EnsureOrganization(organization)
    return await stub.EnsureClient(client), await stub.EnsureUser(user)


async def claimed(stub, where, credential_id):
    coordinates = {"tenant_id": where["tenant_id"], "credential_id": credential_id}
    issued = await stub.IssueCredentialClaim(pb.IssueCredentialClaimRequest(**coordinates))
    return await stub.ClaimCredential(pb.ClaimCredentialRequest(claim_token=issued.claim_token))


async def test_a_tenant_is_provisioned_and_its_secrets_are_those_at_auth0(over_auth0, auth0, where, who):
    client, user = await provision(over_auth0.stub, where, who)
    application = auth0.clients[client.client.client_id]
    secret = await claimed(over_auth0.stub, where, client.credential_id)
    assert (secret.secret, secret.subject) == (application["client_secret"], application["client_id"])
    assert secret.issuer == f"https://{auth0.domain}/"
    assert application["callbacks"] == [f"https://{where['tenant_key']}.example/callback"]
    assert (application["organization_usage"], application["client_id"] in auth0.let_in) == ("require", True)
    password = await claimed(over_auth0.stub, where, user.credential_id)
    person = auth0.users[user.user.user_id]
    assert (password.secret, password.subject) == (person["password"], person["email"])
    assert user.user.user_id in auth0.members[next(iter(auth0.organizations))]
    again = await provision(over_auth0.stub, where, who)
    assert [one.created for one in again] == [False, False]
    assert [one.credential_id for one in again] == [client.credential_id, user.credential_id]
    assert (len(auth0.clients), len(auth0.users), len(auth0.organizations)) == (1, 1, 1)


@pytest.mark.parametrize("lost", range(1, 10))
async def test_whatever_answer_is_lost_nothing_is_doubled_and_the_secret_works(over_auth0, auth0, where, who, lost):
    """The n-th change is made and its answer lost; callers repeat until all is well."""
    for _ in range(lost - 1):
        auth0.plan.planned.append(("POST", _goes_well))
    auth0.plan.lose_reply("POST" if lost < 6 else "PATCH")
    for _ in range(5):
        try:
            client, user = await provision(over_auth0.stub, where, who)
            break
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert (len(auth0.clients), len(auth0.users), len(auth0.organizations)) == (1, 1, 1)
    secret = await claimed(over_auth0.stub, where, client.credential_id)
    assert auth0.clients[client.client.client_id]["client_secret"] == secret.secret
    assert client.client.client_id in auth0.let_in
    password = await claimed(over_auth0.stub, where, user.credential_id)
    assert auth0.users[user.user.user_id]["password"] == password.secret


async def _goes_well(request, handler):
    return await handler(request)


async def test_a_rotated_secret_ends_the_one_before_and_an_overlap_is_refused(over_auth0, auth0, where, who):
    client, _ = await provision(over_auth0.stub, where, who)
    before = auth0.clients[client.client.client_id]["client_secret"]
    request = client_pb2.RotateClientSecretRequest(
        **where, operation_id=OPERATION, request_id=client.credential_id, name="app", overlap={"seconds": 60}
    )
    assert await refused(over_auth0.stub.RotateClientSecret(request)) == "CAPABILITY_MISSING"
    request.ClearField("overlap")
    rotated = await over_auth0.stub.RotateClientSecret(request)
    now = auth0.clients[client.client.client_id]["client_secret"]
    assert (await claimed(over_auth0.stub, where, rotated.credential_id)).secret == now != before


async def test_who_is_switched_off_has_no_way_in_and_no_session(over_auth0, auth0, where, who):
    _, user = await provision(over_auth0.stub, where, who)
    request = organization_pb2.SetOrganizationEnabledRequest(**where, enabled=False)
    answer = await over_auth0.stub.SetOrganizationEnabled(request)
    assert (answer.changed, answer.ended_sessions, answer.organization.enabled) == (True, 1, False)
    [organization] = auth0.organizations.values()
    assert (organization["enabled_connections"], set(auth0.ended)) == ([], {user.user.user_id})
    request.enabled = True
    assert (await over_auth0.stub.SetOrganizationEnabled(request)).organization.enabled
    assert len(organization["enabled_connections"]) == 1


async def test_a_person_can_be_invited_by_auth0s_own_mail(over_auth0, auth0, where, who):
    organization, client, user = made(where, who, OPERATION)
    await over_auth0.stub.EnsureOrganization(organization)
    await over_auth0.stub.EnsureClient(client)
    user.handover, user.client_name = user_pb2.PASSWORD_HANDOVER_PROVIDER_MAIL, "app"
    auth0.plan.planned += [("POST", _goes_well), ("POST", _goes_well)]
    auth0.plan.fail("POST", lambda _: web.json_response({"statusCode": 503}, status=503))
    for _ in range(3):
        await refused(over_auth0.stub.EnsureUser(user))
    assert not (await over_auth0.stub.EnsureUser(user)).created
    [invitation] = auth0.invitations
    assert (invitation["invitee"], invitation["send_invitation_email"]) == ({"email": who}, True)


async def test_a_removed_tenant_leaves_everybody_elses_behind(over_auth0, auth0, where, who):
    other = {**where, "tenant_key": f"{where['tenant_key']}-b", "tenant_id": "0192f0c1-2b3c-7d4e-8f50-665544332211"}
    await provision(over_auth0.stub, where, who)
    await provision(over_auth0.stub, other, f"eve@{other['tenant_key']}.example")
    auth0.users["auth0|by-hand"] = {"user_id": "auth0|by-hand", "email": "bob@hand.example", "identities": []}
    mine = next(key for key, one in auth0.organizations.items() if one["name"] == f"tenant-{where['tenant_key']}_own")
    auth0.members[mine]["auth0|by-hand"] = set()
    await over_auth0.stub.DeleteOrganization(organization_pb2.DeleteOrganizationRequest(**where))
    assert len(auth0.organizations) == len(auth0.clients) == 1
    assert sorted(one["email"] for one in auth0.users.values()) == [
        "bob@hand.example", f"eve@{other['tenant_key']}.example",
    ]  # fmt: skip


async def test_domains_that_do_not_fit_are_refused(over_auth0, where, who):
    organization, *_ = made(where, who, OPERATION)
    letters = random.Random(7)  # noqa: S311 - the same letters each time, which no packing makes shorter
    organization.domains[:] = [
        "".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=60)) + ".example" for _ in range(200)
    ]
    assert await refused(over_auth0.stub.EnsureOrganization(organization)) == "CAPABILITY_MISSING"


async def test_many_who_start_at_once_fetch_one_token(auth0):
    async with Auth0Provider(auth0_settings(auth0)) as provider:
        assert await asyncio.gather(*(provider.find_organization(ACME) for _ in range(20))) == [None] * 20
        assert auth0.fetched == 1
        auth0.tokens.clear()  # as when an operator revokes it
        with pytest.raises(Unauthenticated):
            await provider.find_organization(ACME)
        assert await provider.find_organization(ACME) is None


async def test_a_wrong_secret_is_unauthenticated(auth0):
    async with Auth0Provider(auth0_settings(auth0, client_secret=Secret("wrong"))) as provider:
        with pytest.raises(Unauthenticated) as caught:
            await provider.find_organization(ACME)
        assert caught.value.reason == "PROVIDER_CREDENTIALS_REFUSED"
        [shard] = await provider.shards()
        assert not shard.available
        with pytest.raises(Unauthenticated):
            await provider.check()


async def test_auth0s_rate_limit_is_passed_on_with_the_time_to_come_back(auth0):
    auth0.limit, auth0.window = 3, 3600
    async with Auth0Provider(auth0_settings(auth0)) as provider:
        for _ in range(3):
            await provider.find_organization(ACME)
        with pytest.raises(Exhausted) as caught:
            await provider.find_organization(ACME)
    assert caught.value.reason == "PROVIDER_RATE_LIMITED"
    assert timedelta(minutes=50) < caught.value.retry_after <= timedelta(seconds=3610)
    assert auth0.refused == 0, "Auth0 said beforehand that nothing was left"


async def test_what_is_refused_with_retry_after_is_told_so(auth0):
    def much(_):
        return web.json_response({"statusCode": 429}, status=429, headers={"Retry-After": "40"})

    auth0.plan.fail("GET", much)
    async with Auth0Provider(auth0_settings(auth0)) as provider:
        for _ in range(2):
            with pytest.raises(Exhausted) as caught:
                await provider.find_organization(ACME)
            assert timedelta(seconds=20) < caught.value.retry_after <= timedelta(seconds=41)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.json_response({"statusCode": 500}, status=500),
        lambda: web.Response(text="<html>Bad Gateway</html>", content_type="text/html", status=502),
        lambda: web.Response(text="<html>Welcome to the Wi-Fi</html>", content_type="text/html"),
    ],
)
async def test_a_broken_answer_is_unavailable_and_not_sent_again(auth0, answer):
    async with Auth0Provider(auth0_settings(auth0)) as provider:
        await provider.check()
        auth0.plan.fail("GET", lambda _: answer())
        before = len(auth0.plan.requests)
        with pytest.raises(Unavailable):
            await provider.find_organization(ACME)
        assert len(auth0.plan.requests) == before + 1
        assert await provider.find_organization(ACME) is None


async def test_silence_is_unavailable(auth0):
    gate = asyncio.Event()
    async with Auth0Provider(auth0_settings(auth0, timeout=timedelta(seconds=3))) as provider:
        await provider.check()
        auth0.plan.hold("GET", gate)
        with pytest.raises(Unavailable):
            await provider.find_organization(ACME)
        gate.set()


async def test_an_organization_that_was_made_anew_elsewhere_is_found_again(over_auth0, auth0, where, who):
    """Another replica undid the tenant and made it again; this one remembers the organization of before."""
    organization, client, user = made(where, who, OPERATION)
    await over_auth0.stub.EnsureOrganization(organization)
    role = user_pb2.AssignRoleRequest(**where, operation_id=OPERATION, email=who, role="admin")
    stub = over_auth0.stub
    calls = [(stub.EnsureClient, client), (stub.EnsureUser, user), (stub.AssignRole, role)]
    for number, (call, request) in enumerate(calls):
        [(before, one)] = auth0.organizations.items()
        auth0.organizations = {f"org_new{number}": one | {"id": f"org_new{number}"}}
        auth0.members = {f"org_new{number}": auth0.members[before]}
        assert (await call(request)).created
    assert list(auth0.members["org_new2"].values()) == [{"rol_1"}]


async def test_a_foreign_user_of_the_connection_is_refused_and_untouched(over_auth0, auth0, where, who):
    organization, _, user = made(where, who, OPERATION)
    await over_auth0.stub.EnsureOrganization(organization)
    identity = {"connection": "Username-Password-Authentication", "provider": "auth0", "user_id": "x"}
    foreign = {"user_id": "auth0|x", "email": who, "identities": [identity], "given_name": "Somebody"}
    auth0.users["auth0|x"] = dict(foreign)
    assert await refused(over_auth0.stub.EnsureUser(user)) == "USER_NOT_OWNED"
    delete = user_pb2.DeleteUserRequest(**where, email=who)
    assert await refused(over_auth0.stub.DeleteUser(delete)) == "USER_NOT_OWNED"
    assert auth0.users["auth0|x"] == foreign


async def test_operators_list_what_was_made_for_pooled_tenants(over_auth0, where, who):
    pooled = {**where, "tier": "TIER_POOLED"}
    await provision(over_auth0.stub, pooled, who)
    silo = {**where, "tenant_key": f"{where['tenant_key']}-b", "tenant_id": "0192f0c1-2b3c-7d4e-8f50-665544332211"}
    await provision(over_auth0.stub, silo, f"eve@{silo['tenant_key']}.example")
    users = await over_auth0.stub.ListUsers(user_pb2.ListUsersRequest())
    clients = await over_auth0.stub.ListClients(client_pb2.ListClientsRequest())
    assert [one.email for one in users.users] == [who]
    assert [one.ownership.tenant_id for one in clients.clients] == [where["tenant_id"]]
    nothing = user_pb2.ListUsersRequest(operation_id="somebody-elses")
    assert list((await over_auth0.stub.ListUsers(nothing)).users) == []
