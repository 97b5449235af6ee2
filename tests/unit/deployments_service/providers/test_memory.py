from tests.unit.deployments_service.conftest import ACME, World

from deployments_service.model import FailureReason, State


async def test_a_version_that_fails_fails_its_rollout_and_can_be_removed():
    world = World(failing=("2.0",))
    failed, _ = await world.ensure(version="2.0")
    assert (failed.state, failed.failure.reason) == (State.FAILED, FailureReason.CRASHED)
    assert await world.service.delete(ACME, "web") == (True, None)


async def test_without_a_host_name_nobody_is_told_where_it_is(quick):
    made, _ = await quick.ensure(hostnames=())
    assert (made.state, made.app_url) == (State.READY, "")


async def test_what_it_held_ends_with_it(quick):
    async with quick.provider as provider:
        await provider.check()
        await quick.ensure()
    assert await quick.provider.find(ACME, "web") is None
