import inspect

import pytest

from deployments_service.model import Tier
from deployments_service.providers import PROVIDERS, provider_type
from deployments_service.settings import DeploymentsSettings, read
from settingskit import SettingsInvalid

DEVELOPMENT = {"MESH_MODE": "development"}
PRODUCTION = {
    "MESH_MODE": "production", "AUTH_JWKS": "https://id.example/jwks", "AUTH_ISSUER": "x", "AUTH_AUDIENCE": "y",
}  # fmt: skip
WEBHOOK = {
    "DATABASE_URL": "postgresql://x@127.0.0.1/x",
    "DEPLOYMENT_WEBHOOK_URL": "https://ci.example/deploy",
    "DEPLOYMENT_WEBHOOK_SECRET": "a" * 32,
}
COMPLETE = {"memory": {}, "none": {}, "webhook": WEBHOOK}


def problems(environ):
    with pytest.raises(SettingsInvalid) as caught:
        read(environ)
    return sorted(problem.name for problem in caught.value.problems)


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_starts_with_what_it_documents(name):
    settings, provider = read({**DEVELOPMENT, "DEPLOYMENT_PROVIDER": name, **COMPLETE[name]})
    assert isinstance(settings, DeploymentsSettings)
    assert isinstance(provider, provider_type(name).Settings)
    assert provider_type(name).name == name
    assert inspect.getdoc(provider_type(name))


def test_every_missing_credential_is_named_and_everything_else_that_is_wrong():
    wrong = {"OPS_PORT": "many", "DEPLOYMENT_PROVIDER": "webhook", "DEPLOYMENT_WEBHOOK_TIMEOUT": "1h"}
    assert problems(PRODUCTION | wrong) == [
        "DATABASE_URL", "DEPLOYMENT_WEBHOOK_SECRET", "DEPLOYMENT_WEBHOOK_TIMEOUT", "DEPLOYMENT_WEBHOOK_URL", "OPS_PORT",
    ]  # fmt: skip


def test_production_wants_a_provider_that_deploys_or_says_that_it_does_not():
    assert problems(PRODUCTION) == ["DEPLOYMENT_PROVIDER"]
    assert problems({"OPS_PORT": "many"}) == ["DEPLOYMENT_PROVIDER", "OPS_PORT"]
    for name in ("none", "webhook"):
        assert read({**PRODUCTION, "DEPLOYMENT_PROVIDER": name, **COMPLETE[name]})


def test_a_provider_that_does_not_exist_is_named():
    assert problems({**DEVELOPMENT, "DEPLOYMENT_PROVIDER": "pigeon"}) == ["DEPLOYMENT_PROVIDER"]


@pytest.mark.parametrize(
    ("mode", "changes", "named"),
    [
        (PRODUCTION, {"DEPLOYMENT_WEBHOOK_URL": "http://ci.example"}, "DEPLOYMENT_WEBHOOK_URL"),
        (PRODUCTION, {"DEPLOYMENT_PUBLIC_URL": "http://mesh.example"}, "DEPLOYMENT_PUBLIC_URL"),
        (DEVELOPMENT, {"DEPLOYMENT_WEBHOOK_URL": "ftp://ci.example"}, "DEPLOYMENT_WEBHOOK_URL"),
        (DEVELOPMENT, {"DEPLOYMENT_WEBHOOK_URL": "https://me:word@ci.example"}, "DEPLOYMENT_WEBHOOK_URL"),
        (DEVELOPMENT, {"DEPLOYMENT_WEBHOOK_URL": "https://[::1"}, "DEPLOYMENT_WEBHOOK_URL"),
        (DEVELOPMENT, {"DEPLOYMENT_WEBHOOK_SECRET": "short"}, "DEPLOYMENT_WEBHOOK_SECRET"),
        (DEVELOPMENT, {"DEPLOYMENT_WEBHOOK_SECRET_PREVIOUS": "short"}, "DEPLOYMENT_WEBHOOK_SECRET_PREVIOUS"),
        (DEVELOPMENT, {"DEPLOYMENT_WEBHOOK_ALLOWED_NETWORKS": "here"}, "DEPLOYMENT_WEBHOOK_ALLOWED_NETWORKS"),
        (DEVELOPMENT, {"DEPLOYMENT_WEBHOOK_CA_FILE": "/nowhere"}, "DEPLOYMENT_WEBHOOK_CA_FILE"),
    ],
)
def test_what_cannot_work_is_named(mode, changes, named):
    assert set(problems({**mode, "DEPLOYMENT_PROVIDER": "webhook", **WEBHOOK, **changes})) == {named}


def test_plain_http_is_for_development():
    changes = {"DEPLOYMENT_PROVIDER": "webhook", **WEBHOOK, "DEPLOYMENT_WEBHOOK_URL": "http://127.0.0.1:1/deploy"}
    _, provider = read(DEVELOPMENT | changes)
    assert provider.pipeline.endpoint.url == "http://127.0.0.1:1/deploy"


def test_no_secret_is_shown():
    changes = {"DEPLOYMENT_PROVIDER": "webhook", **WEBHOOK, "DEPLOYMENT_WEBHOOK_SECRET_PREVIOUS": "b" * 32}
    _, provider = read(DEVELOPMENT | changes)
    assert provider.pipeline.endpoint.secrets == ["a" * 32, "b" * 32]
    for shown in (repr(provider), repr(provider.pipeline.endpoint)):
        assert "a" * 32 not in shown
        assert "b" * 32 not in shown


def test_each_tier_has_a_version_of_its_own():
    settings, _ = read({**DEVELOPMENT, "DEPLOYMENT_VERSION_POOLED": "2.1"})
    assert settings.versions.by_tier == {Tier.SILO: "stable", Tier.BRIDGE: "stable", Tier.POOLED: "2.1"}
