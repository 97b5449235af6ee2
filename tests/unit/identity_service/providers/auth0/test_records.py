from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from identity_service.model import Client, ClientType, Organization, Owner, Tenant, Tier, User
from identity_service.providers.auth0 import records

NOW = datetime(2026, 11, 21, 12, 30, 15, 123456, tzinfo=UTC)
OWNER = Owner("0192f0c1-2b3c-7d4e-8f50-112233445566", "provision-tenant-acme", NOW)
ACME = Tenant(OWNER.tenant_id, "acme", Tier.SILO)
ORGANIZATION = Organization(
    "tenant-acme", "acme", Tier.SILO, "Acme", ("acme.example", "bücher.example"), owner=OWNER, provider="auth0",
    provider_id="org_1", shard="auth0", issuer="https://issuer/", create_time=NOW, update_time=NOW,
)  # fmt: skip


def found(metadata, **more):
    return SimpleNamespace(id="org_1", display_name="Acme", metadata=metadata, **more)


@pytest.mark.parametrize("one", [ORGANIZATION, replace(ORGANIZATION, domains=(), enabled=False)])
def test_an_organization_is_read_as_it_was_written(one):
    metadata = records.organization_metadata(one, {})
    assert records.organization_in(found(metadata), ACME, "https://issuer/") == one
    assert all(isinstance(value, str) and len(value) <= 255 for value in metadata.values())


def test_fewer_domains_leave_none_behind_and_clients_stay():
    many = replace(ORGANIZATION, domains=tuple(f"d{number * number}.acme.example" for number in range(200)))
    before = records.organization_metadata(many, {records.client_key("app"): "client1"})
    after = before | records.organization_metadata(ORGANIZATION, before)
    assert records.organization_in(found(after), ACME, "https://issuer/") == ORGANIZATION
    assert records.clients_of(after) == {"app": "client1"}
    assert len(before) <= 25


@pytest.mark.parametrize(
    "metadata", [None, {}, {"tenantmesh_owner": "x"}, {"tenantmesh_owner": "a b c", "tenantmesh_state": "a"}]
)
def test_what_the_mesh_did_not_write_is_nobodys(metadata):
    assert records.organization_in(found(metadata), ACME, "").owner is None
    assert records.organization_in(found(metadata), None, "") is None


def test_the_two_organizations_of_a_tenant_never_meet_those_of_others():
    assert records.organization_name(ACME) == "tenant-acme_own"
    assert records.organization_name(replace(ACME, tier=Tier.POOLED)) == "tenant-acme"
    longest = Tenant("", "a" * 31, Tier.SILO)
    assert len(records.organization_name(longest)) <= 50


@pytest.mark.parametrize("kind", ClientType)
def test_an_application_is_read_as_it_was_written(kind):
    client = Client(
        "app", "c1", "Acme (Inc)", kind, ("https://acme.example/*", "myapp:/callback", "https://b.example/other"),
        ("https://acme.example",), secret_create_time=NOW if kind is ClientType.CONFIDENTIAL else None, owner=OWNER,
        provider="auth0", provider_id="c1", create_time=NOW, update_time=NOW,
    )  # fmt: skip
    body = records.client_body(client, ORGANIZATION, "/callback")
    assert records.client_in(SimpleNamespace(client_id="c1", **body), "/callback") == client
    assert records.client_home(SimpleNamespace(**body)) == ("org_1", "silo")
    assert len(body["client_metadata"]) <= 10


def test_a_name_loses_what_auth0_does_not_take():
    body = records.client_body(Client("app", "", "<b>Acme</b>", owner=OWNER), ORGANIZATION, "/callback")
    assert body["name"] == "(b)Acme(/b)"


def test_a_user_is_read_as_it_was_written():
    user = User(
        "ada@acme.example", "Ada", "Lovelace", "en", user_id="auth0|1", owner=OWNER, provider="auth0",
        mail_pending=True, create_time=NOW, update_time=NOW,
    )  # fmt: skip
    shown = SimpleNamespace(
        email=user.email, given_name="Ada", family_name="Lovelace", email_verified=False, user_id="auth0|1",
        user_metadata={"language": "en"}, app_metadata=records.user_metadata(user, Tier.SILO), blocked=False,
    )  # fmt: skip
    assert records.user_in(shown) == user
