from datetime import timedelta

import pytest

from postgreskit import DatabaseSettings
from settingskit import Secret, SettingsInvalid, load

ADDRESS = "postgresql://me:hunter2@host:5432/db?sslmode=require"


def test_only_the_address_is_required():
    settings = load(DatabaseSettings, {"DATABASE_URL": ADDRESS})
    assert settings.url == Secret(ADDRESS)
    assert (settings.admin_url, settings.direct_url) == (None, None)
    assert (settings.pool_min, settings.pool_max, settings.statement_cache) == (1, 10, 100)
    assert settings.max_age == timedelta(minutes=30)


@pytest.mark.parametrize(
    "address",
    ["host:5432/db", "mysql://me:hunter2@host/db", "postgresql://me:hunter2@host:port/db", "postgresql://[/db"],
)
def test_what_is_no_address_is_named_and_not_shown(address):
    environ = {"DATABASE_URL": address, "ADMIN_DATABASE_URL": address, "DATABASE_DIRECT_URL": address}
    with pytest.raises(SettingsInvalid) as caught:
        load(DatabaseSettings, environ)
    assert [problem.name for problem in caught.value.problems] == list(environ)
    assert address not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_least_is_not_more_than_the_most():
    with pytest.raises(SettingsInvalid, match="DATABASE_POOL_MIN: must not be more than DATABASE_POOL_MAX"):
        load(DatabaseSettings, {"DATABASE_URL": ADDRESS, "DATABASE_POOL_MIN": "11"})


def test_no_secret_shows():
    assert "hunter2" not in repr(DatabaseSettings(url=Secret(ADDRESS), admin_url=Secret(ADDRESS)))
