"""A tenant's way through the service, call by call, over the local directory."""

import asyncio
from uuid import uuid4

import grpc
import pytest
from tests.fixtures.identity import made, refused

from tenantmesh.identity.v1 import client_pb2, organization_pb2, shard_pb2, sso_pb2, user_pb2

OPERATION = "provision-tenant-acme"
ADMIN = "admin"


async def provision(stub, where, email, operation_id=OPERATION):
    """What a provisioning asks for, one call after the other."""
    organization, client, user = made(where, email, operation_id)
    return (
        await stub.EnsureOrganization(organization),
        await stub.EnsureClient(client),
        await stub.EnsureUser(user),
        await stub.AssignRole(user_pb2.AssignRoleRequest(**where, operation_id=operation_id, email=email, role=ADMIN)),
    )


async def test_a_tenant_is_provisioned_once_however_often_it_is_asked(identity, where, who):
    first = await provision(identity.stub, where, who)
    again = await provision(identity.stub, where, who)
    assert [one.created for one in first] == [True] * 4
    assert [one.created for one in again] == [False] * 4
    assert [one.credential_id for one in first[1:3]] == [one.credential_id for one in again[1:3]]
    assert all(one.credential_id for one in first[1:3])
    assert (first[0].organization, first[1].client) == (again[0].organization, again[1].client)
    key = where["tenant_key"]
    assert first[0].organization.name == f"tenant-{key}"
    client = first[1].client
    assert (client.client_id, list(client.redirect_uris), list(client.web_origins)) == (
        f"{key}-app", [f"https://{key}.example/*"], [f"https://{key}.example"],
    )  # fmt: skip
    user = again[3].user
    assert (user.email, user.email_verified, user.password_change_required, list(user.roles)) == (
        who, False, True, [ADMIN],
    )  # fmt: skip
    assert user.ownership.operation_id == OPERATION


async def test_another_operation_confirms_and_learns_no_secret(identity, where, who):
    await provision(identity.stub, where, who)
    other = await provision(identity.stub, where, who, "amend-tenant-acme")
    assert [one.created for one in other] == [False] * 4
    assert [one.credential_id for one in other[1:3]] == ["", ""]
    assert other[0].organization.ownership.operation_id == OPERATION


async def test_callers_at_once_make_one_of_each(identity, where, who):
    organization, client, user = made(where, who, OPERATION)
    await identity.stub.EnsureOrganization(organization)
    clients = await asyncio.gather(*(identity.stub.EnsureClient(client) for _ in range(8)))
    users = await asyncio.gather(*(identity.stub.EnsureUser(user) for _ in range(8)))
    for answers in (clients, users):
        assert sum(one.created for one in answers) == 1
        assert len({one.credential_id for one in answers}) == 1


async def test_rehearsing_makes_nothing(identity, where, who):
    organization, client, user = made(where, who, OPERATION)
    organization.validate_only = client.validate_only = user.validate_only = True
    assert (await identity.stub.EnsureOrganization(organization)).created
    assert await refused(identity.stub.EnsureClient(client)) == "ORGANIZATION_NOT_FOUND"
    organization.validate_only = False
    await identity.stub.EnsureOrganization(organization)
    assert (await identity.stub.EnsureClient(client)).created
    assert (await identity.stub.EnsureUser(user)).created
    assert await refused(identity.stub.GetClient(client_pb2.GetClientRequest(**where, name="app"))) == (
        "CLIENT_NOT_FOUND"
    )
    assert await refused(identity.stub.GetUser(user_pb2.GetUserRequest(**where, email=who))) == "USER_NOT_FOUND"


async def test_a_name_of_another_tenant_is_refused_and_untouched(identity, where, who):
    await provision(identity.stub, where, who)
    other = {**where, "tenant_id": str(uuid4())}
    before = await identity.stub.GetOrganization(organization_pb2.GetOrganizationRequest(**where))
    organization, client, user = made(other, "eve@elsewhere.example", "provision-eve")
    deletion = organization_pb2.DeleteOrganizationRequest(**other)
    enabling = organization_pb2.SetOrganizationEnabledRequest(**other, enabled=False)
    for call, request in (
        (identity.stub.EnsureOrganization, organization), (identity.stub.EnsureClient, client),
        (identity.stub.EnsureUser, user), (identity.stub.DeleteOrganization, deletion),
        (identity.stub.SetOrganizationEnabled, enabling),
        (identity.stub.GetOrganization, organization_pb2.GetOrganizationRequest(**other)),
    ):  # fmt: skip
        assert await refused(call(request)) == "ORGANIZATION_NOT_OWNED"
    assert await identity.stub.GetOrganization(organization_pb2.GetOrganizationRequest(**where)) == before


async def test_what_is_said_replaces_and_what_is_not_stays(identity, where, who):
    organization, client, user = made(where, who, OPERATION)
    organization.settings.brute_force_protection.max_failures = 3
    await identity.stub.EnsureOrganization(organization)
    organization.ClearField("settings")
    organization.display_name, organization.domains[:] = "Acme Incorporated", [f"d{n}.example" for n in range(200)]
    changed = (await identity.stub.EnsureOrganization(organization)).organization
    assert (changed.display_name, len(changed.domains)) == ("Acme Incorporated", 200)
    assert changed.settings.brute_force_protection.max_failures == 3
    await identity.stub.EnsureClient(client)
    client.domains[:] = ["Other.Example"]
    assert list((await identity.stub.EnsureClient(client)).client.redirect_uris) == ["https://other.example/*"]
    await identity.stub.EnsureUser(user)
    user.given_name, user.email = "Augusta", user.email.upper()
    renamed = await identity.stub.EnsureUser(user)
    assert (renamed.created, renamed.user.given_name) == (False, "Augusta")


async def test_pooled_tenants_take_no_settings_of_their_own(identity, where, who):
    organization, *_ = made({**where, "tier": "TIER_POOLED"}, who, OPERATION)
    organization.settings.language = "de"
    assert await refused(identity.stub.EnsureOrganization(organization)) == "CAPABILITY_MISSING"


async def test_a_tenant_that_changes_its_tier_has_both_for_a_while(identity, where, who):
    pooled = {**where, "tier": "TIER_POOLED"}
    await provision(identity.stub, where, who)
    await provision(identity.stub, pooled, who, "change-tier-acme")
    await identity.stub.DeleteOrganization(organization_pb2.DeleteOrganizationRequest(**where))
    stays = await identity.stub.GetUser(user_pb2.GetUserRequest(**pooled, email=who))
    assert stays.user.ownership.operation_id == "change-tier-acme"
    assert await refused(identity.stub.GetUser(user_pb2.GetUserRequest(**where, email=who))) == (
        "ORGANIZATION_NOT_FOUND"
    )


async def test_an_undo_removes_only_what_its_operation_made(identity, where, who):
    stub = identity.stub
    await provision(stub, where, who)
    for call, request in (
        (stub.DeleteUser, user_pb2.DeleteUserRequest(**where, email=who, operation_id="another-one")),
        (stub.DeleteClient, client_pb2.DeleteClientRequest(**where, name="app", operation_id="another-one")),
        (stub.DeleteOrganization, organization_pb2.DeleteOrganizationRequest(**where, operation_id="another-one")),
    ):
        assert await refused(call(request)) == "OPERATION_MISMATCH"
        request.operation_id = OPERATION
        assert (await call(request)).existed
        assert not (await call(request)).existed


async def test_roles_are_taken_and_unknown_ones_refused(identity, where, who):
    await provision(identity.stub, where, who)
    revoke = user_pb2.RevokeRoleRequest(**where, email=who, role=ADMIN)
    assert (await identity.stub.RevokeRole(revoke)).existed
    assert not (await identity.stub.RevokeRole(revoke)).existed
    assign = user_pb2.AssignRoleRequest(**where, operation_id=OPERATION, email=who, role="no-such-role")
    assert await refused(identity.stub.AssignRole(assign)) == "ROLE_UNKNOWN"
    nobody = user_pb2.AssignRoleRequest(**where, operation_id=OPERATION, email=f"x{who}", role=ADMIN)
    assert await refused(identity.stub.AssignRole(nobody)) == "USER_NOT_FOUND"


async def test_what_was_made_is_listed_page_by_page(identity, where, who):
    await provision(identity.stub, where, who)
    *_, user = made(where, who, OPERATION)
    for number in range(4):
        user.email = f"{number}-{who}"
        await identity.stub.EnsureUser(user)
    found, token = [], ""
    while True:
        page = await identity.stub.ListUsers(user_pb2.ListUsersRequest(**where, page_size=2, page_token=token))
        found += [one.email for one in page.users]
        if not (token := page.next_page_token):
            break
    assert found == [*(f"{number}-{who}" for number in range(4)), who]
    clients = await identity.stub.ListClients(client_pb2.ListClientsRequest(**where, operation_id=OPERATION))
    assert [one.name for one in clients.clients] == ["app"]
    one = organization_pb2.ListOrganizationsRequest(tenant_id=where["tenant_id"])
    assert [one.tenant_key for one in (await identity.stub.ListOrganizations(one)).organizations] == [
        where["tenant_key"]
    ]
    everybodys = organization_pb2.ListOrganizationsRequest(page_size=500)
    names = [one.name for one in (await identity.stub.ListOrganizations(everybodys)).organizations]
    assert f"tenant-{where['tenant_key']}" in names
    assert names == sorted(names)
    foreign = user_pb2.ListUsersRequest(**where, page_token="0" * 20)
    assert await refused(identity.stub.ListUsers(foreign)) == "PAGE_TOKEN_INVALID"


async def test_operators_list_what_lies_in_shared_realms(identity, where, who):
    pooled = {**where, "tier": "TIER_POOLED"}
    await provision(identity.stub, pooled, who, f"provision-{where['tenant_key']}")
    mine = {"operation_id": f"provision-{where['tenant_key']}"}
    users = await identity.stub.ListUsers(user_pb2.ListUsersRequest(**mine))
    clients = await identity.stub.ListClients(client_pb2.ListClientsRequest(**mine))
    assert [one.email for one in users.users] == [who]
    assert [one.client_id for one in clients.clients] == [f"{where['tenant_key']}-app"]


async def test_the_shard_says_that_it_is_for_development(identity):
    answer = await identity.stub.ListShards(shard_pb2.ListShardsRequest())
    [shard] = answer.shards
    assert (shard.name, shard.available) == ("local", True)
    assert "development" in shard.detail
    assert shard_pb2.IDENTITY_CAPABILITY_PASSWORDS in shard.capabilities


@pytest.mark.parametrize(
    ("method", "message", "more"),
    [
        ("ConfigureSso", sso_pb2.ConfigureSsoRequest, {
            "operation_id": OPERATION, "name": "okta", "display_name": "Okta",
            "saml_metadata_url": "https://idp.example/saml",
        }),
        ("GetSso", sso_pb2.GetSsoRequest, {"name": "okta"}),
        ("TestSso", sso_pb2.TestSsoRequest, {"name": "okta"}),
        ("SetSsoEnabled", sso_pb2.SetSsoEnabledRequest, {"name": "okta"}),
        ("DeleteSso", sso_pb2.DeleteSsoRequest, {"name": "okta"}),
    ],
)  # fmt: skip
async def test_single_sign_on_says_that_it_is_not_built(identity, where, method, message, more):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(identity.stub, method)(message(**where, **more))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "not built yet" in caught.value.details()
