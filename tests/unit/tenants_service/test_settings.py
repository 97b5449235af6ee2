from datetime import timedelta

import pytest

from settingskit import SettingsInvalid
from tenants_service import app

NEEDED = {
    "MESH_MODE": "development",
    "TENANTS_SECRET": "a secret for tests, long enough to be one",
    "DATABASE_URL": "postgresql://app:word@localhost/tenants",
}


def test_defaults_are_what_the_design_says():
    settings = app.configured(NEEDED)
    assert (settings.server.port, settings.server.ops.port) == (7101, 9101)
    assert settings.leads.key_life == timedelta(minutes=5)
    assert settings.leads.token_life == timedelta(minutes=15)
    assert settings.leads.tier.value == "pooled"


def test_all_problems_are_told_at_once():
    with pytest.raises(SettingsInvalid) as refused:
        app.configured({"MESH_MODE": "production", "TENANTS_SECRET": "short", "TRUSTED_PROXIES": "10.0.0.0/8,here"})
    assert {problem.name for problem in refused.value.problems} >= {
        "TENANTS_SECRET",
        "TRUSTED_PROXIES",
        "DATABASE_URL",
        "AUTH_JWKS",
    }


def test_secrets_hide():
    assert "long enough" not in repr(app.configured(NEEDED))
    assert "word" not in repr(app.configured(NEEDED))


def test_the_command_line_names_an_errand():
    assert app.command([]) is app.main
    assert app.command(["migrate"]) is app.migrate
    with pytest.raises(SystemExit):
        app.command(["destroy"])
