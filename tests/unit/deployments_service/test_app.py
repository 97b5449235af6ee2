import subprocess
import sys

import pytest
from tests.unit.deployments_service.test_settings import COMPLETE

from deployments_service import app
from deployments_service.providers import PROVIDERS, provider_type
from deployments_service.settings import DeploymentsSettings


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_chosen_provider_is_what_is_served(name):
    server, provider, handlers = app.compose(
        {"MESH_MODE": "development", "DEPLOYMENT_PROVIDER": name, **COMPLETE[name]}
    )
    assert isinstance(provider, provider_type(name))
    assert server.port == 7107
    assert (handlers._deployments._reports is provider) == (name == "webhook")


def test_everything_that_can_be_set_is_listed():
    listed = list(app.settings())
    assert listed[0] is DeploymentsSettings
    assert len(listed) == 1 + len(PROVIDERS)


@pytest.mark.parametrize("provider", ["memory", "none"])
def test_no_library_is_loaded_for_nothing(provider):
    environ = {"MESH_MODE": "development", "DEPLOYMENT_PROVIDER": provider}
    script = (
        f"import sys; from deployments_service import app; app.compose({environ});"
        " print(sorted({'asyncpg', 'postgreskit'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
