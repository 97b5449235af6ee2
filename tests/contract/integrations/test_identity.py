"""The bounds of identity.v1, tried on requests: what is meant to pass does, and what is not does not."""

import pytest

from tenantmesh.identity.v1 import identity_service_pb2

SERVICE = identity_service_pb2.DESCRIPTOR.services_by_name["IdentityService"]
CREDENTIAL = "01939e4e-0000-7000-8000-0000000000c1"
OPERATION = "provision-tenant-01939e4e"
USER = {"user_id": "auth0|5f7c8ec7c33c6c004bbafe82"}
CREDENTIAL_KEY = {"credential_id": CREDENTIAL}
MADE = {"operation_id": OPERATION}

# A whole request of every RPC, without the coordinates of the tenant.
WHOLE = {
    "EnsureOrganization": MADE | {"display_name": "Acme", "domains": [f"d{i}.acme.example" for i in range(200)]},
    "GetOrganization": {},
    "ListOrganizations": {},
    "SetOrganizationEnabled": {"enabled": False},
    "DeleteOrganization": MADE,
    "EnsureClient": MADE | {"name": "app", "domains": ["acme.example"], "redirect_uris": ["myapp:/callback"]},
    "GetClient": {"name": "app"},
    "ListClients": {},
    "RotateClientSecret": MADE | {"request_id": CREDENTIAL, "name": "app", "overlap": {"seconds": 604800}},
    "DeleteClient": {"name": "app"},
    "EnsureUser": MADE | {"email": "ada+ops@acme.example", "handover": "PASSWORD_HANDOVER_CLAIM"},
    "GetUser": USER,
    "ListUsers": {},
    "VerifyPassword": {"email": "ada@acme.example", "password": "correct horse"},
    "DeleteUser": {"email": "ada@acme.example"},
    "AssignRole": MADE | USER | {"role": "admin"},
    "RevokeRole": USER | {"role": "realm-admin"},
    "ConfigureSso": MADE | {"name": "okta", "display_name": "Okta", "saml_metadata_url": "https://idp.example/saml"},
    "GetSso": {"name": "okta"},
    "TestSso": {"name": "okta"},
    "SetSsoEnabled": {"name": "okta", "enabled": True},
    "DeleteSso": {"name": "okta"},
    "StageCredential": {"request_id": CREDENTIAL, "kind": "CREDENTIAL_KIND_PASSWORD", "secret": "correct horse"},
    "GetCredential": CREDENTIAL_KEY,
    "DeleteCredential": CREDENTIAL_KEY,
    "IssueCredentialClaim": CREDENTIAL_KEY,
    "ClaimCredential": {"claim_token": "t" * 43},
    "ListShards": {},
}


@pytest.fixture
def whole(request_of):
    def whole(method, **changed):
        return request_of(SERVICE, method, **WHOLE[method] | changed)

    return whole


def test_every_method_is_tried():
    assert WHOLE.keys() == set(SERVICE.methods_by_name)


@pytest.mark.parametrize("method", WHOLE)
def test_a_whole_request_passes(method, whole, broken):
    assert broken(whole(method)) == set()


@pytest.mark.parametrize(
    ("method", "changed", "expected"),
    [
        ("EnsureOrganization", {"tenant_id": "acme"}, ("tenant_id", "string.uuid")),
        ("EnsureOrganization", {"tenant_key": "Acme"}, ("tenant_key", "string.pattern")),
        ("EnsureOrganization", {"tenant_key": "acme-"}, ("tenant_key", "string.pattern")),
        ("EnsureOrganization", {"tier": 0}, ("tier", "enum.not_in")),
        ("EnsureOrganization", {"domains": ["acme.example"] * 2}, ("domains", "repeated.unique")),
        ("EnsureOrganization", {"domains": ["acme example"]}, ("domains", "string.hostname")),
        ("EnsureOrganization", {"domains": [f"d{i}.example" for i in range(201)]}, ("domains", "repeated.max_items")),
        ("ListUsers", {"tenant_key": ""}, ("", "tenant.whole")),
        ("ListClients", {"tier": 0}, ("", "tenant.whole")),
        ("EnsureUser", {"email": "ada@acme.example\r\nBcc: eve@x.example"}, ("email", "string.pattern")),
        ("EnsureUser", {"handover": 0}, ("handover", "enum.not_in")),
        ("EnsureUser", {"credential_id": "secret1"}, ("credential_id", "string.uuid")),
        ("RotateClientSecret", {"overlap": {"seconds": 604801}}, ("overlap", "duration.gte_lte")),
        ("ConfigureSso", {"saml_metadata_url": "http://idp.example"}, ("saml_metadata_url", "string.pattern")),
        ("ClaimCredential", {"claim_token": "t" * 42}, ("claim_token", "string.min_len")),
        ("StageCredential", {"kind": 0}, ("kind", "enum.not_in")),
    ],
)
def test_a_field_out_of_bounds_is_refused(method, changed, expected, whole, broken):
    assert broken(whole(method, **changed)) == {expected}


@pytest.mark.parametrize("email", ['"ada lovelace"@acme.example', "jörg@bücher.example", "o'neil+tag@acme.example"])
def test_an_unusual_address_is_left_to_the_service(email, whole, broken):
    assert broken(whole("EnsureUser", email=email)) == set()


def test_who_must_be_said(request_of, broken):
    assert broken(request_of(SERVICE, "GetUser")) == {("who", "required")}


def test_only_the_hand_over_answers_a_secret(secrets):
    assert secrets(SERVICE) == {"IssueCredentialClaimResponse.claim_token", "ClaimCredentialResponse.secret"}
