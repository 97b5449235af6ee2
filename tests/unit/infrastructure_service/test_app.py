from infrastructure_service import app
from infrastructure_service.providers import PROVIDERS
from infrastructure_service.providers.memory import MemoryProvider
from infrastructure_service.providers.none import NoProvider
from infrastructure_service.settings import InfrastructureSettings


def test_the_chosen_provider_is_what_is_served():
    for name, kind in (("memory", MemoryProvider), ("none", NoProvider)):
        server, provider, _ = app.compose({"MESH_MODE": "development", "INFRASTRUCTURE_PROVIDER": name})
        assert isinstance(provider, kind)
        assert server.port == 7106


def test_everything_that_can_be_set_is_listed():
    listed = list(app.settings())
    assert listed[0] is InfrastructureSettings
    assert len(listed) == 1 + len(PROVIDERS)
