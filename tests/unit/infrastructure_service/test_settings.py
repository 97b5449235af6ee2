import inspect

import pytest

from infrastructure_service.providers import PROVIDERS, provider_type
from infrastructure_service.settings import InfrastructureSettings, read
from settingskit import SettingsInvalid

DEVELOPMENT = {"MESH_MODE": "development"}
PRODUCTION = {
    "MESH_MODE": "production", "AUTH_JWKS": "https://id.example/jwks", "AUTH_ISSUER": "x", "AUTH_AUDIENCE": "y",
}  # fmt: skip


def problems(environ):
    with pytest.raises(SettingsInvalid) as caught:
        read(environ)
    return {problem.name for problem in caught.value.problems}


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_starts_with_what_it_documents(name):
    settings, provider = read({**DEVELOPMENT, "INFRASTRUCTURE_PROVIDER": name})
    assert isinstance(settings, InfrastructureSettings)
    assert isinstance(provider, provider_type(name).Settings)
    assert provider_type(name).name == name
    assert inspect.getdoc(provider_type(name))


def test_production_wants_a_provider_that_makes_something_or_says_that_it_does_not():
    assert problems(PRODUCTION) == {"INFRASTRUCTURE_PROVIDER"}
    assert problems({"OPS_PORT": "many"}) == {"INFRASTRUCTURE_PROVIDER", "OPS_PORT"}
    assert read({**PRODUCTION, "INFRASTRUCTURE_PROVIDER": "none"})


def test_a_provider_that_does_not_exist_is_named():
    assert problems({**DEVELOPMENT, "INFRASTRUCTURE_PROVIDER": "clay"}) == {"INFRASTRUCTURE_PROVIDER"}


def test_the_problems_of_the_process_and_of_its_provider_are_named_together():
    wrong = {"RPC_PORT": "many", "INFRASTRUCTURE_MEMORY_PACE": "-1s", "INFRASTRUCTURE_WATCH_INTERVAL": "0s"}
    assert problems(DEVELOPMENT | wrong) == wrong.keys()


def test_a_tier_that_does_not_exist_is_named():
    assert problems({**DEVELOPMENT, "INFRASTRUCTURE_MEMORY_SHARED": "gold"}) == {"INFRASTRUCTURE_MEMORY_SHARED"}
