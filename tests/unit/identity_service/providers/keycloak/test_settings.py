import pytest

from identity_service.providers.keycloak.settings import KeycloakSettings
from settingskit import SettingsInvalid, load

GIVEN = {"KEYCLOAK_ADMIN_CLIENT_SECRET": "secret-of-the-service-account"}


def read(**more):
    return load(KeycloakSettings, {**GIVEN, **more}, service="identity")


def test_each_shard_has_its_address():
    chosen = read(
        KEYCLOAK_URL="https://a.example/", KEYCLOAK_SHARDS="eu2=https://b.example/,eu3=http://c.example:81/kc"
    )
    assert chosen.addresses == {
        "main": "https://a.example",
        "eu2": "https://b.example",
        "eu3": "http://c.example:81/kc",
    }


def test_the_secret_is_required_and_hidden():
    with pytest.raises(SettingsInvalid, match="KEYCLOAK_ADMIN_CLIENT_SECRET"):
        load(KeycloakSettings, {}, service="identity")
    assert "secret-of-the-service-account" not in repr(read())


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"KEYCLOAK_SHARDS": "https://b.example"}, "KEYCLOAK_SHARDS"),
        ({"KEYCLOAK_SHARDS": "main=https://b.example"}, "KEYCLOAK_SHARDS"),
        ({"KEYCLOAK_SHARDS": "a=https://b.example,a=https://c.example"}, "KEYCLOAK_SHARDS"),
        ({"KEYCLOAK_REALM": "master"}, "KEYCLOAK_REALM"),
        ({"KEYCLOAK_REALM": "tenant-acme"}, "KEYCLOAK_REALM"),
        ({"KEYCLOAK_REALM": "Two Words"}, "KEYCLOAK_REALM"),
        ({"KEYCLOAK_SMTP_HOST": "mail.example"}, "KEYCLOAK_SMTP_FROM"),
        ({"KEYCLOAK_REALM_LIMIT": "0"}, "KEYCLOAK_REALM_LIMIT"),
    ],
)
def test_what_cannot_work_is_refused(more, problem):
    with pytest.raises(SettingsInvalid, match=problem):
        read(**more)
