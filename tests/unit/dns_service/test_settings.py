import inspect

import pytest

from dns_service.providers import PROVIDERS, provider_type
from dns_service.settings import DnsSettings, read
from settingskit import Secret, SettingsInvalid

DEVELOPMENT = {"MESH_MODE": "development"}
JWKS = {"AUTH_JWKS": "https://id.example/jwks", "AUTH_ISSUER": "x", "AUTH_AUDIENCE": "y"}
COMPLETE = {
    "cloudflare": {"CLOUDFLARE_API_TOKEN": "a-token"},
    "lexicon": {"LEXICON_PROVIDER": "hetzner", "LEXICON_OPTIONS": "auth_token=a-token", "LEXICON_ZONES": "example.com"},
    "logging": {},
    "memory": {},
    "powerdns": {"POWERDNS_URL": "http://127.0.0.1:8081", "POWERDNS_API_KEY": "a-key"},
    "rfc2136": {
        "RFC2136_NAMESERVER": "127.0.0.1:53",
        "RFC2136_ZONE": "example.com",
        "RFC2136_TSIG_KEY": "a-key",
        "RFC2136_TSIG_SECRET": "c2VjcmV0",
    },
    "route53": {},
}


def problems(environ):
    with pytest.raises(SettingsInvalid) as caught:
        read(DEVELOPMENT | environ)
    return {problem.name for problem in caught.value.problems}


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_starts_with_what_it_documents(name):
    settings, provider = read({**DEVELOPMENT, "DNS_PROVIDER": name, **COMPLETE[name]})
    assert isinstance(settings, DnsSettings)
    assert isinstance(provider, provider_type(name).Settings)


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_says_what_it_is(name):
    kind = provider_type(name)
    assert kind.name == name
    assert inspect.getdoc(kind)


@pytest.mark.parametrize("name", [name for name, complete in COMPLETE.items() if complete])
def test_every_missing_credential_is_named(name):
    assert problems({"DNS_PROVIDER": name}) == COMPLETE[name].keys()


def test_the_problems_of_the_process_and_of_its_provider_are_named_together():
    assert problems({"DNS_PROVIDER": "cloudflare", "RPC_PORT": "many", "DNS_RESOLVERS": "nobody"}) == {
        "RPC_PORT", "DNS_RESOLVERS", "DNS_RESOLVER_QUORUM", "CLOUDFLARE_API_TOKEN",
    }  # fmt: skip


def test_a_provider_that_does_not_exist_is_named():
    assert problems({"DNS_PROVIDER": "carrier-pigeon"}) == {"DNS_PROVIDER"}


@pytest.mark.parametrize("name", ["memory", "logging"])
def test_production_refuses_what_makes_no_name_resolve(name):
    assert problems({"MESH_MODE": "production", "DNS_PROVIDER": name, **JWKS}) == {"DNS_PROVIDER"}


def test_the_services_own_variable_wins():
    settings, _ = read({**DEVELOPMENT, "RPC_PORT": "1", "DNS_RPC_PORT": "2"})
    assert settings.server.port == 2


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"RFC2136_TSIG_SECRET": "not base64!"}, "RFC2136_TSIG_SECRET"),
        ({"RFC2136_TSIG_ALGORITHM": "hmac-md5"}, "RFC2136_TSIG_ALGORITHM"),
        ({"RFC2136_NAMESERVER": "ns1.example.com:53"}, "RFC2136_NAMESERVER"),
        ({"RFC2136_NAMESERVER": "127.0.0.1:70000"}, "RFC2136_NAMESERVER"),
    ],
)
def test_rfc2136_settings_that_cannot_work_are_named(changes, named):
    assert problems({"DNS_PROVIDER": "rfc2136", **COMPLETE["rfc2136"], **changes}) == {named}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"LEXICON_PROVIDER": "nobody"}, "LEXICON_PROVIDER"),
        ({"LEXICON_OPTIONS": "a-token"}, "LEXICON_OPTIONS"),
    ],
)
def test_lexicon_settings_that_cannot_work_are_named(changes, named):
    assert problems({"DNS_PROVIDER": "lexicon", **COMPLETE["lexicon"], **changes}) == {named}


@pytest.mark.parametrize("name", PROVIDERS)
def test_no_secret_is_shown(name):
    _, provider = read({**DEVELOPMENT, "DNS_PROVIDER": name, **COMPLETE[name]})
    secrets = {value for value in COMPLETE[name].values() if "token" in value or value in {"a-key", "c2VjcmV0"}}
    hidden = {getattr(provider, field) for field in provider.__dataclass_fields__}
    for value in hidden:
        if isinstance(value, Secret):
            assert value.reveal() not in repr(provider)
    assert not any(value in repr(provider) for value in secrets - {"a-key"})
