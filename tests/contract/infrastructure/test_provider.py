"""What every infrastructure provider promises, whatever stands behind it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from tests.contract.infrastructure.conftest import FOREIGN, MAKES_NOTHING, OPENERS

from faults import Aborted, Conflict
from infrastructure_service.model import Capability, Kind, Owner, RunState, Spec, StackState, Tier
from infrastructure_service.providers import PROVIDERS

OWNER = Owner("00000000-0000-7000-8000-00000000000a", "provision-acme", datetime(2026, 1, 1, tzinfo=UTC))
SPEC = Spec("tenant-acme", Tier.SILO, "silo", {"size": "small"})


def begin(provider, kind=Kind.APPLY, spec=SPEC, seen=None, *, hold=False):
    return provider.begin(kind, spec, OWNER, hold=hold, seen=seen)


async def reaches(provider, run, wanted):
    """The run, once its state is as wanted."""
    async with asyncio.timeout(60):
        while not wanted(run.state):
            await asyncio.sleep(0.01)
            run = await provider.run(run.run_id)
    return run


async def ended(provider, run):
    return await reaches(provider, run, lambda state: state.final)


async def made(provider):
    assert (await ended(provider, await begin(provider))).state is RunState.APPLIED
    return await provider.stack(SPEC.name)


async def names(provider):
    return [stack.spec.name async for stack in provider.stacks()]


def test_no_provider_is_left_out():
    assert OPENERS.keys() | MAKES_NOTHING == PROVIDERS.keys()


async def test_what_was_begun_is_made_as_it_was_asked_for_and_stamped(opener):
    async with opener() as provider:
        await provider.check()
        stack = await made(provider)
        assert (stack.spec, stack.owner, stack.state, stack.shared) == (SPEC, OWNER, StackState.READY, False)
        assert stack.provider == provider.name
        run = await provider.run(stack.latest_run_id)
        assert (run.kind, run.spec, run.owner) == (Kind.APPLY, SPEC, OWNER)
        assert await names(provider) == [SPEC.name]


async def test_a_change_keeps_the_makers_stamp(opener):
    async with opener() as provider:
        stack = await made(provider)
        other = Spec(SPEC.name, SPEC.tier, SPEC.template, {"size": "large"})
        later = Owner(OWNER.tenant_id, "grow-acme", OWNER.time)
        run = await ended(provider, await provider.begin(Kind.APPLY, other, later, hold=False, seen=stack))
        assert run.owner == later
        changed = await provider.stack(SPEC.name)
        assert (changed.spec, changed.owner) == (other, OWNER)


async def test_what_is_destroyed_is_gone_and_its_run_is_still_known(opener):
    async with opener() as provider:
        run = await ended(provider, await begin(provider, Kind.DESTROY, seen=await made(provider)))
        assert run.state is RunState.APPLIED
        assert await provider.stack(SPEC.name) is None
        assert await names(provider) == []
        assert await provider.run(run.run_id) == run


async def test_a_begin_over_a_stale_reading_loses(opener):
    async with opener() as provider:
        await made(provider)
        with pytest.raises(Aborted):
            await begin(provider)
        with pytest.raises(Aborted):
            await begin(provider, spec=FOREIGN.spec)


@pytest.mark.parametrize("count", [10])
async def test_of_many_that_begin_at_once_one_does(opener, count):
    async with opener() as provider:
        answers = await asyncio.gather(*(begin(provider) for _ in range(count)), return_exceptions=True)
        lost = [answer for answer in answers if isinstance(answer, Aborted)]
        assert len(lost) == count - 1


async def test_a_held_run_waits_and_keeps_others_out_until_it_is_cancelled(opener):
    async with opener() as provider:
        if Capability.APPROVAL not in provider.capabilities:
            return
        run = await begin(provider, hold=True)
        await reaches(provider, run, lambda state: state is RunState.PLANNED)
        stack = await provider.stack(SPEC.name)
        assert stack.state is StackState.UPDATING
        with pytest.raises(Aborted):
            await begin(provider, seen=stack)
        cancelled = await ended(provider, await provider.cancel(run, "not wanted"))
        assert (cancelled.state, cancelled.decision_reason) == (RunState.CANCELLED, "not wanted")
        assert (await provider.stack(SPEC.name)).state is StackState.INCOMPLETE
        with pytest.raises(Conflict) as caught:
            await provider.approve(run, "after all")
        assert caught.value.reason == "RUN_CLOSED"


async def test_what_others_made_is_seen_and_bears_no_stamp(opener):
    async with opener() as provider:
        assert (await provider.stack(FOREIGN.spec.name)).owner is None
        assert await names(provider) == []


async def test_what_there_is_not_is_not_answered(opener):
    async with opener() as provider:
        assert await provider.stack("nowhere") is None
        assert await provider.run("run-of-nobody") is None
        with pytest.raises(Conflict) as caught:
            await provider.template("unheard-of", Tier.SILO)
        assert caught.value.reason == "TEMPLATE_UNKNOWN"
