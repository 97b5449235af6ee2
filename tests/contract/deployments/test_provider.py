"""What every deployment provider promises, whatever stands behind it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.contract.deployments.conftest import MAKES_NOTHING, OPENERS

from deployments_service.model import AT_FIRST, Action, Deployment, Owner, Rollout, Spec, State, Tier
from deployments_service.providers import PROVIDERS
from faults import Aborted, AlreadyExists

ACME, GLOBEX = "00000000-0000-7000-8000-00000000000a", "00000000-0000-7000-8000-00000000000b"
TIME = datetime(2026, 1, 1, microsecond=123456, tzinfo=UTC)
SPEC = Spec(Tier.SILO, "1.0", "web:1.0", ("acme.example.com",), {"A": "1"}, {"B": "secret/b"})


def wanted(provider, tenant=ACME, app="web", spec=SPEC, rollout="r-1"):
    owner = Owner(tenant, "provision-it", TIME)
    return Deployment(
        tenant, app, spec, owner, Rollout(rollout, Action.DEPLOY, "provision-it"), State.PENDING, provider.name,
        create_time=TIME, update_time=TIME,
    )  # fmt: skip


def next_rollout(seen, action, rollout, **changes):
    return replace(seen, rollout=Rollout(rollout, action, "change-it"), state=AT_FIRST[action], percent=0, **changes)


async def settled(provider, tenant=ACME, app="web"):
    """The deployment once its rollout has ended; None once it is gone."""
    async with asyncio.timeout(60):
        while True:
            found = await provider.find(tenant, app)
            if found is None or found.state.settled:
                return found
            await asyncio.sleep(0.01)


async def listed(provider, **narrowed):
    narrowed = {"tenant_id": "", "operation_id": "", "after": None, "size": 99, **narrowed}
    return [(one.tenant_id, one.app) for one in await provider.page(**narrowed)]


def test_no_provider_is_left_out():
    assert OPENERS.keys() | MAKES_NOTHING == PROVIDERS.keys()


async def test_what_was_begun_is_found_as_it_was_asked_for_and_stamped(provider):
    await provider.check()
    asked = wanted(provider)
    begun = await provider.begin(asked, seen=None)
    assert (begun.spec, begun.owner, begun.rollout) == (SPEC, asked.owner, asked.rollout)
    ready = await settled(provider)
    assert (ready.state, ready.percent, ready.spec, ready.owner) == (State.READY, 100, SPEC, asked.owner)
    assert (ready.provider, ready.previous, ready.undone, ready.failure) == (provider.name, None, "", None)


async def test_a_change_keeps_what_it_does_not_change(provider):
    await provider.begin(wanted(provider), seen=None)
    seen = await settled(provider)
    changed = next_rollout(seen, Action.ROLLBACK, "r-2", spec=Spec(Tier.SILO, "2.0"), previous=SPEC, undone="r-1")
    await provider.begin(changed, seen=seen)
    after = await settled(provider)
    assert (after.state, after.spec, after.previous, after.undone) == (State.READY, changed.spec, SPEC, "r-1")
    assert (after.owner, after.rollout) == (seen.owner, changed.rollout)


async def test_what_is_removed_is_gone(provider):
    await provider.begin(wanted(provider), seen=None)
    seen = await settled(provider)
    await provider.begin(next_rollout(seen, Action.REMOVE, "r-2"), seen=seen)
    assert await settled(provider) is None
    assert await listed(provider) == []
    await provider.begin(wanted(provider, rollout="r-3"), seen=None)


async def test_a_begin_over_a_stale_reading_loses(provider):
    await provider.begin(wanted(provider), seen=None)
    seen = await settled(provider)
    with pytest.raises(Aborted):
        await provider.begin(wanted(provider, rollout="r-2"), seen=None)
    await provider.begin(next_rollout(seen, Action.DEPLOY, "r-3"), seen=seen)
    with pytest.raises(Aborted):
        await provider.begin(next_rollout(seen, Action.DEPLOY, "r-4"), seen=seen)
    assert (await provider.find(ACME, "web")).rollout.rollout_id == "r-3"


async def test_of_many_that_begin_at_once_one_does(provider):
    begun = [provider.begin(wanted(provider, rollout=f"r-{index}"), seen=None) for index in range(10)]
    answers = await asyncio.gather(*begun, return_exceptions=True)
    assert sum(isinstance(answer, Aborted) for answer in answers) == 9


async def test_a_host_name_is_held_by_one_until_it_lets_go(provider):
    await provider.begin(wanted(provider), seen=None)
    for taker in (wanted(provider, GLOBEX), wanted(provider, app="api")):
        with pytest.raises(AlreadyExists) as caught:
            await provider.begin(taker, seen=None)
        assert (caught.value.reason, caught.value.facts["hostname"]) == ("HOSTNAME_TAKEN", "acme.example.com")
        assert await provider.find(taker.tenant_id, taker.app) is None
    seen = await settled(provider)
    await provider.begin(next_rollout(seen, Action.DEPLOY, "r-2", spec=replace(SPEC, hostnames=())), seen=seen)
    await provider.begin(wanted(provider, GLOBEX), seen=None)
    seen = await settled(provider, GLOBEX)
    await provider.begin(next_rollout(seen, Action.REMOVE, "r-3"), seen=seen)
    assert await settled(provider, GLOBEX) is None
    await provider.begin(wanted(provider, app="api"), seen=None)


async def test_two_who_want_the_same_names_in_another_order_do_not_wait_for_each_other(provider):
    names = ("a.example.com", "b.example.com", "c.example.com")
    takers = [
        wanted(provider, tenant, spec=replace(SPEC, hostnames=order))
        for tenant, order in ((ACME, names), (GLOBEX, names[::-1]))
    ]
    answers = await asyncio.gather(*(provider.begin(one, seen=None) for one in takers), return_exceptions=True)
    assert sorted(type(answer) for answer in answers if isinstance(answer, Exception)) == [AlreadyExists]


async def test_lists_are_by_tenant_and_application_and_narrow(provider):
    for tenant, app in ((GLOBEX, "api"), (ACME, "web"), (ACME, "api")):
        await provider.begin(wanted(provider, tenant, app, spec=Spec(Tier.POOLED, "1.0")), seen=None)
    assert await listed(provider) == [(ACME, "api"), (ACME, "web"), (GLOBEX, "api")]
    assert await listed(provider, after=(ACME, "api"), size=1) == [(ACME, "web")]
    assert await listed(provider, tenant_id=GLOBEX) == [(GLOBEX, "api")]
    assert await listed(provider, operation_id="provision-it", tenant_id=ACME) == [(ACME, "api"), (ACME, "web")]
    assert await listed(provider, operation_id="another") == []


async def test_one_tenants_deployment_is_not_anothers(provider):
    await provider.begin(wanted(provider), seen=None)
    assert await provider.find(GLOBEX, "web") is None
