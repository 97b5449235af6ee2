import pytest

from deployments_service.providers.none import NoProvider, NoSettings
from faults import Conflict


async def test_it_holds_nothing_and_deploys_nothing():
    async with NoProvider(NoSettings()) as provider:
        await provider.check()
        assert not provider.makes
        assert await provider.find("x", "web") is None
        assert await provider.page(tenant_id="", operation_id="", after=None, size=9) == ()
        with pytest.raises(Conflict) as caught:
            await provider.begin(None, seen=None)
        assert caught.value.facts == {"provider": "none", "capability": "deploy"}
