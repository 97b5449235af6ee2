import pytest

from provisioning_service.settings import read
from settingskit import SettingsInvalid

LEAST = {"TENANTS_ADDRESS": "127.0.0.1:7101", "MESH_MODE": "development"}


def problems(**environ):
    with pytest.raises(SettingsInvalid) as caught:
        read(environ)
    return {problem.name for problem in caught.value.problems}


def test_little_must_be_set():
    settings, target = read(LEAST)
    assert (settings.queue, target.address) == ("tenantmesh", "127.0.0.1:7101")
    assert all(switch.enabled for switch in settings.switches)


def test_everything_that_is_wrong_is_named_at_once():
    wrong = {"MESH_MODE": "development", "HOLD_TIERS": "gold", "TENANT_ZONE": "mesh.example"}
    assert problems(**wrong) == {"TENANTS_ADDRESS", "HOLD_TIERS", "TENANT_DNS_TARGETS"}


def test_a_switch_is_a_setting():
    settings, _ = read({**LEAST, "ENABLE_PROVISIONING": "false"})
    assert [switch.enabled for switch in settings.switches] == [False, True]
