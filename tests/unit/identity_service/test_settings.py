import pytest

from identity_service.providers import PROVIDERS, provider_type
from identity_service.settings import IdentitySettings, read
from settingskit import SettingsInvalid

GOOD = {
    "MESH_MODE": "development",
    "DATABASE_URL": "postgresql://app@db/identity",
    "IDENTITY_SECRET": "s" * 32,
    "AUTH_DEVELOPMENT": "true",
}
PRODUCTION = {
    "MESH_MODE": "production",
    "AUTH_DEVELOPMENT": "false",
    "AUTH_JWKS": "https://issuer.example/keys.json",
    "AUTH_ISSUER": "issuer",
    "AUTH_AUDIENCE": "mesh",
}


def problems(**changes: str) -> dict[str, str]:
    with pytest.raises(SettingsInvalid) as invalid:
        read({**GOOD, **changes})
    return {problem.name: problem.message for problem in invalid.value.problems}


def test_the_local_directory_is_used_where_nothing_else_is_configured():
    settings, provider = read(GOOD)
    assert isinstance(settings, IdentitySettings)
    assert (settings.choice.provider, type(provider).__name__) == ("local", "LocalSettings")
    assert "sss" not in repr(settings)


@pytest.mark.parametrize("provider", ["local", "memory"])
def test_production_refuses_what_is_meant_for_development(provider):
    found = problems(**PRODUCTION, IDENTITY_PROVIDER=provider)
    assert "MESH_MODE=production refuses it" in found["IDENTITY_PROVIDER"]


def test_every_problem_is_listed_at_once():
    found = problems(DATABASE_URL="", IDENTITY_SECRET="short", CREDENTIAL_CLAIM_LIFE="8d", LOCAL_ARGON2_ROUNDS="0")
    assert found.keys() >= {"DATABASE_URL", "IDENTITY_SECRET", "CREDENTIAL_CLAIM_LIFE", "LOCAL_ARGON2_ROUNDS"}


def test_auth0_wants_its_credentials():
    found = problems(**PRODUCTION, IDENTITY_PROVIDER="auth0", IDENTITY_SECRET="short")
    assert found.keys() == {"AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET", "AUTH0_DOMAIN", "IDENTITY_SECRET"}


def test_auth0_is_reached_by_tls_and_taken_back_to_exact_places():
    found = problems(
        IDENTITY_PROVIDER="auth0", AUTH0_CLIENT_ID="mesh", AUTH0_CLIENT_SECRET="hunter2", AUTH0_DOMAIN="acme",
        AUTH0_URL="http://auth0.example", AUTH0_CALLBACK_PATH="/*",
    )  # fmt: skip
    assert found.keys() == {"AUTH0_DOMAIN", "AUTH0_URL", "AUTH0_CALLBACK_PATH"}


def test_a_provider_nobody_knows_is_refused():
    assert "must be one of" in problems(IDENTITY_PROVIDER="active-directory")["IDENTITY_PROVIDER"]


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_is_called_as_it_is_chosen(name):
    assert provider_type(name).name == name
