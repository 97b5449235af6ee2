"""Who was provisioned signs in to the real Keycloak, and the mesh believes the token."""

import pytest
from tests.integration.keycloak.conftest import OPERATION, TIERS, provision

from chassis.interceptors.call import Method
from chassis.settings import AuthSettings
from chassis.tokens import tokens_of
from tenantmesh.identity.v1 import client_pb2, organization_pb2

NEW_PASSWORD = "Another-horse-8-battery"
METHOD = Method(
    path="/example/Call",
    service="example",
    name="Call",
    permission="example.read",
    names_tenant=False,
    request_streaming=False,
    response_streaming=False,
    builtin=False,
    decode=bytes,
)


async def principal_of(tenant, access_token):
    """Whom a token stands for in a service that believes the tenant's issuer."""
    settings = AuthSettings(
        jwks=f"{tenant.issuer}/protocol/openid-connect/certs", issuer=tenant.issuer, audience=tenant.app.client_id
    )
    return await tokens_of(settings).verified(f"Bearer {access_token}", METHOD)


def enabled(tenant, *, yes):
    return organization_pb2.SetOrganizationEnabledRequest(**tenant.where, enabled=yes)


@pytest.mark.parametrize("tier", TIERS)
async def test_a_provisioned_user_signs_in_and_the_mesh_accepts_the_token(identity, tier):
    tenant = await provision(identity.stub, tier)
    assert not (await tenant.app.sign_in(tenant.email, "not-the-password-1A!")).tokens
    signed_in = await tenant.app.sign_in(tenant.email, tenant.password, NEW_PASSWORD)
    assert signed_in.tokens, signed_in.page
    principal = await principal_of(tenant, signed_in.tokens["access_token"])
    assert (principal.name, principal.tenant_id) == (tenant.user_id, tenant.where["tenant_id"])
    assert not (await tenant.app.sign_in(tenant.email, tenant.password)).tokens, "the first password is used up"
    assert (await tenant.app.sign_in(tenant.email, NEW_PASSWORD)).tokens


@pytest.mark.parametrize("tier", TIERS)
async def test_a_disabled_organization_signs_nobody_in_until_it_is_enabled(identity, tier):
    tenant = await provision(identity.stub, tier)
    signed_in = await tenant.app.sign_in(tenant.email, tenant.password, NEW_PASSWORD)
    assert signed_in.tokens, signed_in.page
    off = await identity.stub.SetOrganizationEnabled(enabled(tenant, yes=False))
    assert (off.changed, off.organization.enabled) == (True, False)
    assert off.ended_sessions >= 1
    assert not (await tenant.app.sign_in(tenant.email, NEW_PASSWORD)).tokens
    assert (await tenant.app.refresh(signed_in.tokens["refresh_token"])).status_code in {400, 403}
    on = await identity.stub.SetOrganizationEnabled(enabled(tenant, yes=True))
    assert on.organization.enabled
    again = await tenant.app.sign_in(tenant.email, NEW_PASSWORD)
    assert again.tokens, again.page


async def test_in_the_shared_realm_a_token_names_the_tenant_of_its_user_whatever_the_client(identity):
    one, other = await provision(identity.stub, "TIER_POOLED"), await provision(identity.stub, "TIER_POOLED")
    signed_in = await one.app.sign_in(other.email, other.password, NEW_PASSWORD)
    assert signed_in.tokens, signed_in.page
    principal = await principal_of(one, signed_in.tokens["access_token"])
    assert principal.tenant_id == other.where["tenant_id"]


@pytest.mark.parametrize("tier", TIERS)
async def test_deleting_one_tenant_leaves_the_other_and_the_shared_realm(identity, keycloak, person, tier):
    gone, stays = await provision(identity.stub, tier), await provision(identity.stub, tier)
    delete = organization_pb2.DeleteOrganizationRequest(**gone.where)
    assert (await identity.stub.DeleteOrganization(delete)).existed
    assert not (await identity.stub.DeleteOrganization(delete)).existed
    assert not (await gone.app.sign_in(gone.email, gone.password, NEW_PASSWORD)).tokens
    assert (await stays.app.sign_in(stays.email, stays.password, NEW_PASSWORD)).tokens
    left = organization_pb2.GetOrganizationRequest(**stays.where)
    assert (await identity.stub.GetOrganization(left)).organization.enabled
    if tier == "TIER_POOLED":
        assert (await person.ask("GET", f"/{keycloak.realm}"))["enabled"]
        assert not await person.ask("GET", f"/{keycloak.realm}/users", email=gone.email, exact="true")


async def test_the_admin_of_a_realm_administers_that_realm_alone(identity, person):
    one, other = await provision(identity.stub, "TIER_SILO"), await provision(identity.stub, "TIER_SILO")
    signed_in = await one.app.sign_in(one.email, one.password, NEW_PASSWORD)
    bearer = {"Authorization": f"Bearer {signed_in.tokens['access_token']}"}
    for tenant, statuses in ((one, {200}), (other, {401, 403})):
        base, _, realm = tenant.issuer.rpartition("/realms/")
        answer = await person.http.get(f"{base}/admin/realms/{realm}/users", headers=bearer, auth=None)
        assert answer.status_code in statuses


@pytest.mark.parametrize("tier", TIERS)
async def test_the_secret_before_works_on_for_the_overlap(identity, person, tier):
    tenant = await provision(identity.stub, tier)
    rotate = client_pb2.RotateClientSecretRequest(
        **tenant.where, operation_id=OPERATION, name="app", request_id=tenant.where["tenant_id"]
    )
    rotate.overlap.FromSeconds(3600)
    first = await identity.stub.RotateClientSecret(rotate)
    again = await identity.stub.RotateClientSecret(rotate)
    assert (first.credential_id, first.client) == (again.credential_id, again.client)
    realm = tenant.issuer.rpartition("/realms/")[2]
    assert await person.has_secret(realm, tenant.app.client_id, tenant.app.secret)
    assert (await tenant.app.sign_in(tenant.email, tenant.password, NEW_PASSWORD)).tokens
