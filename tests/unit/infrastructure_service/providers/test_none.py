import pytest

from faults import Conflict
from infrastructure_service.model import Tier
from infrastructure_service.providers.none import NoProvider, NoSettings


async def test_it_holds_nothing_and_makes_nothing():
    async with NoProvider(NoSettings()) as provider:
        await provider.check()
        assert not provider.makes
        assert [stack async for stack in provider.stacks()] == []
        assert (await provider.stack("x"), await provider.run("x"), await provider.shared(Tier.POOLED)) == (None,) * 3
        for call in (
            provider.template("", Tier.SILO),
            provider.begin(None, None, None, hold=False, seen=None),
            provider.approve(None, "x"),
            provider.cancel(None, "x"),
        ):
            with pytest.raises(Conflict) as caught:
                await call
            assert (caught.value.reason, caught.value.facts["capability"]) == ("CAPABILITY_MISSING", "make")
