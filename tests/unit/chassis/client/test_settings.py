from datetime import timedelta
from pathlib import Path

import pytest

from chassis.client import ClientSettings, TargetSettings
from settingskit import SettingsInvalid, load


def test_a_target_needs_its_address_and_nothing_else():
    assert load(TargetSettings, {"DNS_ADDRESS": "dns:7104"}, service="dns") == TargetSettings(address="dns:7104")
    with pytest.raises(SettingsInvalid, match="ADDRESS"):
        load(TargetSettings, {}, service="dns")


def test_one_variable_for_all_targets_and_one_for_the_target_that_differs():
    environ = {
        "DNS_ADDRESS": "dns:7104",
        "STORAGE_ADDRESS": "storage:7103",
        "RPC_TIMEOUT": "3s",
        "STORAGE_RPC_TIMEOUT": "2m",
        "RPC_CONNECTIONS": "2",
    }
    dns, storage = (load(TargetSettings, environ, service=name) for name in ("dns", "storage"))
    assert (dns.client.timeout, storage.client.timeout) == (timedelta(seconds=3), timedelta(minutes=2))
    assert dns.client.connections == storage.client.connections == 2


def test_every_contradiction_is_named():
    environ = {
        "RPC_KEY_FILE": "/nowhere/key",
        "RPC_SERVER_NAME": "dns",
        "RPC_ATTEMPTS": "6",
        "RPC_CONNECTIONS": "0",
        "RPC_KEEPALIVE": "1s",
    }
    with pytest.raises(SettingsInvalid) as caught:
        load(ClientSettings, environ)
    assert {problem.name for problem in caught.value.problems} == {
        "RPC_CERT_FILE",
        "RPC_SERVER_NAME",
        "RPC_ATTEMPTS",
        "RPC_CONNECTIONS",
        "RPC_KEEPALIVE",
    }


def test_a_certificate_needs_its_key():
    with pytest.raises(SettingsInvalid, match="RPC_KEY_FILE"):
        load(ClientSettings, {"RPC_CERT_FILE": "/nowhere/cert"})


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"RPC_TLS": "true"}, True),
        ({"RPC_CA_FILE": "/ca"}, True),
        ({"RPC_CERT_FILE": "/cert", "RPC_KEY_FILE": "/key", "RPC_SERVER_NAME": "dns"}, True),
    ],
)
def test_certificates_imply_tls(environ, wanted):
    assert load(ClientSettings, environ).tls.wanted is wanted


def test_paths_are_paths():
    assert load(ClientSettings, {"RPC_TOKEN_FILE": "/run/token"}).token_file == Path("/run/token")
