import pytest

from dns_service.verification.model import Server
from dns_service.verification.providers.settings import VerificationSettings
from settingskit import SettingsInvalid, load


def test_by_default_three_resolvers_are_asked_and_two_must_agree():
    settings = load(VerificationSettings, {})
    assert len(settings.resolver_servers()) == 3
    assert (settings.quorum, settings.patience.total_seconds()) == (2, 5)
    assert settings.own_servers() == ()


def test_servers_are_read_with_their_ports():
    settings = load(
        VerificationSettings,
        {"DNS_RESOLVERS": "127.0.0.1:5301, 127.0.0.1:5302", "DNS_NAMESERVERS": "127.0.0.1:5353"},
    )
    assert [server.port for server in settings.resolver_servers()] == [5301, 5302]
    assert settings.own_servers() == (Server("127.0.0.1", "127.0.0.1", 5353),)


def test_none_asks_no_resolver():
    assert load(VerificationSettings, {"DNS_RESOLVERS": "none"}).resolver_servers() == ()


def test_every_problem_is_named():
    with pytest.raises(SettingsInvalid) as caught:
        load(
            VerificationSettings,
            {"DNS_RESOLVERS": "resolver.example.net", "DNS_NAMESERVERS": "ns1,192.0.2.1", "DNS_RESOLVER_QUORUM": "2"},
        )
    assert {problem.name for problem in caught.value.problems} == {
        "DNS_RESOLVERS", "DNS_NAMESERVERS", "DNS_RESOLVER_QUORUM",
    }  # fmt: skip
